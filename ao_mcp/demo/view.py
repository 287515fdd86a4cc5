"""What a person sees: every step as a line, the team below them, and a table at the end."""

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import click

from ao_mcp.cli.blocks import Table, cell
from ao_mcp.cli.screen import console, on_terminal, renderable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

_FRAMES = 8  # a second
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_TITLES = ("issue", "session", "title", "status", "spawn", "answer", "merge", "commit")
_MARKS = {"merged": "✓", "needs_input": "?", "killed": "✗"}
_BUSY = ("spawning", "working")
_WHO: Mapping[str, str] = {"person": "magenta", "demo": "dim", "wait": "yellow", "kill": "red"}
_TOLD: Mapping[str, str] = {"demo": "dim", "": "dim"}
_WIDTHS = (12, 6)


@dataclass(frozen=True, slots=True)
class Row:
    """One issue, and what came of it. Times are seconds."""

    issue: str
    title: str = ""
    session: str = ""
    status: str = ""
    spawn: float | None = None
    answer: float | None = None
    merge: float | None = None
    commit: str = ""


@dataclass(slots=True)
class View:
    """Knows the team as the lead's calls told of it."""

    began: float = field(default_factory=time.monotonic)
    rows: dict[str, Row] = field(default_factory=dict[str, Row])
    _live: "Live | None" = None

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began

    @contextmanager
    def playing(self) -> Generator[None]:
        """On a terminal the team is shown below the steps, and moves."""
        if not on_terminal():
            yield
            return
        from rich.live import Live

        live = Live(
            get_renderable=self._team, console=console(), refresh_per_second=_FRAMES, transient=True
        )
        with live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def step(self, who: str, text: str, session: str = "") -> None:
        """Something was done: by a tool of the lead's, by a person, or by the demo itself."""
        if not on_terminal():
            click.echo(_plain(self.seconds, who, session, text))
            return
        line = _coloured(self.seconds, who, session, text)
        (self._live.console if self._live else console()).print(line)

    def row(self, issue: str, **known: str | float) -> None:
        """Something is known of an issue."""
        before = self.rows.get(issue) or Row(issue)
        self.rows[issue] = replace(before, **known)  # pyright: ignore[reportArgumentType]

    def table(self) -> Table:
        """What happened, and how long it took."""
        return Table(_TITLES, tuple(map(_cells, self.rows.values())))

    def _team(self) -> "RenderableType":
        from rich.padding import Padding

        frame = _SPINNER[int(self.seconds * _FRAMES) % len(_SPINNER)]
        rows = list(self.rows.values())  # another thread draws
        table = Table(("", *_TITLES), tuple((_mark(row, frame), *_cells(row)) for row in rows))
        return Padding(renderable([table]), (1, 0, 0, 0)) if rows else ""


def _mark(row: Row, frame: str) -> str:
    return frame if row.status in _BUSY else _MARKS.get(row.status, " ")


def _cells(row: Row) -> tuple[str, ...]:
    times = (row.spawn, row.answer, row.merge)
    return (
        f"#{row.issue}", row.session, row.title, row.status,
        *("" if one is None else f"{one:.2f}" for one in times), row.commit[:7],
    )  # fmt: skip


def _plain(seconds: float, who: str, session: str, text: str) -> str:
    columns = (name.ljust(width) for name, width in zip((who, session), _WIDTHS, strict=True))
    return f"{seconds:5.1f} s  " + "  ".join((*columns, cell(text))).rstrip()


def _coloured(seconds: float, who: str, session: str, text: str) -> "RenderableType":
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid.grid(padding=(0, 2, 0, 0))
    for width in (7, *_WIDTHS):
        grid.add_column(width=width, no_wrap=True)
    grid.add_column(overflow="fold")
    colour = _WHO.get(who, "cyan")
    time, name = Text(f"{seconds:5.1f} s", "dim"), Text(who, colour)
    grid.add_row(time, name, Text(session, "bold"), Text(cell(text), _TOLD.get(who, "")))
    return grid
