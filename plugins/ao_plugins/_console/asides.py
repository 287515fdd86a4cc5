"""What is done on threads, so that the worker can go on listening."""

import os
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread


class Asides:
    """Hands what came of it over, one by one, to whoever waits at `read_end`."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.read_end, False)
        os.set_blocking(self.write_end, False)
        self._done: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def do(self, work: Callable[[], Callable[[], None]]) -> None:
        """Do something on a thread; what it returns is called by `settle` afterwards."""
        Thread(target=lambda: self.call(work()), daemon=True).start()

    def call(self, then: Callable[[], None]) -> None:
        """Have this called by `settle`."""
        self._done.put(then)
        with suppress(BlockingIOError):  # a full pipe wakes as well
            os.write(self.write_end, b"\0")

    def settle(self) -> None:
        """Call what there is."""
        with suppress(BlockingIOError):
            os.read(self.read_end, 65536)
        while not self._done.empty():
            self._done.get()()
