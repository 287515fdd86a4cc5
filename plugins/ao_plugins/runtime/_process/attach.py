"""Attaches a person's terminal to an agent's. Run with the socket of the agent's host, and the size
that the agent's terminal was given.

C-] leaves, whether the agent reads what was typed or not; leaving ends nothing. The agent's
terminal has the person's size meanwhile, but never one so small that its dialogs could not be known
by their words. What a person is shown at first is the end of what the agent said, without the
questions to a terminal that are in it: answers to these would be typed to the agent.
"""

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from time import monotonic

from ao_core.host import ANYWHERE
from ao_plugins.runtime._process.ear import Ear, Host, write

_LEAVE = b"\x1d"
_KEYS = 1 << 12  # bytes typed at once: less than any socket holds, so that nothing waits to be sent
_LEAST = (80, 24)
_MOMENT = 1.0  # seconds for last words
_LEAVING = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)  # none may leave its size behind
_ENDED = b"it has ended\n"
_SILENT = b"its host does not answer\n"
_AFTER = (
    b"\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[?1l"
    b"\x1b[<u\x1b>\x1b[?25h\x1b[0m\r\n"
)


class Sitting:
    """A person before an agent's terminal, until one leaves or the other ends."""

    def __init__(self, address: str, given: bytes, waking: int) -> None:
        self._address, self._given, self._waking = address, given, waking
        self._speaking, self._hearing = Host(address), Host(address)
        self._ear = Ear(self._hearing)
        self._typed, self._owed = bytearray(), False

    def converse(self) -> bool:
        """Show and type; whether the agent lasts."""
        self._fit()
        self._hearing.tell(b"a", bytes(8))
        while True:
            owing = [self._speaking.socket] * self._owed
            ready, _, _ = select.select([0, self._waking, self._hearing.socket, *owing], [], [])
            if self._hearing.socket in ready and not self._hear():
                return False
            if self._speaking.socket in ready and not self._answered():
                _awhile(self._hearing, self._hear)
                return False
            if (self._waking in ready and self._is_called()) or (0 in ready and self._leaves()):
                if self._owed:
                    _awhile(self._speaking, lambda: self._answered() and self._owed)
                return True

    def _hear(self) -> bool:
        lasts = self._ear.hear()
        if self._ear.size == self._given:  # as somebody leaves it who was here too
            self._fit()
        return lasts

    def _is_called(self) -> bool:
        """Whether by one of the signals that end this; the other is that of a new size."""
        called = {*os.read(self._waking, 64)}
        if signal.SIGWINCH in called:
            self._fit()
        return not called.isdisjoint(_LEAVING)

    def _fit(self) -> None:
        columns, rows = map(max, os.get_terminal_size(0), _LEAST)
        if (size := _packed(columns, rows)) != self._ear.size:
            _resize(self._address, size)

    def _leaves(self) -> bool:
        """Take what was typed; whether that is the end of it."""
        typed = os.read(0, _KEYS)
        before, leaves, _ = typed.partition(_LEAVE)
        self._typed += before
        self._tell()
        return bool(leaves) or not typed

    def _tell(self) -> None:
        """One frame at a time: it is not answered before the agent has read most of the last."""
        if self._typed and not self._owed:
            self._speaking.tell(b"w", ANYWHERE.to_bytes(8, "big") + self._typed[:_KEYS])
            del self._typed[:_KEYS]
            self._owed = True

    def _answered(self) -> bool:
        """Take an answer, and tell what was typed meanwhile; False once the agent has ended."""
        lasts = self._speaking.hear()
        if frame := self._speaking.whole():
            lasts, self._owed = frame[0] != b"x", False
            self._tell()
        return lasts


def main(address: str, size: str) -> int:
    """Show and type until the person leaves or the agent ends."""
    given, lasts = _packed(*map(int, size.split("x"))), True
    try:
        sitting = Sitting(address, given, _signals())
    except OSError as exc:
        write(_SILENT if isinstance(exc, TimeoutError) else _ENDED)
        return 1
    with suppress(OSError, termios.error):  # of a window that is closed
        try:
            write(b"attached; C-] leaves\r\n")
            with _raw():
                lasts = sitting.converse()
        finally:
            _resize(address, given)
        write(b"" if lasts else _ENDED)
    return 0


def _resize(address: str, size: bytes) -> None:
    """On a connection of its own: on the other one it would wait for the agent to read."""
    with suppress(OSError):  # it has ended, or its host is in no state to do anything
        host = Host(address)
        with host.socket:
            host.ask(b"z", size)


def _packed(columns: int, rows: int) -> bytes:
    return columns.to_bytes(2, "big") + rows.to_bytes(2, "big")


def _awhile(host: Host, step: Callable[[], bool]) -> None:
    """Go on with what comes, but not for long."""
    end = monotonic() + _MOMENT
    while (left := end - monotonic()) > 0 and select.select([host.socket], [], [], left)[0]:
        if not step():
            return


def _signals() -> int:
    """A pipe with the numbers of those that came."""
    waking, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    for number in (signal.SIGWINCH, *_LEAVING):
        signal.signal(number, _noted)
    return waking


def _noted(*_: object) -> None:
    """The number is in the pipe."""


@contextmanager
def _raw() -> Generator[None]:
    before = termios.tcgetattr(0)
    try:
        tty.setraw(0)
        yield
    finally:
        try:
            write(_AFTER)
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, before)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
