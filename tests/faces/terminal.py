"""A program on a terminal of its own, read and typed to as a person would."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from types import TracebackType
from typing import Self

AO = (sys.executable, "-I", "-m", "ao_mcp.cli")
COLUMNS = 100
_PATIENCE = 15.0
# makes the terminal the program's own, so that Ctrl-C reaches it
_TAKE = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """`ao` on a pseudo terminal of 100 columns."""

    def __init__(
        self, *arguments: str, env: dict[str, str], cwd: Path | str = "/", rows: int = 30
    ) -> None:
        self._ours, self._theirs = pty.openpty()
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, COLUMNS, 0, 0))
        self.before = termios.tcgetattr(self._theirs)
        self.seen = ""
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", _TAKE, *AO, *arguments],
            cwd=cwd, env={**env, "TERM": "xterm-256color"},
            stdin=self._theirs, stdout=self._theirs, stderr=self._theirs,
            start_new_session=True,
        )  # fmt: skip

    def until(self, text: str) -> str:
        """Read until the text was written; all that was written since the last such call."""
        end = time.monotonic() + _PATIENCE
        while text not in self.seen:
            ready = select.select([self._ours], [], [], max(0, end - time.monotonic()))[0]
            assert ready, f"{text!r} was never written, but: {self.seen!r}"
            self.read()
        found, self.seen = self.seen, ""
        return found

    def press(self, text: str) -> None:
        """Press keys."""
        os.write(self._ours, text.encode())

    def ended(self) -> int:
        """Wait for the program's end; its status."""
        end = time.monotonic() + _PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            if select.select([self._ours], [], [], 0.02)[0]:  # a full terminal would hold it up
                self.read()
        while select.select([self._ours], [], [], 0)[0]:
            self.read()
        return self.process.wait(1)

    def read(self) -> bytes:
        """Take what was written meanwhile."""
        data = os.read(self._ours, 65536)
        self.seen += data.decode(errors="replace")
        return data

    @property
    def settings(self) -> list[object]:
        """How the terminal is set now."""
        return list(termios.tcgetattr(self._theirs))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)
