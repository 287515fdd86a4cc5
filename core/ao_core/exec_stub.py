"""Becomes the program whose command line and environment it is told over a private socket.

Run as a file: `python -I -S -E -X utf8 exec_stub.py SOCKET`. None of ours and next to nothing of
the standard library is imported, so that it starts fast. It reads a length (4 bytes, big endian)
and as many bytes of fields, each ended by a zero byte: the folder, the number of arguments, these,
and then `NAME=VALUE` each. It answers `+` when it is ready to become the program; the socket
closing after that means it did. Otherwise `chdir <errno>` or `exec <errno>` follows.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    import socket
    from typing import NoReturn
else:  # what these are made of: any of the three takes as long to import as Python to start
    import _signal as signal
    import _socket as socket

LIMIT = 8 * 1024 * 1024
NOT_FOUND = 127
NOT_RUNNABLE = 126


def main(path: str) -> "NoReturn":
    """Fetch the order and become it."""
    become(*fetch(path))


def fetch(path: str) -> "tuple[socket.socket, bytes]":
    """The order that waits at a socket, and the socket, over which it is told what became of it."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(path)
    return sock, _read(sock, int.from_bytes(_read(sock, 4), "big"))


def become(sock: "socket.socket", order: bytes) -> "NoReturn":
    """Become what was ordered; nothing is open then but the three."""
    cwd, count, *rest = order.decode("utf-8", "surrogateescape").split("\0")[:-1]
    argv, env = rest[: int(count)], rest[int(count) :]
    _forget_the_past(sock.fileno())
    sys.exit(_become(sock, argv, dict(entry.split("=", 1) for entry in env), cwd))


def _read(sock: "socket.socket", size: int) -> bytes:
    if size > LIMIT:
        sys.exit(NOT_RUNNABLE)
    data = bytearray()
    while len(data) < size:
        chunk = sock.recv(min(size - len(data), 1 << 16))
        if not chunk:
            sys.exit(NOT_RUNNABLE)  # the launcher went away: nothing is to be run any more
        data += chunk
    return bytes(data)


def _forget_the_past(keep: int) -> None:
    os.closerange(3, keep)
    os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _become(sock: "socket.socket", argv: list[str], env: dict[str, str], cwd: str) -> int:
    sock.sendall(b"+")
    step = "chdir"
    try:
        os.chdir(cwd)
        step = "exec"
        os.execvpe(argv[0], argv, env)  # noqa: S606  # no shell is what we want
    except OSError as exc:
        sock.sendall(f"{step} {exc.errno}".encode())
        return NOT_FOUND if isinstance(exc, FileNotFoundError) else NOT_RUNNABLE


if __name__ == "__main__":
    main(sys.argv[1])
