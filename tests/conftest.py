"""What holds for every test."""

import signal

# where a shell runs the suite in the background, it and all that it starts would ignore Ctrl-C
signal.signal(signal.SIGINT, signal.default_int_handler)
