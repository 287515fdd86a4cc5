"""A terminal whose screen is read as a person reads it, whatever moved the cursor about."""

import os
import select
import time
from collections.abc import Callable
from pathlib import Path

import pyte

from faces.terminal import COLUMNS, Terminal

_ROWS = 60
_PATIENCE = 20.0


class Glass(Terminal):
    """Shows what a program has drawn, and answers where the cursor is."""

    def __init__(self, *arguments: str, env: dict[str, str], cwd: Path | str = "/") -> None:
        super().__init__(*arguments, env=env, cwd=cwd, rows=_ROWS)
        self._screen = pyte.Screen(COLUMNS, _ROWS)
        self._screen.write_process_input = lambda data: self.press(data)
        self._stream = pyte.ByteStream(self._screen)

    def read(self) -> bytes:
        data = super().read()
        self._stream.feed(data)
        return data

    @property
    def shown(self) -> str:
        """The whole screen, but for what is empty at its right and its end."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    @property
    def above(self) -> list[str]:
        """The lines above the one that is typed on."""
        lines = self.shown.split("\n")
        return [line for line in lines[: self._screen.cursor.y] if line]

    @property
    def typed(self) -> str:
        """The line that is typed on."""
        return self._screen.display[self._screen.cursor.y].rstrip()

    def until_shown(self, text: str) -> str:
        """Read until the text is on the screen; the screen then."""
        return self.until_so(lambda: text in self.shown, text)

    def until_so(self, so: Callable[[], bool], what: str = "that") -> str:
        """Read until the screen is so."""
        end = time.monotonic() + _PATIENCE
        while not so():
            ready = select.select([self._ours], [], [], max(0, end - time.monotonic()))[0]
            assert ready, f"{what!r} was never shown, but:\n{self.shown}"
            self.read()
        return self.shown

    def style(self, text: str) -> pyte.screens.Char:
        """How the first letter of a text on the screen looks."""
        for y, line in enumerate(self._screen.display):
            if (x := line.find(text)) >= 0:
                return self._screen.buffer[y][x]
        raise AssertionError(f"{text!r} is not shown")

    def enter(self, text: str) -> None:
        """Type a line."""
        self.press(f"{text}\r")

    def paste(self, text: str) -> None:
        """What a terminal sends for a text that is pasted."""
        self.press(f"\x1b[200~{text}\x1b[201~")

    def resize(self, columns: int) -> None:
        """As somebody drags the window."""
        import fcntl
        import struct
        import termios

        size = struct.pack("HHHH", _ROWS, columns, 0, 0)
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, size)
        self._screen.resize(_ROWS, columns)
        os.killpg(self.process.pid, 28)
