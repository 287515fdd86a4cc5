"""The program that a session host holds: started from an order, fed, listened to, reaped.

It is started by fork, and waits to become what was ordered until it is told to go on: whoever finds
it running finds it recorded. Imports next to nothing; see host_log.
"""

import os
from fcntl import F_GETFL, F_SETFL, fcntl
from select import select
from termios import tcgetwinsize, tcsetwinsize

from ao_core import exec_stub

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    import socket
    from typing import NoReturn
else:  # what these are made of; see exec_stub
    import _signal as signal
    import _socket as socket

CHUNK = 1 << 16
_NOWHERE = 126
_ANSWERS = (
    (b"\x1b[5n", b"\x1b[0n"),
    (b"\x1b[6n", b"\x1b[1;1R"),
    (b"\x1b[c", b"\x1b[?62;22c"),
    (b"\x1b[0c", b"\x1b[?62;22c"),
)


class Program:
    """The child, and our ends of what it was given."""

    def __init__(self, pid: int, given: int, said: int, complained: int, go: int) -> None:
        self.pid, self.given, self.said, self.complained = pid, given, said, complained
        self.exit = ""
        self.backlog = bytearray()
        self._go = go

    def go_on(self) -> None:
        """It may become what was ordered."""
        os.write(self._go, b"+")
        os.close(self._go)

    def reap(self) -> None:
        """See whether it has ended."""
        if self.exit:
            return
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = self.pid, 0
        if pid:
            code = os.waitstatus_to_exitcode(status)
            self.exit = f"status={code}" if code >= 0 else f"signal={-code}"

    def hear(self) -> "bytes | None":
        """What it says; nothing if nobody can say anything any more, None if nobody does now."""
        try:
            return os.read(self.said, CHUNK)
        except BlockingIOError:
            return None
        except OSError:  # a terminal that nobody holds
            return b""

    def is_silent(self) -> None:
        """Nobody holds the other end."""
        if self.given == self.said:
            self.given = -1
            self.backlog.clear()
        os.close(self.said)
        self.said = -1

    def complains(self) -> bool:
        """Whether there is a complaint to be read."""
        return bool(select([self.complained], [], [], 0)[0])

    def complaint(self) -> bytes:
        """What it complains of; nothing once nobody can."""
        try:
            data = os.read(self.complained, CHUNK)
        except BlockingIOError:
            return b""
        if not data:
            os.close(self.complained)
            self.complained = -1
        return data

    def feed(self) -> None:
        """Give it what it is ready to take."""
        try:
            del self.backlog[: os.write(self.given, self.backlog[:CHUNK])]
        except BlockingIOError:
            return
        except OSError:  # it will never read it
            self.backlog.clear()

    def resize(self, columns: int, rows: int) -> None:
        """Tell it of its terminal's new size."""
        if self.given >= 0 and self.given == self.said:
            tcsetwinsize(self.given, (rows, columns))

    def size(self) -> str:
        """Its terminal's size, if it has one."""
        if self.given < 0 or self.given != self.said:
            return ""
        rows, columns = tcgetwinsize(self.given)
        return f"{columns}x{rows}"

    def kill(self, number: int) -> None:
        """Send a signal to its group; never to somebody who has taken over its number."""
        if not self.exit:
            try:
                os.killpg(self.pid, number)
            except OSError:
                return


def start(sock: "socket.socket", order: bytes, size: "tuple[int, int] | None") -> Program:
    """Fork the program, with pipes, or on a terminal of so many columns and rows."""
    waiting, go = os.pipe()
    theirs, ours = _terminal(*size) if size else _pipes()
    pid = os.fork()
    if not pid:
        os.close(go)
        _become(sock, order, waiting, theirs, terminal=size is not None)
    for file in {waiting, *theirs}:
        os.close(file)
    sock.close()
    for file in ours:
        if file >= 0:
            fcntl(file, F_SETFL, fcntl(file, F_GETFL) | os.O_NONBLOCK)
    return Program(pid, *ours, go)


def terminal_answer(said: bytes) -> bytes:
    """What a terminal would say to this; most say nothing to most."""
    if b"\x1b[" not in said:
        return b""
    return b"".join(answer * said.count(question) for question, answer in _ANSWERS)


def _terminal(columns: int, rows: int) -> "tuple[tuple[int, int, int], tuple[int, int, int]]":
    master, slave = os.openpty()
    tcsetwinsize(slave, (rows, columns))
    return (slave, slave, slave), (master, master, -1)


def _pipes() -> "tuple[tuple[int, int, int], tuple[int, int, int]]":
    (heard, given), (said, told), (complained, complaint) = os.pipe(), os.pipe(), os.pipe()
    return (heard, told, complaint), (given, said, complained)


def _become(
    sock: "socket.socket", order: bytes, waiting: int, theirs: "tuple[int, int, int]", *,
    terminal: bool,
) -> "NoReturn":  # fmt: skip
    try:
        signal.set_wakeup_fd(-1)
        os.setsid()
        if terminal:
            os.login_tty(os.dup(theirs[0]))
        else:
            for number, file in enumerate(theirs):
                os.dup2(file, number)
        if os.read(waiting, 1):
            exec_stub.become(sock, order)
    finally:
        os._exit(_NOWHERE)
