"""When pull requests are looked at: of who lives, and of who has ended and left one open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from ao_core.engine.case import Want
from ao_core.engine.engine import Engine
from ao_core.engine.project import Project
from ao_core.engine.pull_looks import Pulls
from ao_core.engine.webhook_looks import ToldLooks
from ao_core.engine.webhooks import POLL, REPAIR, Webhooks
from ao_core.errors import NotFound, Unavailable
from ao_core.ids import ProjectId, SessionId
from ao_core.model.judgement import Judgement
from ao_core.model.session import PrFacts, PrReason, PrState, Session
from ao_core.model.work import Pull, PullState
from ao_core.slots.scm import Judging, WorkRef
from ao_core.store.records import SESSION
from ao_core.testing.clock import FakeClock
from bare_engine import an_engine
from books import Books, a_session, clock_of, over

NOTHING: frozenset[Want] = frozenset()
OPEN = PrFacts(PrState.OPEN, PrReason.IN_PROGRESS, 1, "u", "c1")


@dataclass
class Host:
    """Somebody has merged everything by hand."""

    asked: list[str] = field(default_factory=list[str])
    merged: bool = True
    remote: str | None = None
    answers: anyio.Event | None = None  # it is slow, until then

    async def find(self, work: WorkRef) -> Pull | None:
        self.asked.append(work.session)
        if self.answers:
            await self.answers.wait()
        pull = Pull(1, "a title", "u", work.branch, "main", "c1", PullState.OPEN)
        return replace(pull, state=PullState.MERGED, merged_as="m1") if self.merged else pull


def left(id: str = "app-1", **more: Any) -> Session:
    """One that ended, with its work still open."""
    given: dict[str, Any] = {"pr": OPEN, "commits": ("c1",)}
    return over(a_session(id, **(given | more)))


def pulls(books: Books, host: Host) -> Pulls:
    return Pulls(an_engine(books, SimpleNamespace(id="app", scm=host, workspace=None)))


def alone(clock: FakeClock) -> Engine:
    """With nobody else's books."""
    return cast("Engine", SimpleNamespace(clock=clock, webhooks=Webhooks(clock)))


def is_due(looks: Pulls, session: Session, wanted: frozenset[Want]) -> bool:
    project = cast("Project", SimpleNamespace(id="app", scm=SimpleNamespace(remote=None)))
    return looks.due(project, [session], {session.id: wanted}) == [session.id]


def test_an_engine_looks_first_and_then_only_for_what_was_seen() -> None:
    looks = Pulls(alone(FakeClock()))
    assert is_due(looks, a_session(), NOTHING)  # the last engine may have meant to
    assert not is_due(looks, a_session(), NOTHING)
    assert is_due(looks, a_session(), frozenset({Want.PULL}))


@pytest.mark.parametrize(("state", "again"), [(PrState.OPEN, True), (PrState.NONE, False)])
async def test_an_open_one_is_looked_at_again_once_a_minute_for_merges_by_hand(
    state: PrState, again: bool
) -> None:
    clock = FakeClock()
    looks, session = Pulls(alone(clock)), a_session()
    session = replace(session, pr=PrFacts(state))
    assert is_due(looks, session, NOTHING)
    await clock.advance(60)
    assert is_due(looks, session, NOTHING) is again
    assert not is_due(looks, session, NOTHING)


async def test_who_has_ended_is_seen_to_be_merged_by_hand(books: Books) -> None:
    host = Host()
    await books.keep(left())
    await pulls(books, host).look_after()
    session = books.records.session(SessionId("app-1"))
    assert (session.pr.state, session.merged_as) == (PrState.MERGED, "m1")
    await pulls(books, host).look_after()
    assert host.asked == ["app-1"]


async def test_only_those_are_looked_at_who_left_something_lately(books: Books) -> None:
    host = Host()
    await books.keep(
        left("app-1"), left("app-2", pr=PrFacts(PrState.NONE)),
        left("app-3", pr=replace(OPEN, state=PrState.CLOSED)), a_session("app-4", pr=OPEN),
    )  # fmt: skip
    await pulls(books, host).look_after()
    assert host.asked == ["app-1"]


async def test_what_nobody_has_merged_for_a_month_is_let_be(books: Books) -> None:
    host = Host()
    await books.keep(left())
    await clock_of(books).advance(timedelta(days=31).total_seconds())
    await pulls(books, host).look_after()
    assert host.asked == []


