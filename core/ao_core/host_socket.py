"""The connections of a session host: frames in, answers and the log out, nobody waited for.

Imports next to nothing; see host_log.
"""

import os
import sys
from select import POLLIN, POLLOUT
from time import monotonic

from ao_core.host_log import HEAD, Log, framed, size_of, take_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import TypeAlias

    Answer: TypeAlias = Callable[["Client", bytes, bytes], "bytes | None"]  # None: not yet
else:  # what it is made of; see exec_stub
    import _socket as socket

FRAME_LIMIT = 32 << 20

_CHUNK = 1 << 16
_STRIDE = 1 << 20


class Client:
    """One connection. It is owed answers, and the log once it has attached."""

    def __init__(self, sock: "socket.socket") -> None:
        self.sock = sock
        self.greeted = self.reads = self.gone = False
        self.at, self.served = 0, monotonic()
        self._waiting: tuple[bytes, bytes] | None = None
        self._inbox, self._outbox = bytearray(), bytearray()
        self._file, self._base = -1, 0

    @classmethod
    def accepted(cls, listener: "socket.socket") -> "Client | None":
        """Whoever connects, if it is this user."""
        try:
            file = listener._accept()[0]  # pyright: ignore
        except OSError:
            return None
        sock = socket.socket(fileno=file)  # pyright: ignore
        sock.setblocking(False)
        if _is_ours(sock):
            return cls(sock)
        sock.close()
        return None

    def is_owed(self, log: Log) -> bool:
        """Whether there is something to send."""
        return bool(self._outbox) or (self.reads and self.at < log.end)

    @property
    def waits(self) -> bool:
        """Whether a frame of it cannot be answered yet."""
        return self._waiting is not None

    def serve(self, events: int, log: Log, answer: "Answer") -> None:
        """Take in or send as much as there is room for."""
        self.served = monotonic()
        try:
            if events & POLLIN:
                self._take_in(answer)
            if events & POLLOUT or self._outbox:
                self._give(log)
            elif not events & POLLIN:
                self.close()
        except BlockingIOError:
            return
        except OSError:
            self.close()

    def part(self, log: Log, word: bytes) -> None:
        """Send what it takes at once, a last word, and hang up."""
        try:
            while self.is_owed(log):
                self._give(log)
            self.sock.send(word if self.reads else b"")
        except OSError:  # it can read the files
            pass
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.gone = True
        self.sock.close()
        self._leave_segment()

    def go_on(self, answer: "Answer") -> None:
        """Answer what waits, if it can be answered now, and what has come after it."""
        if self._waiting:
            self._answer(answer)

    def _answer(self, answer: "Answer") -> None:
        while not self.reads and (frame := self._waiting or take_frame(self._inbox)):
            said = answer(self, *frame)
            self._waiting = frame if said is None else None
            if said is None:
                return
            self._outbox += said

    def _take_in(self, answer: "Answer") -> None:
        data = self.sock.recv(_CHUNK)
        self._inbox += data
        self._answer(answer)
        if not data or (len(self._inbox) >= HEAD and size_of(self._inbox) > FRAME_LIMIT):
            if data:
                self.sock.send(framed(b"e", b"the frame is too large"))
            self.close()

    def _give(self, log: Log) -> None:
        if self._outbox:
            del self._outbox[: self.sock.send(self._outbox)]
        elif self.reads and self.at < log.end:
            self._stream(log)

    def _stream(self, log: Log) -> None:
        if self._file < 0:
            if self.at < log.start:
                self.at = log.start
                self._outbox += framed(b"G", self.at.to_bytes(8, "big"))
                return
            self._file, self._base = log.opened(self.at)
        end = log.end
        if self._base != log.last:  # a segment that grows no more
            end = self._base + os.fstat(self._file).st_size
        size = min(end - self.at, _STRIDE)
        if size > 0:
            self.at += os.sendfile(self.sock.fileno(), self._file, self.at - self._base, size)
        if self.at >= end:
            self._leave_segment()

    def _leave_segment(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = -1


def listen(address: str) -> "socket.socket":
    """A socket that only this user can open, in a folder that only he can enter."""
    os.makedirs(os.path.dirname(address), 0o700, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(address)
    os.chmod(address, 0o600)
    listener.listen(16)
    listener.setblocking(False)
    return listener


def _is_ours(sock: "socket.socket") -> bool:
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:  # the folder's mode has to do
        return True
    seen = sock.getsockopt(socket.SOL_SOCKET, option, 12)
    return int.from_bytes(seen[4:8], sys.byteorder) == os.getuid()
