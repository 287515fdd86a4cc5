"""Who is told of what, and what becomes of a note when a notifier or the engine fails."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest.mock import AsyncMock

import anyio
import anyio.lowlevel
import pytest

from ao_core.config.models import PluginChoice
from ao_core.engine.bookmark import Bookmark
from ao_core.engine.notable import is_notable, note_of
from ao_core.engine.outlets import Failing, Outlets, failing
from ao_core.errors import AoError, ConfigError, Rejected, Unauthorized, Unavailable, Unknown
from ao_core.ids import ProjectId
from ao_core.model.budget import Spent
from ao_core.model.event import (
    Body,
    Event,
    EventKind,
    Moved,
    NewEvent,
    Priority,
    Reacted,
    Said,
    Shown,
    Summary,
    Told,
)
from ao_core.model.pause import Halted, PauseReason
from ao_core.slots.notifier import Note
from ao_core.store.contract import Store
from ao_core.store.records import SESSION, Trouble
from ao_core.testing.clock import FakeClock
from bare_engine import an_engine
from books import START, Books, a_session, books_on, clock_of, opened_books, over
from fused_store import Crash, FusedStore

FAILED = (EventKind.SESSION_SPAWN_FAILED, Said("its branch is taken"))
ALL = EventKind.SUMMARY_ALL_COMPLETE
DONE = (EventKind.EVIDENCE_VERIFIED, Shown("c0ffee", 2))
TOLD = Reacted("agent-stuck", "notify", 1, "f", "it makes no progress", Priority.WARNING)
SENT = Reacted("ci-failed", "send-to-agent", 1, "f", "its checks fail")
GIVEN_UP = Reacted("ci-failed", "escalate", 3, "f", "its checks fail")


@dataclass(slots=True)
class Desk:
    """A notifier that can be out of order; `no` is what it then says."""

    trouble: int = 0
    no: Exception = field(default_factory=lambda: Unavailable("the desk is closed"))
    got: list[Note] = field(default_factory=list[Note])
    tries: int = 0
    reads_along: ClassVar[bool] = False

    async def notify(self, note: Note) -> None:
        self.tries += 1
        await anyio.lowlevel.checkpoint()
        if self.trouble:
            self.trouble -= 1
            raise self.no
        self.got.append(note)


class Along(Desk):
    """One whose reader reads the journal."""

    reads_along: ClassVar[bool] = True


@pytest.fixture
async def books(tmp_path: Path) -> AsyncGenerator[Books]:
    async with opened_books(tmp_path) as opened:
        await opened.keep(a_session())
        yield opened


def a_project(desks: dict[str, Desk], **routing: list[str]) -> SimpleNamespace:
    every = [PluginChoice(name, alias=name) for name in desks]
    routes = {
        Priority(priority): [PluginChoice(name, alias=name) for name in names]
        for priority, names in routing.items()
    }
    settings = SimpleNamespace(notifiers=every, routing=routes)
    return SimpleNamespace(notifiers=desks, settings=settings)


@asynccontextmanager
async def telling(
    books: Books,
    project: SimpleNamespace,
    store: Store | None = None,
    shut: dict[str, AoError] | None = None,
    beside: dict[str, SimpleNamespace] | None = None,
) -> AsyncGenerator[None]:
    """With people being told; as long as a project is in `shut`, it cannot be opened."""
    others = beside or {}

    async def by_id(id: str) -> SimpleNamespace:
        await anyio.lowlevel.checkpoint()
        if shut and id in shut:
            raise shut[id]
        return others.get(id, project)

    engine = an_engine(books, project)
    engine.__dict__["home"] = SimpleNamespace(id="home")
    engine.projects.__dict__.update(by_id=by_id, at_hand=dict[str, SimpleNamespace]().get)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Outlets(engine).run)
        await quiet(books, store)
        yield
        await quiet(books, store)
        tasks.cancel_scope.cancel()


async def happened(books: Books, kind: EventKind, body: Body) -> None:
    await books.records.commit([], [NewEvent(kind, body, "app", "app-1")])
    await quiet(books)


async def quiet(books: Books, store: Store | None = None) -> None:
    """Until nobody writes anything more; the store's threads may be at it meanwhile."""
    store, same, head = store or books.store, 0, -1
    while same < 10:
        await store.read(SESSION, "app-1")  # through the threads, after whoever came before
        await store.commit([])
        await anyio.wait_all_tasks_blocked()
        same, head = (same + 1 if head == books.records.head else 0), books.records.head


