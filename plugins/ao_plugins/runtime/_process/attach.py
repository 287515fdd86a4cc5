"""Attaches a person's terminal to an agent's. Run with the socket of the agent's host.

C-] leaves; leaving ends nothing. The agent's terminal has the person's size meanwhile, but never
one so small that its dialogs could not be known by their words. What a person is shown at first is
the end of what the agent said, without the questions to a terminal that are in it: answers to these
would be typed to the agent.
"""

import os
import re
import select
import signal
import socket
import sys
import termios
import tty
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager, suppress

from ao_core.host import ANYWHERE, VERSION
from ao_core.host_log import HEAD, SAID, framed, take_frame

_LEAVE = b"\x1d"
_CHUNK = 1 << 16
_SHOWN = 1 << 18  # bytes of the past
_LEAST = (80, 24)
_LEAVING = (signal.SIGHUP, signal.SIGTERM)  # a closed window must not leave its size behind
_QUESTIONS = re.compile(
    rb"\x1b\[[<-?]*[0-9;]*(?:[nc]|\$p|x|[0-9]*t)|\x1b\[\?u|\x1b\][0-9;]*;\?(?:\x07|\x1b\\)"
    rb"|\x1bP[^\x1b]*\x1b\\"
)
_ENDED = b"it has ended\n"
_AFTER = (
    b"\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[?1l"
    b"\x1b[<u\x1b>\x1b[?25h\x1b[0m\r\n"
)


class Host:
    """A connection, used in turns."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(address)
        self._inbox = bytearray()
        self.said = self.ask(b"v", bytes([VERSION]))[1]

    def ask(self, kind: bytes, data: bytes) -> tuple[bytes, bytes]:
        """One frame there, one back; nothing once the agent has ended."""
        with suppress(BrokenPipeError, ConnectionResetError):  # which is what is heard next
            self.socket.sendall(framed(kind, data))
        return self.next()

    def next(self) -> tuple[bytes, bytes]:
        """The next frame, awaited."""
        while (found := self.whole()) is None:
            if not self.hear():
                return b"x", b""
        return found

    def hear(self) -> bool:
        """Take in what has come; False once the host has hung up."""
        try:
            data = self.socket.recv(_CHUNK)
        except ConnectionResetError:
            return False
        self._inbox += data
        return bool(data)

    def whole(self) -> tuple[bytes, bytes] | None:
        """The next frame, if it is there."""
        return take_frame(self._inbox)


def main(address: str) -> int:
    """Show and type until the person leaves or the agent ends."""
    try:
        speaking, hearing = Host(address), Host(address)
    except OSError:
        _write(_ENDED)
        return 1
    before = re.search(rb"size=(\d+)x(\d+)", speaking.said)
    _write(b"attached; C-] leaves\r\n")
    with _raw():
        try:
            _resize(speaking)
            _show_past(hearing)
            lasts = _converse(speaking, hearing)
        finally:
            if before:
                _resize(speaking, int(before[1]), int(before[2]))
            _write(_AFTER)
    if not lasts:
        _write(_ENDED)
    return 0


def _show_past(host: Host) -> None:
    """The end of what was said so far."""
    _, said = host.ask(b"a", bytes(8))
    at, until = int.from_bytes(said[:8], "big"), int.from_bytes(said[8:], "big")
    shown, size = deque[bytes](), 0
    while at < until:
        kind, data = host.next()
        if kind == b"x":
            break
        at = int.from_bytes(data, "big") if kind == b"G" else at + HEAD + len(data)
        if kind == SAID:
            shown.append(data)
            size += len(data)
        while size > _SHOWN:
            size -= len(shown.popleft())
    _write(_QUESTIONS.sub(b"", b"".join(shown)))


def _converse(speaking: Host, hearing: Host) -> bool:
    """Show and type; whether the agent lasts."""
    waking = _signals()
    lasts = _show(hearing)
    while lasts:
        ready, _, _ = select.select([0, waking, hearing.socket], [], [])
        if waking in ready:
            if not {*os.read(waking, 64)}.isdisjoint(_LEAVING):
                break
            _resize(speaking)
        if hearing.socket in ready:
            lasts = hearing.hear() and _show(hearing)
        if 0 in ready and not _type(speaking):
            break
    return lasts


def _signals() -> int:
    waking, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    for number in (signal.SIGWINCH, *_LEAVING):
        signal.signal(number, _noted)
    return waking


def _noted(*_: object) -> None:
    """The number is in the pipe."""


def _show(host: Host) -> bool:
    while (frame := host.whole()) is not None:
        kind, data = frame
        if kind == SAID:
            _write(data)
        if kind == b"x":
            return False
    return True


def _type(host: Host) -> bool:
    typed = os.read(0, _CHUNK)
    before, leaves, _ = typed.partition(_LEAVE)
    if before:
        host.ask(b"w", ANYWHERE.to_bytes(8, "big") + before)
    return bool(typed) and not leaves


def _resize(host: Host, columns: int = 0, rows: int = 0) -> None:
    if not columns:
        columns, rows = map(max, os.get_terminal_size(0), _LEAST)
    host.ask(b"z", columns.to_bytes(2, "big") + rows.to_bytes(2, "big"))


@contextmanager
def _raw() -> Generator[None]:
    before = termios.tcgetattr(0)
    try:
        tty.setraw(0)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
