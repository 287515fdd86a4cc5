"""The agent's own command, for one turn, in our terminal and in our group of processes.

In our group, so that the kernel hangs up on it and all it started when we are gone, however we
went. What is typed is for us alone.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from functools import partial
from threading import Event

_PATIENCE = 5.0  # seconds in which it may end when it is interrupted
_GRACE = 3.0


class Child:
    """One that runs; raises OSError where it cannot."""

    def __init__(self, words: Sequence[str]) -> None:
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        self._over = Event()

    def wait(self) -> int:
        """Its status, or the signal it died of, below zero."""
        status = self._process.wait()
        self._over.set()
        return status

    def interrupt(self) -> None:
        """Interrupt it as its terminal would; what does not heed that is ended."""
        os.killpg(0, signal.SIGINT)
        if not self._over.wait(_PATIENCE):
            self._end()

    def _end(self) -> None:
        import anyio

        from ao_core.platform import process_started
        from ao_core.process import end_tree

        pid = self._process.pid
        anyio.run(partial(end_tree, pid, started=process_started(pid), grace=_GRACE))