async def test_a_note_says_whose_it_is_what_happened_and_how_urgent_it_is(books: Books) -> None:
    desk = Desk()
    async with telling(books, a_project({"desk": desk})):
        await happened(books, *FAILED)
    (note,) = desk.got
    (event,) = await books.journal(EventKind.SESSION_SPAWN_FAILED)
    assert (note.id, note.kind) == (f"home-{event.seq}", "session.spawn_failed")
    assert (note.priority, note.title) == (Priority.URGENT, "app-1: a task")
    assert (note.body, note.session) == ("its branch is taken", "app-1")


def an_event(kind: EventKind, body: Body) -> Event:
    return Event(1, START, kind, body, "app", "app-1")


@pytest.mark.parametrize(
    ("kind", "body", "notable"),
    [
        (*FAILED, True),
        (*DONE, True),
        (EventKind.EVIDENCE_UNVERIFIED, Shown("c0ffee", why="no gates are configured"), True),
        (EventKind.EVIDENCE_FAILED, Shown("c0ffee", 2, ("t",)), False),  # its worker hears of it
        (EventKind.REACTION_TRIGGERED, TOLD, True),
        (EventKind.REACTION_TRIGGERED, SENT, False),
        (EventKind.REACTION_ESCALATED, GIVEN_UP, True),
        (EventKind.SESSION_WORKING, Moved("idle", "working", "r"), False),
        (EventKind.SESSION_STUCK, Moved("working", "stuck", "r"), False),  # its reaction tells
        (ALL, Summary("all is done"), True),
    ],
)
def test_people_hear_what_nobody_else_deals_with(
    kind: EventKind, body: Body, *, notable: bool
) -> None:
    assert is_notable(an_event(kind, body)) is notable


def test_a_reaction_is_as_urgent_as_is_configured_and_says_that_it_gave_up() -> None:
    told = note_of(an_event(EventKind.REACTION_TRIGGERED, TOLD), "home", None)
    assert (told.priority, told.body) == (Priority.WARNING, "it makes no progress")
    ended = note_of(an_event(ALL, Summary("all is done", Priority.URGENT)), "home", None)
    assert (ended.priority, ended.body) == (Priority.URGENT, "all is done")
    given_up = note_of(an_event(EventKind.REACTION_ESCALATED, GIVEN_UP), "home", None)
    assert given_up.priority is Priority.URGENT
    assert given_up.body == "It was tried, and has not helped: its checks fail"


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        (*DONE, "it is done: 2 gates have passed at c0ffee"),
        (DONE[0], Shown("c" * 40, 1), "it is done: 1 gate has passed at cccccccccccc"),
        (
            EventKind.EVIDENCE_UNVERIFIED, Shown("c0ffee", why="no gates are configured"),
            "it says that it is done, unverified: no gates are configured",
        ),
    ],
)  # fmt: skip
def test_that_a_worker_is_done_is_told_with_what_shows_it(
    kind: EventKind, body: Body, words: str
) -> None:
    note = note_of(an_event(kind, body), "home", None)
    assert (note.priority, note.body) == (Priority.INFO, words)


async def test_each_is_told_what_is_routed_to_it_and_the_lead_nothing_it_reads_anyway(
    books: Books,
) -> None:
    desk, phone, lead = Desk(), Desk(), Along()
    desks = {"desk": desk, "phone": phone, "lead": lead}
    async with telling(books, a_project(desks, urgent=["phone", "lead"], info=["desk"])):
        await happened(books, *FAILED)
        await happened(books, *DONE)
    assert [note.kind for note in phone.got] == ["session.spawn_failed"]
    assert [note.kind for note in desk.got] == ["evidence.verified"]
    assert lead.got == []


async def test_one_that_fails_is_tried_again_later_and_holds_up_nobody_else(books: Books) -> None:
    desk, phone = Desk(trouble=2), Desk()
    async with telling(books, a_project({"desk": desk, "phone": phone})):
        await happened(books, *FAILED)
        await happened(books, *DONE)
        assert len(phone.got) == 2
        assert desk.got == []
        await clock_of(books).advance(1)
        await clock_of(books).advance(5)
        await quiet(books)
        assert [note.kind for note in desk.got] == ["session.spawn_failed", "evidence.verified"]
    assert len(await books.journal(EventKind.NOTIFICATION_SENT)) == 4
    assert await books.journal(EventKind.NOTIFICATION_FAILED) == []


async def test_one_that_fails_for_good_is_told_of_and_goes_on_with_the_next(books: Books) -> None:
    desk = Desk(trouble=6)
    async with telling(books, a_project({"desk": desk})):
        await happened(books, *FAILED)
        await happened(books, *DONE)
        for pause in (1, 5, 15, 60, 300):
            await clock_of(books).advance(pause)
            await quiet(books)
        assert [note.kind for note in desk.got] == ["evidence.verified"]
    (failed,) = await books.journal(EventKind.NOTIFICATION_FAILED)
    assert "the desk is closed" in str(failed.body)


