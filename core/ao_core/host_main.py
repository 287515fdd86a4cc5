"""Becomes a session host: makes its folder and its socket, leaves whoever started it, and serves.

Run with FOLDER SOCKET PAD BOOT KIND SEGMENT CAP, all absolute: PAD is where a launchpad waits, BOOT
names this start of the machine, KIND is `pipes` or a terminal's size (`200x50`), the others are
bytes. What is to be run is fetched from the launchpad, and is in no file and on no command line.
"""

import os

from ao_core import exec_stub, host_program
from ao_core.host import VERSION, Host
from ao_core.host_files import written
from ao_core.host_log import Log
from ao_core.host_program import Program
from ao_core.host_socket import listen


def main(arguments: list[str]) -> None:
    """Become a host."""
    folder, address, pad, boot, kind, segment, cap = arguments
    os.mkdir(folder, 0o700)
    log, listener = Log(folder, int(segment)), listen(address)
    if os.fork():
        os._exit(0)
    _detach()
    token = os.path.basename(address)
    try:
        size = None if kind == "pipes" else _size(kind)
        program = host_program.start(*exec_stub.fetch(pad), size)
        facts = {"token": token, "kind": kind, "boot": boot, "socket": address}
        facts |= {"segment": segment, "cap": cap}
        if not written(f"{folder}/meta", _meta(facts, program)):
            return
        host = Host(folder, token, log, program, listener, int(cap), terminal=size is not None)
        program.go_on()
        host.run()
    finally:
        _forget(address)


def _detach() -> None:
    os.setsid()
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    os.closerange(nothing, nothing + 1)


def _size(kind: str) -> "tuple[int, int]":
    columns, _, rows = kind.partition("x")
    return int(columns), int(rows)


def _meta(facts: "dict[str, str]", program: Program) -> bytes:
    facts |= {"version": str(VERSION), "host": str(os.getpid()), "child": str(program.pid)}
    facts |= {"host_started": _started(os.getpid()), "child_started": _started(program.pid)}
    return "\n".join(f"{name}={value}" for name, value in facts.items()).encode()


def _started(pid: int) -> str:
    """As platform.process_started says it, which weighs too much for us; nothing elsewhere."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return ""
    return repr(int(fields[19]) / os.sysconf("SC_CLK_TCK"))


def _forget(address: str) -> None:
    try:
        os.unlink(address)
    except OSError:
        return
