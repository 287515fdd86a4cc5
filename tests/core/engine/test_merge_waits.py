"""A merge that has waited at its host asks once more what it asked before it began to wait."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from ao_core.engine.intents import Intents
from ao_core.engine.judging import is_settled, judged
from ao_core.engine.trains import Report, Wish, merge
from ao_core.git.train import Fate
from ao_core.ids import SessionId
from ao_core.model.event import EventKind
from ao_core.model.judgement import Judged, Judgement
from ao_core.model.pause import Paused, PauseReason
from ao_core.model.session import PrFacts, PrReason, PrState, Session, SessionReason, SessionState
from ao_core.model.work import (
    ChecksSummary,
    Landed,
    Landing,
    Mergeability,
    MergeMethod,
    Pull,
    PullState,
    ReviewDecision,
)
from ao_core.slots.scm import WorkRef
from bare_engine import an_engine
from books import START, Books, a_session, clock_of

PULL = Pull(7, "Work", "u/7", "ao/app-1", "main", "h", PullState.OPEN)
FINE = Mergeability(True, ChecksSummary.PASSING, ReviewDecision.APPROVED, conflicts=False)
WAITS = replace(FINE, mergeable=False, blockers=("checks run",), waiting=True)
APPROVED = PrFacts(
    PrState.OPEN, PrReason.MERGE_READY, 7, "u/7", "h",
    judged=Judged("h", decision=ReviewDecision.APPROVED),
)  # fmt: skip


@dataclass
class Host:
    """One pull request, which waits for one look."""

    after: Mergeability = FINE
    heads: list[str] = field(default_factory=lambda: ["h", "h"])
    looks: int = 0
    merged: list[str] = field(default_factory=list[str])
    remote: None = None
    name: str = "elsewhere"

    async def find(self, work: WorkRef) -> Pull:
        return replace(PULL, head=self.heads.pop(0))

    async def mergeability(self, pull: Pull, method: MergeMethod) -> Mergeability:
        self.looks += 1
        return WAITS if self.looks == 1 else self.after

    async def merge(self, pull: Pull, method: MergeMethod, *, message: str) -> Landed:
        self.merged.append(pull.head)
        return Landed(Landing.LANDED, "c")


async def merged(books: Books, host: Host, meanwhile: Callable[[Session], Session]) -> Report:
    settings = SimpleNamespace(gates=())
    project = SimpleNamespace(id="app", scm=host, workspace=None, settings=settings)
    engine: Any = an_engine(books, project)

    async def detached(work: Callable[[], Awaitable[object]]) -> object:
        return await work()

    def alone(id: str) -> anyio.Lock:
        return anyio.Lock()

    engine.alone, engine.detached, engine.told_to_end = alone, detached, _never
    engine.intents = Intents(books.records, books.clock)
    engine.upstream = SimpleNamespace(moved=_quiet)
    engine.projects.redactor = SimpleNamespace(clean=str)
    made: list[Report] = []
    async with anyio.create_task_group() as tasks:

        async def go() -> None:
            made.append(await merge(engine, [SessionId("app-1")], Wish(approved=True)))

        tasks.start_soon(go)
        await clock_of(books).until_sleeping()
        await books.change("app-1", meanwhile)
        await clock_of(books).advance(10)
    return made[0]


def _quiet(project: object) -> None:
    """Nobody else is told."""


async def _never(id: str) -> None:
    await anyio.sleep_forever()


def nothing(session: Session) -> Session:
    return session


def paused(session: Session) -> Session:
    return replace(session, paused=Paused(PauseReason.ASKED, START, "you"))


def working(session: Session) -> Session:
    return replace(session, facts=replace(session.facts, state=SessionState.WORKING))


def unclear(session: Session) -> Session:
    """What is known here lags behind its host."""
    return replace(session, pr=replace(session.pr, reason=PrReason.IN_PROGRESS))


DISMISSED = replace(FINE, decision=ReviewDecision.NONE)


async def test_that_it_conflicts_is_known_though_no_look_has_told_so(books: Books) -> None:
    host, idle = Host(replace(FINE, conflicts=True, files=("a.txt",))), SessionReason.TURN_ENDED
    await books.keep(a_session(state=SessionState.IDLE, reason=idle, base="main", pr=APPROVED))
    report = await merged(books, host, nothing)
    assert report.members[0].fate is Fate.CONFLICT
    after = books.records.session("app-1")
    assert not is_settled(after, "merge-conflicts")
    seen = Judgement("h", decision=ReviewDecision.APPROVED, conflicts=True, files=("a.txt",))
    _, events = judged(after, seen)
    assert EventKind.MERGE_CONFLICTS not in [one.kind for one in events]


@pytest.mark.parametrize(
    ("meanwhile", "after", "heads", "why"),
    [
        (nothing, FINE, "hh", None),
        (unclear, FINE, "hh", None),
        (paused, FINE, "hh", "it is paused"),
        (working, FINE, "hh", "still working"),
        (nothing, DISMISSED, "hh", "not what was approved"),
        (nothing, FINE, "hx", "moved on"),
    ],
)  # fmt: skip
async def test_only_what_still_may_is_merged(
    books: Books,
    meanwhile: Callable[[Session], Session],
    after: Mergeability,
    heads: Sequence[str],
    why: str | None,
) -> None:
    host, idle = Host(after, list(heads)), SessionReason.TASK_IN_PROGRESS
    await books.keep(a_session(state=SessionState.IDLE, reason=idle, base="main", pr=APPROVED))
    report = await merged(books, host, meanwhile)
    assert (why or "") in str(report.members[0].why)
    assert host.merged == ([] if why else ["h"])
