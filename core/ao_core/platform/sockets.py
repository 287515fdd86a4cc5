"""Sockets, and who is at their other end."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ao_core.platform.kernel import ask, read
from ao_core.platform.kind import system

if TYPE_CHECKING:
    from socket import socket


def has_unix_sockets() -> bool:
    """Whether clients reach the engine through a socket file."""
    import socket

    return system() != "windows" and hasattr(socket, "AF_UNIX")


def peer_uid(sock: "socket") -> int | None:
    """Who is at the other end of a unix socket, where the system tells."""
    import socket
    import struct

    if system() in ("linux", "wsl"):
        seen = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", seen)[1])
    if system() == "macos":
        return int(struct.unpack("2I", sock.getsockopt(0, 1, 8))[1])  # SOL_LOCAL, LOCAL_PEERCRED
    return None


def peer_pid(sock: "socket") -> int | None:
    """The process that opened the other end of a unix socket, where the system tells."""
    import socket
    import struct

    if system() in ("linux", "wsl"):
        seen = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", seen)[0]) or None  # of another container it has no number
    if system() == "macos":
        return int(struct.unpack("i", sock.getsockopt(0, 2, 4))[0])  # SOL_LOCAL, LOCAL_PEERPID
    return None


def pid_on_port(port: int) -> int | None:
    """Who listens on a TCP port of this machine, if we may see it."""
    if system() == "macos":
        return _first_number(ask("lsof", "-nP", "-t", f"-iTCP:{port}", "-sTCP:LISTEN"))
    if system() == "windows":
        rows = (line.split() for line in ask("netstat", "-ano", "-p", "TCP").splitlines())
        held = (row[-1] for row in rows if "LISTENING" in row and row[1].endswith(f":{port}"))
        return _first_number(next(held, ""))
    inodes = {inode for table in ("tcp", "tcp6") for inode in _listening(table, port)}
    return _holder({f"socket:[{inode}]" for inode in inodes}) if inodes else None


def _listening(table: str, port: int) -> Iterable[str]:
    for line in read(f"/proc/net/{table}").splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
            yield fields[9]


def _holder(names: set[str]) -> int | None:
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(os.readlink(folder / name) in names for name in os.listdir(folder)):
                return int(folder.parent.name)
        except OSError:  # ended meanwhile, or another user's
            continue
    return None


def _first_number(text: str) -> int | None:
    found = re.search(r"\d+", text)
    return int(found[0]) if found else None
