"""What holds for every test."""

import signal

# where a shell runs the suite in the background, or `nohup`, all that is started would ignore these
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