@pytest.mark.parametrize("no", [Rejected("never"), Unauthorized("never")])
async def test_one_that_refuses_for_good_is_told_of_at_once_and_holds_nothing_up(
    books: Books, no: Exception
) -> None:
    desk = Desk(trouble=1, no=no)
    async with telling(books, a_project({"desk": desk})):
        await happened(books, *FAILED)
        await happened(books, *FAILED)
        assert (desk.tries, len(desk.got)) == (2, 1)
    (failed,) = await books.journal(EventKind.NOTIFICATION_FAILED)
    assert "never" in str(failed.body)


async def test_since_when_one_fails_and_why_is_known_until_it_is_heard_of_again(
    books: Books,
) -> None:
    desk = Desk(trouble=2, no=Unauthorized("never"))
    project = a_project({"desk": desk})
    async with telling(books, project):
        await happened(books, *FAILED)
        since = books.clock.now()
        await clock_of(books).advance(60)
        await happened(books, *FAILED)
    later = await books_on(books.store, FakeClock())
    known = Failing("app", "desk", Trouble(since, "never"))
    assert await failing(an_engine(later, project)) == [known]
    assert await failing(an_engine(later, a_project({"phone": desk}))) == []  # it has it no more
    async with telling(later, project):
        await happened(later, *FAILED)
    assert await failing(an_engine(later, project)) == []


