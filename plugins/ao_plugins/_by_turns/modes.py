"""The modes of our terminal, which a command may change and need not put back."""

import os
import sys
import termios


class Modes:
    """As they are now."""

    def __init__(self) -> None:
        self._descriptor = sys.stdin.fileno()
        terminal = os.isatty(self._descriptor)
        self._before = termios.tcgetattr(self._descriptor) if terminal else None

    def put_back(self) -> None:
        """As they were; what was typed meanwhile is kept."""
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            os.set_blocking(stream.fileno(), True)  # they are one file, also to the command
        if self._before is not None:
            termios.tcsetattr(self._descriptor, termios.TCSANOW, self._before)
