"""What a person who has attached sees of an agent: the end of the past at once, then all as it
comes. Questions to a terminal are left out of the past; see attach.
"""

import os
import re
import socket
from collections import deque
from contextlib import suppress

from ao_core.host import VERSION
from ao_core.host_log import HEAD, SAID, SIZED, framed, take_frame

_CHUNK = 1 << 16
_SHOWN = 1 << 18  # bytes of the past
_PATIENCE = 5.0  # seconds for a host to answer what it answers at once
_QUESTIONS = re.compile(
    rb"\x1b\[[<-?]*[0-9;]*(?:[nc]|\$p|x|[0-9]*t)|\x1b\[\?u|\x1b\][0-9;]*;\?(?:\x07|\x1b\\)"
    rb"|\x1bP[^\x1b]*\x1b\\"
)


class Host:
    """A connection."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(_PATIENCE)
        self.socket.connect(address)
        self._inbox = bytearray()
        self.said = self.ask(b"v", bytes([VERSION]))[1]

    def ask(self, kind: bytes, data: bytes) -> tuple[bytes, bytes]:
        """One frame there, one back, awaited; nothing once the host has hung up."""
        self.tell(kind, data)
        while (found := self.whole()) is None:
            if not self.hear():
                return b"x", b""
        return found

    def tell(self, kind: bytes, data: bytes) -> None:
        """One frame there."""
        with suppress(BrokenPipeError, ConnectionResetError):  # which is what is heard next
            self.socket.sendall(framed(kind, data))

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


class Ear:
    """Shows what an agent says: the end of the past when it is known, then all as it comes."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._at, self._until = 0, 0
        self._past: deque[bytes] | None = deque()
        self._kept = 0
        self._sized = b""

    @property
    def size(self) -> bytes:
        """What the agent's terminal became last, once the past is shown."""
        return self._sized if self._past is None else b""

    def hear(self) -> bool:
        """Show what has come; False once the agent has ended."""
        lasts = self._host.hear()
        while lasts and (frame := self._host.whole()):
            if lasts := frame[0] != b"x":
                self._take(*frame)
        if not lasts:
            self._show_past()
        return lasts

    def _take(self, kind: bytes, data: bytes) -> None:
        if kind == b"A":
            self._at, self._until = int.from_bytes(data[:8], "big"), int.from_bytes(data[8:], "big")
        elif kind == b"G":
            self._at = int.from_bytes(data, "big")
        else:
            self._at += HEAD + len(data)
        if kind == SIZED:
            self._sized = data
        if kind == SAID:
            self._show(data)
        if self._at >= self._until:
            self._show_past()

    def _show(self, data: bytes) -> None:
        if self._past is None:
            write(data)
            return
        self._past.append(data)
        self._kept += len(data)
        while self._kept > _SHOWN:
            self._kept -= len(self._past.popleft())

    def _show_past(self) -> None:
        if self._past is not None:
            past, self._past = b"".join(self._past), None
            write(_QUESTIONS.sub(b"", past))


def write(data: bytes) -> None:
    """All of it to the person's terminal."""
    while data:
        data = data[os.write(1, data) :]
