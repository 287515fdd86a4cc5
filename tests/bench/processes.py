"""What processes weigh and use, as the kernel tells it."""

import os
import select
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, cast

_DEADLINE = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")


def weight(pid: int) -> float:
    """Megabytes, each shared page divided among those who share it (PSS)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("the kernel does not tell what a process weighs")


def cpu(pids: Iterable[int]) -> float:
    """Seconds of processor time used so far."""
    return sum(_used(pid) for pid in pids)


def _used(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


class Child:
    """A process that is talked to by lines, and ended."""

    def __init__(self, argv: Sequence[str], env: dict[str, str], cwd: Path) -> None:
        self._process = subprocess.Popen(
            argv, env=env, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, bufsize=0,
        )  # fmt: skip
        self.pid = self._process.pid

    def say(self, line: bytes) -> None:
        cast("IO[bytes]", self._process.stdin).write(line)

    def hear(self) -> bytes:
        """The next line."""
        out, line = cast("IO[bytes]", self._process.stdout), b""
        while not line.endswith(b"\n"):
            if not select.select([out], [], [], _DEADLINE)[0]:
                raise AssertionError("nothing was heard")
            chunk = os.read(out.fileno(), 65536)
            if not chunk:
                raise AssertionError("it ended")
            line += chunk
        return line

    def end(self) -> None:
        """Hang up, ask it to go, and see it go."""
        for pipe in (self._process.stdin, self._process.stdout):
            cast("IO[bytes]", pipe).close()
        self._process.terminate()
        self._process.wait(_DEADLINE)
