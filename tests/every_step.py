"""Ends an engine at one step of an act after the other, and looks at what the next one makes of it.

The steps are not listed by hand: `stepping_engine` writes down what an act goes through. So each
act is done once to learn its steps, then once for each of them, ended there.
"""

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ao_mcp.start import READY, engine_environment
from bench.processes import Child
from checker import check, rested
from team import Team

PROGRAM = Path(__file__).with_name("stepping_engine.py")
_TOLD = 20  # faults of one step that are shown


@dataclass
class Act:
    """Something a lead does, `number` telling one time from another.

    `ready` brings about what it needs and says what it is done to; `does` does it, as often as
    the engine says that it may be repeated; `faults` says what is wrong afterwards.
    """

    name: str
    ready: Callable[[Team, int], str]
    does: Callable[[Team, int, str], None]
    faults: Callable[[Team, int, str], Iterator[str]]


@dataclass
class Row:
    """What became of an act that was ended at one step."""

    act: str
    step: str
    reached: bool
    faults: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        verdict = "; ".join(self.faults[:_TOLD]) or ("ok" if self.reached else "not reached")
        return f"{self.act:<12} {self.step:<76} {verdict}"


@dataclass
class Stepper:
    """One team, whose engine is ended again and again."""

    team: Team
    folder: Path
    number: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir()

    def steps(self, act: Act) -> list[str]:
        """What the act goes through when nobody ends it."""
        row = self.ended_at(act, "none")
        assert not row.faults, str(row)
        return self._taken()

    def ended_at(self, act: Act, step: str) -> Row:
        """Do it, with the engine ended there; then see that all is well."""
        self.number += 1
        with self._engine():
            subject = act.ready(self.team, self.number)
            rested(self.team)
            (self.folder / "steps").write_text("")
            (self.folder / "armed").write_text(step)
            row = Row(act.name, step, reached=False)
            row.faults += self._done(act, subject, step)
            row.reached = step in self._taken()
            (self.folder / "armed").unlink()
        for one in self.team.sure("list", limit=500)["sessions"]:  # so that nobody has to queue
            self.team.sure("kill", session=one["session"])
        return row

    def _done(self, act: Act, subject: str, step: str) -> list[str]:
        try:
            act.does(self.team, self.number, subject)
            rested(self.team)
            return [*act.faults(self.team, self.number, subject), *check(self.team)]
        except Exception as error:  # it goes into the table, and the others are tried
            return [f"{type(error).__name__}: {error}"[:600]]

    def _taken(self) -> list[str]:
        return (self.folder / "steps").read_text().splitlines()

    def _engine(self) -> "Stepping":
        if self.team.running_pid():
            self.team.kill_engine()
        return Stepping(self.team, self.folder)


class Stepping:
    """An engine that is ended at a step, or here."""

    def __init__(self, team: Team, control: Path) -> None:
        argv = (sys.executable, "-I", str(PROGRAM), str(control), str(team.home))
        self._child = Child(argv, engine_environment(team.env), team.home.parent)
        said = self._child.hear()
        assert said == READY, said

    def __enter__(self) -> "Stepping":
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._child.pid, signal.SIGKILL)
        self._child.end()


def spread(steps: Sequence[str], most: int) -> list[str]:
    """So many of them, from the first to the last."""
    if most >= len(steps) or most < 2:
        return list(steps)
    last = len(steps) - 1
    return [steps[place * last // (most - 1)] for place in range(most)]


def table(rows: Sequence[Row], began: float) -> str:
    """All of it, a line for each step; then how many of each act."""
    count = Counter(row.act for row in rows)
    bad = Counter(row.act for row in rows if row.faults)
    missed = Counter(row.act for row in rows if not row.reached)
    sums = [
        f"{act}: {count[act]} steps, {missed[act]} not reached, {bad[act]} with faults"
        for act in count
    ]
    return "\n".join([*map(str, rows), *sums, f"{time.monotonic() - began:.0f} s"])
