"""What is seen of it: between two turns a line to type in, and below a turn that there is one.

A turn's own output goes by above its last row, which is left out of what scrolls.
"""

import re
from collections.abc import Callable

from ao_plugins._console.lines import drafted, wrapped

WORKING = "C-c ends this turn"
READY = r"─\n idle [^\n]*\n>(?: [^\n]*)?(?:\n(?:  [^\n]*)?)*\s*\Z"
DRAFT = r"─\n idle [^\n]*\n>\s+\S"
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_SMALLEST = (20, 6)
_SHOWN = 300  # characters of a message that was taken
# what a turn may leave switched on: another screen; margins, colours, the mouse, keys
_MAIN = "\x1b[?1047l"
_PLAIN = (
    "\x1b[r\x1b[0m\x1b[?7h\x1b[?1l\x1b>\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l"
    "\x1b[?1006l\x1b[?2004h\x1b[?25h"
)
_KEPT, _BACK = "\x1b7", "\x1b8"  # where the cursor is


class Picture:
    """Writes it."""

    def __init__(self, write: Callable[[str], None], size: Callable[[], tuple[int, int]]) -> None:
        self._write, self._measure = write, size
        self._height = 0
        self._shown: tuple[str, str] | None = None

    def say(self, text: str, mark: str) -> None:
        """Add a few lines to what was said."""
        cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]} …"
        lines = _CONTROLS.sub(" ", cut).split("\n")
        rows = [row for line in lines for row in wrapped(line, self._size()[0] - 3)]
        self._write(self._over_composer() + "".join(f"{mark} {row}\r\n" for row in rows))

    def composer(self, note: str, draft: str) -> None:
        """Show the line to type in."""
        if self._shown == (note, draft):
            return
        columns, rows = self._size()
        tail = list(drafted(draft[-columns * rows :], columns))[-max(1, rows // 2) :]
        tail[0] = f">{tail[0][1:]}"
        lines = ["─" * columns, f" idle {note}"[: columns - 1], *tail]
        self._write(self._over_composer() + "\r\n".join(lines))
        self._height, self._shown = len(lines), (note, draft)

    def resized(self) -> None:
        """The next one is for another size."""
        self._shown = None

    def works(self) -> None:
        """Give all rows but the last to the turn."""
        self._write(f"{self._over_composer()}\r\n\x1b[A")
        self.margin()

    def margin(self) -> None:
        """Keep the last row out of what scrolls, and say there how things stand."""
        row = self._size()[1]
        self._write(f"{_KEPT}\x1b[1;{row - 1}r\x1b[{row};1H\x1b[2K{WORKING}{_BACK}")

    def rests(self) -> None:
        """The turn is over, and has left whatever it liked."""
        row = self._size()[1]
        self._write(f"{_MAIN}{_KEPT}{_PLAIN}\x1b[{row};1H\x1b[2K{_BACK}\x1b[0m\r\n\x1b[J")

    def _over_composer(self) -> str:
        up = f"\x1b[{self._height - 1}A" if self._height > 1 else ""
        erased = f"{up}\r\x1b[J" if self._height else ""
        self._height, self._shown = 0, None
        return erased

    def _size(self) -> tuple[int, int]:
        columns, rows = self._measure()
        return max(columns, _SMALLEST[0]), max(rows, _SMALLEST[1])
