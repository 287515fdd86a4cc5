"""The queue: who is put there, who leaves it, and what becomes of it when the engine dies."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel
import pytest

from ao_core.engine import queue, starting
from ao_core.engine import spawn as spawning
from ao_core.engine.bookmark import Bookmark
from ao_core.engine.caller import Caller, Role
from ao_core.engine.engine import Engine
from ao_core.engine.environment import Grant
from ao_core.engine.intents import Intents
from ao_core.engine.keys import Keys, Ticket
from ao_core.engine.moves import ended
from ao_core.engine.queue import Queue, place_of, take_back
from ao_core.engine.records import Step
from ao_core.engine.reserving import Checked, Wish, reserve
from ao_core.engine.room import Room
from ao_core.errors import WrongState
from ao_core.ids import ProjectId, SessionId
from ao_core.model.attention import Attention, attention
from ao_core.model.budget import Budget
from ao_core.model.event import EventKind, NewEvent, PullSeen, Started
from ao_core.model.session import (
    Drive,
    PermissionMode,
    PrFacts,
    PrState,
    RuntimeFacts,
    RuntimeHandle,
    RuntimeState,
    Session,
    SessionFacts,
    SessionReason,
    SessionState,
    is_terminal,
    is_waiting,
)
from ao_core.store.contract import Store
from ao_core.store.records import INTENT, KEY, SESSION, IntentKind, Outcome
from bare_engine import an_engine
from books import Books, books_on, opened_books
from fused_store import Crash, FusedStore
from rounds import rounds

_K = EventKind
PERSON = Caller(Role.PERSON, "1")


@dataclass(slots=True)
class Yard:
    """An engine whose agents start at once, and only on paper."""

    books: Books
    most: int | None = 2
    own: int | None = None
    project: Any = None
    engine: Engine = field(init=False)
    started: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        settings = SimpleNamespace(
            max_workers=self.own, env={}, model=None, permissions=PermissionMode.DEFAULT,
            budget=Budget(),
        )  # fmt: skip
        workspace = SimpleNamespace(name="worktree")
        self.project = SimpleNamespace(
            id=ProjectId("app"), prefix="app", settings=settings, workspace=workspace
        )
        grants: dict[SessionId, Grant] = {}

        async def most() -> int | None:
            return self.most

        async def detached(work: Callable[[], Any]) -> Any:
            return await work()

        self.engine = an_engine(self.books, self.project)
        vars(self.engine).update(
            room=Room(most), intents=Intents(self.books.records, self.books.clock), grants=grants,
            granted=grants.get, login=dict[str, str], detached=detached,
        )  # fmt: skip

    async def begin(self, engine: Engine, id: SessionId, *args: object, **how: object) -> Session:
        """As `carry_out`, in two commits, too."""

        def up(now: Session) -> Step | None:
            if now.facts.state is not SessionState.NOT_STARTED:
                return None
            self.started.append(id)
            handle = RuntimeHandle(id, "double")
            facts = SessionFacts(
                SessionState.WORKING, SessionReason.SPAWN_REQUESTED, engine.clock.now()
            )
            run = RuntimeFacts(RuntimeState.ALIVE, handle=handle)
            event = NewEvent(_K.SESSION_SPAWNED, Started("t", "double"), now.project, id)
            return Step(replace(now, facts=facts, run=run), (event,))

        session = await self.books.records.update(SESSION, id, up)
        await engine.intents.end(f"{IntentKind.SPAWN}/{id}/1", Outcome.DONE)
        return session

    async def spawn(self, *after: str, copies: int = 1, key: str = "", **given: str) -> list[str]:
        """What `spawn` does once everything was looked at."""
        grant = Grant(given, tuple(given))
        checked = Checked(
            self.project, "double", Drive.TERMINAL, "double", None, "main", "c0ffee", grant
        )
        wish = Wish(prompt="a task", after=tuple(map(SessionId, after)), copies=copies)
        ticket = await self.ticket(key)
        if ticket.subject:
            return [ticket.subject]
        made = await reserve(self.engine, checked, wish, ticket)
        for one in made:
            if not is_waiting(one):
                await self.begin(self.engine, one.id)
        return [one.id for one in made]

    async def ticket(self, key: str) -> Ticket:
        if not key:
            return Ticket()
        keys = Keys(self.books.records.store, self.books.clock)
        return await keys.take(key, "spawn", "{}")

    async def recovered(self) -> None:
        """As `recover`: what was begun is gone on with."""
        for intent in list(self.books.records.all(INTENT)):
            if intent.outcome is Outcome.PENDING:
                await self.begin(self.engine, SessionId(intent.session))

    async def end(self, id: str) -> None:
        def over(now: Session) -> Step | None:
            if is_terminal(now):
                return None
            at, why = self.books.clock.now(), SessionReason.MANUALLY_KILLED
            return Step(*ended(now, why, at, _K.SESSION_KILLED))

        await self.books.records.update(SESSION, id, over)

    async def merge(self, id: str) -> None:
        def merged(now: Session) -> Step:
            event = NewEvent(_K.PR_MERGED, PullSeen(1, "", "h"), now.project, now.id)
            facts = replace(now.facts, state=SessionState.IDLE)
            return Step(replace(now, facts=facts, pr=PrFacts(PrState.MERGED)), (event,))

        await self.books.records.update(SESSION, id, merged)

    def session(self, id: str) -> Session:
        return self.books.records.session(id)

    def waiting(self) -> list[str]:
        return [one.id for one in self.books.records.all(SESSION) if is_waiting(one)]


Opened: TypeAlias = Callable[..., AbstractAsyncContextManager[Yard]]


@asynccontextmanager
async def serving(yard: Yard, patch: pytest.MonkeyPatch, inner: Store) -> AsyncGenerator[Yard]:
    """The queue is seen to."""
    patch.setattr(queue, "carry_out", yard.begin)
    async with anyio.create_task_group() as tasks:
        vars(yard.engine)["tasks"] = tasks
        tasks.start_soon(Queue(yard.engine).run)
        await quiet(yard, inner)
        yield yard
        await quiet(yard, inner)
        tasks.cancel_scope.cancel()


async def quiet(yard: Yard, inner: Store | None = None) -> None:
    """Until nobody writes anything more."""
    store, same, head = inner or yard.books.store, 0, -1
    while same < 3:
        await store.read(SESSION, "app-1")  # through the threads, after whoever came before
        await store.commit([])
        await anyio.wait_all_tasks_blocked()
        same, head = (same + 1 if head == store.head else 0), store.head


@pytest.fixture
async def books(tmp_path: Path) -> AsyncGenerator[Books]:
    async with opened_books(tmp_path) as opened:
        yield opened


@pytest.fixture
def opened(books: Books, monkeypatch: pytest.MonkeyPatch) -> Opened:
    def open_yard(
        most: int | None = 2, own: int | None = None
    ) -> AbstractAsyncContextManager[Yard]:
        return serving(Yard(books, most, own), monkeypatch, books.store)

    return open_yard


async def test_beyond_the_limit_sessions_wait_and_start_in_order_as_others_end(
    opened: Opened,
) -> None:
    async with opened() as yard:
        for _ in range(5):
            await yard.spawn()
        await quiet(yard)
        assert yard.started == ["app-1", "app-2"]
        assert yard.waiting() == ["app-3", "app-4", "app-5"]
        assert yard.session("app-4").facts.reason is SessionReason.QUEUED
        assert attention(yard.session("app-4"))[0] is Attention.NONE
        assert place_of(yard.engine, yard.session("app-4")) == (
            "queued, place 2 of 3: it waits for one of the 2 workers there may be at once"
            " to end or be merged"
        )
        await yard.end("app-1")
        await quiet(yard)
        assert yard.started[2:] == ["app-3"]
        await yard.merge("app-2")
        await quiet(yard)
        assert yard.started[2:] == ["app-3", "app-4"]
        assert place_of(yard.engine, yard.session("app-3")) == ""


async def test_one_that_is_ended_in_the_queue_never_starts_and_the_next_takes_its_place(
    opened: Opened,
) -> None:
    async with opened() as yard:
        for _ in range(4):
            await yard.spawn()
        await yard.end("app-3")
        await yard.end("app-1")
        await quiet(yard)
        assert yard.started == ["app-1", "app-2", "app-4"]


async def test_where_it_begins_is_decided_when_it_starts(opened: Opened) -> None:
    async with opened() as yard:
        for _ in range(3):
            await yard.spawn()
        assert yard.session("app-1").base_commit == "c0ffee"
        assert yard.session("app-3").base_commit == ""
        await yard.end("app-1")
        await quiet(yard)
        assert yard.session("app-3").base_commit == ""  # its workspace says
        assert yard.session("app-3").started is not None


async def test_the_limit_of_a_project_holds_beside_the_one_of_the_home(
    opened: Opened,
) -> None:
    async with opened(most=None, own=1) as yard:
        await yard.spawn()
        await yard.spawn()
        await quiet(yard)
        assert yard.started == ["app-1"]


async def test_nobody_new_overtakes_one_that_waits_for_room(opened: Opened) -> None:
    async with opened() as yard:
        for _ in range(3):
            await yard.spawn()
        yard.most = 3
        await yard.spawn()
        await quiet(yard)
        assert yard.started == ["app-1", "app-2", "app-3"]


async def test_after_waits_until_the_work_is_merged(opened: Opened) -> None:
    async with opened() as yard:
        await yard.spawn()
        await yard.spawn("app-1")
        await quiet(yard)
        assert yard.started == ["app-1"]
        assert "the work of app-1" in place_of(yard.engine, yard.session("app-2"))
        await yard.merge("app-1")
        await quiet(yard)
        assert yard.started == ["app-1", "app-2"]


async def test_a_predecessor_that_ends_undone_blocks_once_and_asks_for_attention(
    opened: Opened,
) -> None:
    async with opened() as yard:
        await yard.spawn()
        await yard.spawn("app-1")
        await yard.end("app-1")
        await quiet(yard)
        await yard.spawn()  # something else that happens
        await quiet(yard)
        assert yard.started == ["app-1", "app-3"]
        blocked = yard.session("app-2")
        assert blocked.facts.reason is SessionReason.BLOCKED
        who, why = attention(blocked)
        assert who is Attention.LEAD
        assert why.startswith("app-1 ended before its work was done")
        (event,) = await yard.books.journal(_K.SESSION_BLOCKED)
        assert event.session == "app-2"


async def test_a_predecessor_that_is_back_is_waited_for_again(opened: Opened) -> None:
    async with opened() as yard:
        await yard.spawn()
        await yard.spawn("app-1")
        before = yard.session("app-1")
        await yard.end("app-1")
        await quiet(yard)
        event = NewEvent(_K.SESSION_RESTORED, Started("t", "double"), "app", "app-1")
        await yard.books.records.update(SESSION, "app-1", lambda _: Step(before, (event,)))
        await quiet(yard)
        assert yard.session("app-2").facts.reason is SessionReason.QUEUED
        await yard.merge("app-1")
        await quiet(yard)
        assert yard.started == ["app-1", "app-2"]


async def test_copies_are_one_group_with_names_and_branches_of_their_own(opened: Opened) -> None:
    async with opened() as yard:
        ids = await yard.spawn(copies=3)
        sessions = [yard.session(id) for id in ids]
        assert ids == ["app-1", "app-2", "app-3"]
        assert {one.group for one in sessions} == {"app-1"}
        assert len({one.branch for one in sessions}) == 3
        assert yard.started == ["app-1", "app-2"]
        assert yard.waiting() == ["app-3"]


async def test_once_a_copy_is_merged_the_others_are_told_of_once_and_none_starts(
    opened: Opened,
) -> None:
    async with opened() as yard:
        await yard.spawn(copies=3)
        await yard.merge("app-1")
        await quiet(yard)
        assert yard.started == ["app-1", "app-2"]
        assert yard.session("app-3").facts.reason is SessionReason.BLOCKED
        (event,) = await yard.books.journal(_K.COPIES_SPARE)
        assert "app-1 is merged" in str(event.body)
        assert "app-2, app-3" in str(event.body)


async def test_what_a_client_gave_is_gone_with_the_engine_and_the_queue_says_so(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(Yard(books), monkeypatch, books.store) as yard:
        for _ in range(3):
            await yard.spawn(TOKEN="x")
        await yard.spawn()
    again = Yard(await books_on(books.store, books.clock))
    async with serving(again, monkeypatch, books.store):
        await again.end("app-1")
        await quiet(again)
        assert again.started == ["app-4"]
        who, why = attention(again.session("app-3"))
        assert (who, "no longer has TOKEN" in why) == (Attention.LEAD, True)
        grant = Grant({"TOKEN": "x"}, ("TOKEN",))
        await take_back(again.engine, again.project, SessionId("app-3"), Ticket(), grant)
        assert again.session("app-3").facts.reason is SessionReason.QUEUED
        with pytest.raises(WrongState):
            await take_back(again.engine, again.project, SessionId("app-3"), Ticket(), grant)
        await again.end("app-2")
        await quiet(again)
        assert again.started == ["app-4", "app-3"]


async def test_one_that_ended_in_the_queue_is_queued_again_by_restore(opened: Opened) -> None:
    async with opened() as yard:
        for _ in range(4):
            await yard.spawn()
        await yard.end("app-3")
        await take_back(yard.engine, yard.project, SessionId("app-3"), Ticket(), Grant({}))
        assert yard.waiting() == ["app-3", "app-4"]
        await yard.end("app-1")
        await yard.end("app-2")
        await quiet(yard)
        assert yard.started == ["app-1", "app-2", "app-4", "app-3"]
        assert yard.session("app-3").generation == 2


async def test_copies_in_the_queue_have_places_of_their_own(opened: Opened) -> None:
    async with opened(most=1) as yard:
        ids = await yard.spawn(copies=3)
        places = [place_of(yard.engine, yard.session(id)).split(":")[0] for id in ids]
        assert places == ["", "queued, place 1 of 2", "queued, place 2 of 2"]


async def test_a_new_engine_lets_in_whom_it_has_room_for_and_tells_nothing_again(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(Yard(books), monkeypatch, books.store) as yard:
        await yard.spawn(copies=2)
        await yard.spawn()
        await yard.merge("app-1")
        await quiet(yard)
        await yard.spawn()
    async with serving(Yard(await books_on(books.store, books.clock)), monkeypatch, books.store):
        pass
    assert len(await books.journal(_K.COPIES_SPARE)) == 1
    again = Yard(await books_on(books.store, books.clock), most=3)
    place = Bookmark(again.books.records, "queue")
    await place.begin(0)
    await place.commit(books.store.head)  # every line was taken in, as far as can be told
    async with serving(again, monkeypatch, books.store):
        pass
    assert again.started == ["app-4"]


async def test_one_that_is_ended_as_it_is_let_in_stays_ended(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(Yard(books, most=1), monkeypatch, books.store) as yard:
        await yard.spawn()
        await yard.spawn()
    again = Yard(await books_on(books.store, books.clock))
    calls: list[Session] = []

    async def project_of(session: Session) -> object:
        calls.append(session)
        if len(calls) == 2:  # once it was chosen
            await again.end("app-2")
        return again.project

    vars(again.engine)["project_of"] = project_of
    async with serving(again, monkeypatch, books.store):
        pass
    assert again.started == []
    assert is_terminal(again.session("app-2"))


async def test_one_that_is_ended_before_anything_of_it_is_there_is_not_brought_up(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*args: object, **how: object) -> Session:
        raise AssertionError("it was brought up")

    monkeypatch.setattr(starting, "bring_up", never)
    async with opened() as yard:
        (id,) = await yard.spawn()
        await yard.end(id)
        lock = anyio.Lock()
        vars(yard.engine)["alone"] = {SessionId(id): lock}.get
        session = await starting.carry_out(yard.engine, SessionId(id), yard.project)
        assert is_terminal(session)


def fuse(steps: int) -> Callable[[str], Any]:
    """Lets so many steps of commits pass; then the engine is dead."""
    left = [steps]

    async def step(place: str) -> None:
        left[0] -= 1
        await anyio.lowlevel.checkpoint()
        if left[0] < 0:
            raise Crash

    return step


async def life(yard: Yard, inner: Store) -> None:
    """Four workers where there is room for two, a pair of copies after the first, and their ends.

    Every call has a key, so that all of it can be said again.
    """
    for number in range(4):
        await yard.spawn(key=f"k{number}")
    await yard.spawn("app-1", copies=2, key="pair")
    await yard.merge("app-1")
    for number in range(2, 7):
        await quiet(yard, inner)
        await yard.end(f"app-{number}")
    await quiet(yard, inner)


async def test_whatever_step_it_dies_at_everybody_starts_once_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(0, 120, 2 * rounds(1, 3)):  # after one commit is before the next
        folder = tmp_path / str(step)
        folder.mkdir()
        whole = True
        async with opened_books(folder) as books:
            first = Yard(await books_on(FusedStore(books.store, fuse(step)), books.clock))
            try:
                async with serving(first, monkeypatch, books.store):
                    await life(first, books.store)
            except* Crash:
                whole = False
            second = Yard(await books_on(books.store, books.clock))
            await second.recovered()
            async with serving(second, monkeypatch, books.store):
                await life(second, books.store)
            started = [event.session for event in await books.journal(_K.SESSION_SPAWNED)]
            names = [f"app-{number}" for number in range(1, 7)]
            assert sorted(filter(None, started)) == names, step
            left = [one.id for one in second.books.records.all(SESSION) if not is_terminal(one)]
            assert left == ["app-1"], step  # merged
            keys = [row async for row in books.store.scan(KEY)]
            assert len(keys) == 5, step
        if whole:
            assert step > 40
            return
    raise AssertionError("it never came to its end")


async def test_a_start_that_failed_and_is_repeated_without_room_is_queued_and_that_is_told(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(most=1) as yard:
        await yard.spawn()
        failed = replace(
            yard.session("app-1"), id=SessionId("app-2"), run=RuntimeFacts(),
            facts=SessionFacts(
                SessionState.TERMINATED, SessionReason.ERROR_IN_PROCESS, yard.books.clock.now()
            ),
        )  # fmt: skip
        await yard.books.keep(failed)

        async def checked(*asked: object) -> Checked:
            return Checked(
                yard.project, "double", Drive.TERMINAL, "double", None, "main", "c0ffee", Grant({})
            )

        locks = defaultdict[str, anyio.Lock](anyio.Lock)
        vars(yard.engine)["alone"] = locks.__getitem__
        monkeypatch.setattr(spawning, "_check", checked)
        again = Ticket(subject="app-2")
        (session,) = await spawning.spawn_all(yard.engine, PERSON, Wish(prompt="a task"), again)
        assert is_waiting(session)
        told = await yard.books.journal(_K.SESSION_QUEUED)
        assert [one.session for one in told] == ["app-2"]
