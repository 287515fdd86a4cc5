"""A figure beside its floor and its goal, and how figures are shown: for people and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

Verdict = Literal["pass", "miss", "-"]


@dataclass(frozen=True, slots=True)
class Floor:
    """The least the machine itself needs for the same, and how that was done."""

    value: float
    how: str


@dataclass(frozen=True, slots=True)
class Goal:
    """At most `limit`: times the floor, or in the figure's own unit."""

    limit: float
    times: bool = False

    def shown(self, unit: str) -> str:
        return f"<= {self.limit:g}x" if self.times else f"<= {self.limit:g} {unit}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing; `value` and floor are medians of so many `runs`, in the same unit."""

    name: str
    what: str
    value: float
    unit: str
    runs: int
    floor: Floor | None = None
    goal: Goal | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.floor.value if self.floor and self.floor.value else None

    @property
    def verdict(self) -> Verdict:
        judged = self.ratio if self.goal and self.goal.times else self.value
        if self.goal is None or judged is None:
            return "-"
        return "pass" if judged <= self.goal.limit else "miss"

    def cells(self) -> tuple[str, ...]:
        floor = f"{_number(self.floor.value)} {self.unit}" if self.floor else "-"
        goal = self.goal.shown(self.unit) if self.goal else "-"
        ratio = "-" if self.ratio is None else f"{self.ratio:.2f}x"
        value = f"{_number(self.value)} {self.unit}"
        return self.what, value, floor, ratio, goal, self.verdict


HEADINGS = ("what", "measured", "floor", "ratio", "goal", "")


def show(figures: Sequence[Figure]) -> None:
    """A coloured table for a terminal, a Markdown one for everything else."""
    console = Console()
    if not console.is_terminal:
        for line in markdown(figures):
            console.out(line, highlight=False)
        return
    table = Table(*HEADINGS)
    for figure in figures:
        style = {"miss": "red", "pass": "green"}.get(figure.verdict)
        *cells, verdict = figure.cells()
        table.add_row(*cells, f"[{style}]{verdict}[/]" if style else verdict)
    console.print(table)


def markdown(figures: Sequence[Figure]) -> list[str]:
    """The lines of a Markdown table."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(figure.cells() for figure in figures)]
    return [f"| {' | '.join(row)} |" for row in rows]


def save(figures: Sequence[Figure], path: Path) -> None:
    """All there is to say of each figure, as JSON."""
    told = [
        asdict(figure) | {"ratio": figure.ratio, "verdict": figure.verdict} for figure in figures
    ]
    path.write_text(json.dumps({"figures": told}, indent=2) + "\n")


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