async def test_a_project_that_is_gone_keeps_no_other_and_is_asked_for_seldom(
    books: Books,
) -> None:
    host, asked = Host(), list[str]()
    await books.keep(left(), left("new-1", project="new"))
    looks = pulls(books, host)
    engine: Any = looks._engine  # pyright: ignore[reportPrivateUsage]
    there = engine.projects.by_id

    async def by_id(id: str) -> object:
        asked.append(id)
        if id == "app":
            raise NotFound("its repository is gone")
        return await there(id)

    engine.projects.by_id = by_id
    await looks.look_after()
    assert host.asked == ["new-1"]
    await looks.look_after()
    assert asked == ["app", "new"]
    await clock_of(books).advance(3_700)
    await looks.look_after()
    assert asked == ["app", "new", "app"]


# -- where the host is elsewhere -------------------------------------------------------------------


async def test_all_whose_time_would_come_soon_are_looked_at_together(books: Books) -> None:
    clock = clock_of(books)
    ids = [f"app-{n}" for n in range(1, 5)]
    await books.keep(*[a_session(id, pr=OPEN, commits=("c1",)) for id in ids])
    project = cast("Project", SimpleNamespace(id="app", scm=Host(remote="origin")))
    looks, live = Pulls(an_engine(books)), list(books.records.all(SESSION))
    called = {live[1].id: frozenset({Want.PULL})}
    assert sorted(looks.due(project, live[:1], {})) == ids
    await clock.advance(0.3 * POLL)
    assert looks.due(project, live, called) == [live[1].id]
    await clock.advance(0.3 * POLL)
    assert sorted(looks.due(project, live[1:2], called)) == ids
    await clock.advance(0.3 * POLL)
    assert looks.due(project, live, {}) == []


@pytest.mark.parametrize(("commits", "state", "again"), [
    (("c1",), PrState.NONE, True), ((), PrState.NONE, False), (("c1",), PrState.MERGED, False),
])  # fmt: skip
async def test_one_that_was_opened_there_is_found_though_nobody_here_knows_of_it(
    books: Books, commits: tuple[str, ...], state: PrState, again: bool
) -> None:
    session = a_session(pr=PrFacts(state), commits=commits)
    await books.keep(session)
    project = cast("Project", SimpleNamespace(id="app", scm=Host(remote="origin")))
    looks = Pulls(an_engine(books))
    assert looks.due(project, [session], {})
    await clock_of(books).advance(POLL + 1)
    assert bool(looks.due(project, [session], {})) is again


async def test_nobody_waits_for_a_host_that_is_slow_and_it_is_asked_once_at_a_time(
    books: Books,
) -> None:
    await books.keep(a_session(pr=OPEN, commits=("c1",)))
    answers = anyio.Event()
    host = Host(merged=False, remote="origin", answers=answers)
    project = cast("Project", SimpleNamespace(id="app", scm=host, workspace=None))
    async with anyio.create_task_group() as tasks:
        engine = an_engine(books, project)
        engine.tasks = tasks
        looks = Pulls(engine)
        for _ in range(3):
            await looks.look_beside(project, [SessionId("app-1")])
            await anyio.wait_all_tasks_blocked()
        assert host.asked == ["app-1"]
        answers.set()
    assert host.asked == ["app-1", "app-1"]  # what was asked for meanwhile, once


@dataclass
class Judge(Host, Judging):
    """Has found out whether anything conflicts, or has not; or cannot be reached."""

    remote: str | None = "origin"
    merged: bool = False
    conflicts: bool | None = None
    is_down: bool = False

    async def find(self, work: WorkRef) -> Pull | None:
        if self.is_down:
            self.asked.append(work.session)
            raise Unavailable("it is down")
        return await super().find(work)

    async def judge(self, pulls: Sequence[Pull]) -> Mapping[int, Judgement]:
        return {one.number: Judgement(one.head, conflicts=self.conflicts) for one in pulls}


@pytest.mark.parametrize("is_down", [False, True])
async def test_what_is_not_known_yet_is_looked_at_again_soon_and_seldomer_each_time(
    books: Books, is_down: bool
) -> None:
    await books.keep(a_session(pr=OPEN, commits=("c1",)))
    clock, host = clock_of(books), Judge(is_down=is_down)
    project = cast("Project", SimpleNamespace(id="app", scm=host, workspace=None))
    async with anyio.create_task_group() as tasks:
        engine = an_engine(books, project)
        engine.tasks = tasks
        looks, at = Pulls(engine), list[int]()
        for second in range(200):
            if due := looks.due(project, list(books.records.all(SESSION)), {}):
                at.append(second)
                await looks.look_beside(project, due)
                await anyio.wait_all_tasks_blocked()
            await clock.advance(1)
        assert at == [0, 5, 15, 35, 75, 130, 185]
        host.is_down, host.conflicts = False, False
        for _ in range(60):
            if due := looks.due(project, list(books.records.all(SESSION)), {}):
                await looks.look_beside(project, due)
                await anyio.wait_all_tasks_blocked()
            await clock.advance(1)
        assert host.asked.count("app-1") == len(at) + 1


