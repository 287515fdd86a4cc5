"""Waits for the end of an engine, by what the kernel tells of its process."""

import os
import select
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress

from ao_core import platform
from ao_core.errors import TimedOut
from ao_core.wire import Connection, remaining

DEADLINE = 10.0
_PAUSE = 0.02


class Process:
    """A process that we wait for. Where there is a pidfd, no other can take its place."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._started = platform.process_started(pid)
        self._descriptor: int | None = None
        if hasattr(os, "pidfd_open"):
            with suppress(OSError):  # it has ended already
                self._descriptor = os.pidfd_open(pid)

    def ended(self, until: float) -> bool:
        """Wait; whether it has ended."""
        try:
            if self._descriptor is not None:
                return bool(select.select([self._descriptor], [], [], remaining(until))[0])
            while self._lives():
                select.select([], [], [], min(_PAUSE, remaining(until) or 0))
        except TimeoutError:
            return False
        return True

    def signal(self, number: int) -> None:
        """Send it a signal, if it still is there."""
        with suppress(ProcessLookupError):
            if self._descriptor is not None:
                import signal

                signal.pidfd_send_signal(self._descriptor, number)
            elif self._lives():
                os.kill(self.pid, number)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._descriptor is not None:
            os.close(self._descriptor)

    def _lives(self) -> bool:
        same = platform.process_started(self.pid) == self._started
        return same and platform.process_exists(self.pid)


@contextmanager
def watched(pid: int) -> Generator[Process]:
    """A process, from now on."""
    process = Process(pid)
    try:
        yield process
    finally:
        process.close()


def await_end(connection: Connection, process: Process, deadline: float = DEADLINE) -> None:
    """Return when the engine has hung up and its process has ended; raises `TimedOut`."""
    until = time.monotonic() + deadline
    if not (_hung_up(connection, until) and process.ended(until)):
        message = f"The engine, process {process.pid}, did not end within {deadline:g} s."
        raise TimedOut(message, hint="See the end of `ao logs --engine`.")


def _hung_up(connection: Connection, until: float) -> bool:
    opened, _ = connection.detach()
    try:
        while True:
            opened.settimeout(remaining(until))
            if not opened.recv(65536):
                return True
    except TimeoutError:
        return False
    except OSError:
        return True
