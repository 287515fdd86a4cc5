"""Ends an engine at one step of an act after the other, and looks at what the next one makes of it.

The steps are not listed by hand: `stepping_engine` writes down what an act goes through. So each
act is done once to learn its steps, then once for each of them, ended there.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from checker import check, rested
from receiver import Receiver
from team import Kind, Team

PROGRAM = Path(__file__).with_name("stepping_engine.py")
_TOLD = 20  # faults of one step that are shown


class Watched(Team):
    """A team whose project has people who are told by webhook, where `config` has it so."""

    def __init__(
        self, home: Path, repository: Path, runtime: Path, kind: Kind, people: Receiver
    ) -> None:
        super().__init__(home, repository, runtime, kind)
        self.people = people


@dataclass(frozen=True)
class Act:
    """Something a lead does, `number` telling one time from another.

    `ready` brings about what it needs and says what it is done to; `does` does it, as often as
    the engine says that it may be repeated; `faults` says what is wrong afterwards. What `config`
    says comes before the project's own configuration.
    """

    name: str
    ready: Callable[[Watched, int], str]
    does: Callable[[Watched, int, str], None]
    faults: Callable[[Watched, int, str], Iterator[str]]
    config: str = ""


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
    """One team, each of whose engines may be ended at a step; what such an engine leaves, the next
    one takes up, and is the one that is ended next.
    """

    team: Watched
    folder: Path
    patience: float = 15.0  # seconds in which what looks wrong may come right
    number: int = 0
    known: set[str] = field(default_factory=set[str])  # faults that an earlier step has led to

    def steps(self, act: Act) -> list[str]:
        """What the act goes through when nobody ends it."""
        row = self.ended_at(act, "none")
        assert not row.faults, str(row)
        return list(moments(self._taken()))

    def ended_at(self, act: Act, step: str) -> Row:
        """Do it, with the engine ended there; then see that all is well."""
        self.number += 1
        subject = act.ready(self.team, self.number)
        rested(self.team)
        (self.folder / "steps").write_text("")
        (self.folder / "arming").write_text(step)
        (self.folder / "arming").rename(self.folder / "armed")
        row = Row(act.name, step, reached=False)
        row.faults += self._done(act, subject)
        row.reached = step in self._taken()
        (self.folder / "armed").unlink(missing_ok=True)
        for one in self.team.sure("list", limit=500)["sessions"]:  # so that nobody has to queue
            self.team.sure("kill", session=one["session"])
        return row

    def _done(self, act: Act, subject: str) -> list[str]:
        try:
            act.does(self.team, self.number, subject)
            return self._lasting(act, subject)
        except Exception as error:  # it goes into the table, and the others are tried
            return [f"{type(error).__name__}: {error}"[:600]]

    def _lasting(self, act: Act, subject: str) -> list[str]:
        """What is wrong, and stays so: what was only just done may take a moment to be told of."""
        end = time.monotonic() + self.patience
        while True:
            rested(self.team)
            found = [*act.faults(self.team, self.number, subject), *check(self.team)]
            new = [fault for fault in found if fault not in self.known]
            if not new or time.monotonic() > end:
                self.known |= {*new}
                return new

    def _taken(self) -> list[str]:
        return (self.folder / "steps").read_text().splitlines()


def stepping(control: Path) -> tuple[str, ...]:
    """The arguments for Python to start an engine whose steps are told and counted there."""
    control.mkdir()
    return ("-I", str(PROGRAM), str(control))


def moments(steps: Sequence[str]) -> Iterator[str]:
    """Those that differ outside: from after one thing to before the next nothing has happened."""
    for last, step in zip(["", *steps], steps, strict=False):
        if " after " not in last or " before " not in step:
            yield step


def spread(steps: Sequence[str], most: int) -> list[str]:
    """So many of them: the middle one of each of as many parts."""
    if most >= len(steps):
        return list(steps)
    return [steps[(2 * place + 1) * len(steps) // (2 * most)] for place in range(most)]


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
