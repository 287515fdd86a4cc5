"""The picture: what was said scrolls by, and the footer stays below it."""

import re
from collections.abc import Callable
from typing import NamedTuple

from ao_plugins._console.lines import drafted, wrapped

_KEPT = 2_000
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_SMALLEST = (20, 6)


class Footer(NamedTuple):
    """What stands below: lines, and the draft, whose end is where the cursor is."""

    lines: tuple[str, ...]
    draft: str | None


class Screen:
    """Paints in place, without the alternate screen, so that what was said can be scrolled to."""

    def __init__(self, write: Callable[[str], None], size: Callable[[], tuple[int, int]]) -> None:
        self._write, self._measure = write, size
        self._said: list[str] = []
        self._new: list[str] = []
        self._height = 0
        self._shown: Footer | None = None

    def say(self, text: str, mark: str = "●") -> None:
        """Add to what was said."""
        first, *rest = _CONTROLS.sub(" ", text).split("\n")
        self._new += [f"{mark} {first}", *(f"  {line}" for line in rest)]

    def paint(self, footer: Footer) -> None:
        """Show what is new, and the footer."""
        if not self._new and footer == self._shown:
            return
        columns, rows = self._size()
        new = [line for said in self._new for line in wrapped(said, columns)]
        up = f"\x1b[{self._height - 1}A" if self._height > 1 else ""
        self._put(f"\x1b[?25l{up}\r\x1b[J", new, _lines(footer, columns, rows))
        self._keep(footer)

    def repaint(self, footer: Footer) -> None:
        """Begin anew, as after a change of size."""
        columns, rows = self._size()
        below = _lines(footer, columns, rows)
        self._said += self._new
        said = [line for one in self._said[-rows:] for line in wrapped(one, columns)]
        self._put("\x1b[?25l\x1b[H\x1b[2J", said[-max(0, rows - len(below)) :], below)
        self._new.clear()
        self._keep(footer)

    def _put(self, before: str, said: list[str], below: list[str]) -> None:
        self._write(before)  # in two pieces, as large frames come: who looks now sees half of it
        self._write("\r\n".join([*said, *below]) + "\x1b[?25h")
        self._height = len(below)

    def _keep(self, footer: Footer) -> None:
        self._said = [*self._said, *self._new][-_KEPT:]
        self._new.clear()
        self._shown = footer

    def _size(self) -> tuple[int, int]:
        columns, rows = self._measure()
        return max(columns, _SMALLEST[0]), max(rows, _SMALLEST[1])


def _lines(footer: Footer, columns: int, rows: int) -> list[str]:
    lines = ["─" * columns]
    lines += [line for one in footer.lines for line in wrapped(_CONTROLS.sub(" ", one), columns)]
    if footer.draft is not None:
        draft = list(drafted(footer.draft, columns))
        lines += draft[-max(1, rows // 2) :]
    return lines[-(rows - 1) :]