# -- with webhooks ---------------------------------------------------------------------------------


async def test_where_the_host_tells_of_changes_one_looks_at_repair_pace(books: Books) -> None:
    clock, session = FakeClock(), a_session(pr=OPEN)
    engine = alone(clock)
    looks = Pulls(engine)
    assert is_due(looks, session, NOTHING)
    engine.webhooks.tell(session.project, ())
    await clock.advance(2 * POLL)
    assert not is_due(looks, session, NOTHING)
    await clock.advance(REPAIR)
    assert is_due(looks, session, NOTHING)
    await clock.advance(86_400)  # of which nothing was told
    assert is_due(looks, session, NOTHING)
    await clock.advance(POLL)
    assert is_due(looks, session, NOTHING)


async def test_who_was_told_of_is_looked_at_once_more_soon_after(books: Books) -> None:
    clock, session = FakeClock(), a_session(pr=OPEN)
    engine = alone(clock)
    looks = Pulls(engine)
    engine.webhooks.tell(session.project, [session.id])
    assert is_due(looks, session, frozenset({Want.PULL}))
    found: list[bool] = []
    for _ in range(12):
        await clock.advance(10)
        found.append(is_due(looks, session, NOTHING))
    assert found.count(True) == 1


async def test_what_nobody_told_of_brings_the_usual_pace_back_for_an_hour(books: Books) -> None:
    host, clock = Host(), clock_of(books)
    await books.keep(left(), left("app-2"))
    engine = an_engine(books, SimpleNamespace(id="app", scm=host, workspace=None))
    looks, told = Pulls(engine), engine.webhooks
    told.tell(ProjectId("app"), ())
    host.merged = False
    await looks.look_after()
    await clock.advance(REPAIR)
    await looks.look_after()
    assert [one.missed for one in told.told()] == [False]
    assert len(host.asked) == 4
    host.merged = True
    await clock.advance(REPAIR)
    await looks.look_after()
    assert [one.missed for one in told.told()] == [True]
    assert told.pace(a_session()) == POLL
    await clock.advance(3_600)
    assert told.pace(a_session()) == POLL  # nothing has come since
    told.tell(ProjectId("app"), ())
    assert told.pace(a_session()) == REPAIR


async def test_what_was_told_of_and_found_is_not_missed(books: Books) -> None:
    host, clock = Host(), clock_of(books)
    await books.keep(left())
    engine = an_engine(books, SimpleNamespace(id="app", scm=host, workspace=None))
    looks = Pulls(engine)
    await looks.look_after()
    host.merged = False
    await books.keep(left())
    engine.webhooks.tell(ProjectId("app"), [SessionId("app-1")])
    host.merged = True
    await clock.advance(POLL)
    await looks.look_after()
    assert len(host.asked) == 2
    assert [one.missed for one in engine.webhooks.told()] == [False]


async def test_of_who_was_told_the_living_are_left_to_the_loop(books: Books) -> None:
    host, due = Host(), list[str]()
    await books.keep(left("app-1"), a_session("app-2"), left("new-1", project="new"))
    engine: Any = an_engine(books, SimpleNamespace(id="app", scm=host, workspace=None))
    engine.pull_due = due.append
    there = engine.project_of

    async def project_of(session: Session) -> object:
        if session.project == "app":
            raise NotFound("its repository is gone")
        return await there(session)

    engine.project_of = project_of
    ids = [SessionId("app-1"), SessionId("app-2"), SessionId("new-1")]
    await ToldLooks(engine).look(ids)
    assert (due, host.asked) == (["app-2"], ["new-1"])


async def test_what_is_told_again_and_again_is_looked_at_once_a_second(books: Books) -> None:
    due, clock = list[str](), clock_of(books)
    engine: Any = an_engine(books, SimpleNamespace(id="app", scm=Host(), workspace=None))
    engine.pull_due = due.append
    one = SessionId("app-1")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ToldLooks(engine).run)
        for _ in range(100):
            engine.webhooks.tell(ProjectId("app"), [one])
            await clock.advance(0.1)
        tasks.cancel_scope.cancel()
    assert 9 <= len(due) <= 11