async def test_a_note_that_is_stumbled_over_is_told_of_and_does_not_end_the_others(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    stumbles = [True, False]

    def a_note(*asked: Any) -> Note:
        if stumbles.pop(0):
            raise ZeroDivisionError
        return note_of(*asked)

    monkeypatch.setattr("ao_core.engine.outlets.note_of", a_note)
    desk = Desk()
    async with telling(books, a_project({"desk": desk})):
        await happened(books, *FAILED)
        await happened(books, *FAILED)
    first, second = await books.journal(EventKind.SESSION_SPAWN_FAILED)
    assert [note.id for note in desk.got] == [f"home-{second.seq}"]
    (failed,) = await books.journal(EventKind.NOTIFICATION_FAILED)
    assert failed.body == Told(
        f"home-{first.seq}", "desk", "session.spawn_failed",
        "an internal error; see the engine's log",
    )  # fmt: skip


async def test_an_outlet_that_stumbles_over_the_store_begins_again(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk()
    async with telling(books, a_project({"desk": desk})):
        with monkeypatch.context() as patch:
            patch.setattr(Bookmark, "commit", AsyncMock(side_effect=ZeroDivisionError))
            await happened(books, *FAILED)
        await happened(books, *FAILED)
        await clock_of(books).advance(300)
    assert len({note.id for note in desk.got}) == 2


async def test_the_next_engine_goes_on_where_this_one_ended(books: Books) -> None:
    desk = Desk()
    async with telling(books, a_project({"desk": desk})):
        await happened(books, *FAILED)
    await happened(books, *DONE)  # nobody is there to tell it
    async with telling(await books_on(books.store, FakeClock()), a_project({"desk": desk})):
        pass
    assert [note.kind for note in desk.got] == ["session.spawn_failed", "evidence.verified"]


# -- what concerns every project ------------------------------------------------------------------

CEILING = (EventKind.BUDGET_REACHED, Spent("cost", 11.0, 10.0, all_sessions=True))
PAUSED = (EventKind.ENGINE_PAUSED, Halted(PauseReason.ASKED, "lead"))
BESIDE = replace(a_session("other-1"), project=ProjectId("other"))


async def everywhere(books: Books, kind: EventKind, body: Body) -> None:
    await books.records.commit([], [NewEvent(kind, body)])
    await quiet(books)


async def test_what_concerns_every_project_is_told_by_one_that_is_at_work(books: Books) -> None:
    desk = Desk()
    async with telling(books, a_project({"desk": desk})):
        await everywhere(books, *CEILING)
        await everywhere(books, *PAUSED)
    ceiling, paused = desk.got
    assert (ceiling.kind, ceiling.priority, ceiling.title) == ("budget.reached", "urgent", "ao-mcp")
    assert ceiling.body == "all workers together have used 11 of 10 cost"
    assert (paused.kind, paused.body) == ("engine.paused", "paused by lead: asked")
    sent = await books.journal(EventKind.NOTIFICATION_SENT)
    assert [event.project for event in sent] == ["app", "app"]


@pytest.mark.parametrize(("settings", "times"), [({"url": "a"}, 1), ({"url": "b"}, 2)])
async def test_whoever_several_projects_would_tell_of_it_hears_of_it_once(
    books: Books, settings: dict[str, object], times: int
) -> None:
    await books.keep(BESIDE)
    desk = Desk()
    one, other = a_project({"desk": desk}), a_project({"desk": desk})
    one.settings.notifiers = [PluginChoice("desk", {"url": "a"}, alias="desk")]
    other.settings.notifiers = [PluginChoice("desk", settings, alias="desk")]
    async with telling(books, one, beside={"other": other}):
        await everywhere(books, *CEILING)
    assert len(desk.got) == times
    async with telling(await books_on(books.store, FakeClock()), one, beside={"other": other}):
        await quiet(books)
    assert len(desk.got) == times


async def test_a_project_where_nobody_works_and_that_is_not_open_tells_nobody(
    books: Books,
) -> None:
    desk = Desk()
    async with telling(books, a_project({"desk": desk})):
        await happened(books, *FAILED)
        await books.keep(over(a_session()))
        await everywhere(books, *CEILING)
    assert [note.kind for note in desk.got] == ["session.spawn_failed"]


# -- what cannot be told for now -------------------------------------------------------------------

BROKEN = ConfigError("its configuration cannot be read")


async def test_notes_wait_while_their_project_cannot_be_opened(books: Books) -> None:
    desk, shut = Desk(), dict[str, AoError]()
    async with telling(books, a_project({"desk": desk}), shut=shut):
        await happened(books, *FAILED)
        shut["app"] = BROKEN
        await happened(books, *FAILED)
        shut.clear()
        await happened(books, *FAILED)
        assert len(desk.got) == 1  # it is looked again in a while
        await clock_of(books).advance(1)
    assert len({note.id for note in desk.got}) == len(desk.got) == 3


async def test_nothing_is_lost_of_a_project_that_could_not_be_opened_from_the_start(
    books: Books,
) -> None:
    desk, shut = Desk(), dict[str, AoError](app=BROKEN)
    async with telling(books, a_project({"desk": desk}), shut=shut):
        await happened(books, *FAILED)
        await happened(books, *FAILED)
        await clock_of(books).advance(1)
        shut.clear()
        await happened(books, *FAILED)
        await clock_of(books).advance(5)
    assert len(desk.got) == 3


async def test_what_cannot_be_told_for_now_is_told_by_the_next_engine(books: Books) -> None:
    desk, shut = Desk(), dict[str, AoError]()
    async with telling(books, a_project({"desk": desk}), shut=shut):
        await happened(books, *FAILED)
        shut["app"] = BROKEN
        await happened(books, *FAILED)
    async with telling(await books_on(books.store, FakeClock()), a_project({"desk": desk})):
        pass
    assert len(desk.got) == 2


async def test_of_a_project_that_is_no_more_nobody_is_told(books: Books) -> None:
    desk, shut = Desk(), dict[str, AoError]()
    async with telling(books, a_project({"desk": desk}), shut=shut):
        await happened(books, *FAILED)
        shut["app"] = Unknown("there is no such project")
        await happened(books, *FAILED)
        shut.clear()
        await happened(books, *FAILED)
    assert len(desk.got) == 2


def fuse(steps: int) -> Callable[[str], Any]:
    """Lets so many steps of commits pass; then the engine is dead."""
    left = [steps]

    async def step(place: str) -> None:
        left[0] -= 1
        await anyio.lowlevel.checkpoint()
        if left[0] < 0:
            raise Crash

    return step


async def test_whatever_step_it_dies_at_every_note_arrives_and_a_repeated_one_has_its_id(
    tmp_path: Path,
) -> None:
    for step in range(30):
        folder, desk = tmp_path / str(step), Desk()
        folder.mkdir()
        async with opened_books(folder) as books:
            await books.keep(a_session())
            project = a_project({"desk": desk})
            async with telling(books, project):
                await happened(books, *FAILED)
            await happened(books, *DONE)
            await happened(books, *FAILED)
            whole = True
            try:
                mine = await books_on(FusedStore(books.store, fuse(step)), books.clock)
                async with telling(mine, project, books.store):
                    pass
            except* Crash:
                whole = False
            async with telling(await books_on(books.store, FakeClock()), project):
                pass
            ids = [note.id for note in desk.got]
            assert len(set(ids)) == 3, step
            assert len(ids) <= 4, step  # the one under way
            if whole:
                assert step > 2
                return
    raise AssertionError("it never came to its end")
