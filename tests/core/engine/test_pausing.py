"""Pauses, on real books: what is committed with what, and what an engine that dies leaves."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from ao_core.engine import pausing
from ao_core.engine.budgets import Budgets, due_in
from ao_core.engine.case import Observation, Policy
from ao_core.engine.decide import decide
from ao_core.engine.engine import Engine
from ao_core.engine.holds import hold
from ao_core.engine.keys import Ticket
from ao_core.engine.observing import observe
from ao_core.engine.reaction_rules import again, holds
from ao_core.errors import WrongState
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.attention import Attention, attention
from ao_core.model.budget import Budget
from ao_core.model.event import Event, EventKind
from ao_core.model.pause import AGAIN, MOST, Halted, Paused, PauseReason
from ao_core.model.session import (
    Drive,
    PrFacts,
    PrReason,
    PrState,
    Session,
    SessionState,
)
from ao_core.slots.agent import Composer
from ao_core.spool import HookEvent, HookKind
from ao_core.store.records import BRAKE, MESSAGE, SESSION
from bare_engine import an_engine
from books import START, Books, a_session, books_on, clock_of, opened_books, over
from fused_store import Crash, FusedStore

NONE = Ticket()
ACTIVE = Activity(ActivityState.ACTIVE, START, Source.HOOK)
ASKED = Paused(PauseReason.ASKED, START, "person")


@pytest.fixture
async def books(tmp_path: Path) -> AsyncGenerator[Books]:
    async with opened_books(tmp_path) as opened:
        yield opened


@dataclass(slots=True)
class Turn:
    """A conversation whose turn can be cancelled; it notes what was known by then."""

    books: Books
    stubborn: bool = False
    cancelled: list[int] = field(default_factory=list[int])

    async def cancel(self) -> None:
        paused = self.books.records.session("app-1").paused
        self.cancelled.append(paused.tries if paused else -1)
        if not self.stubborn:
            await self.books.change("app-1", lambda now: replace(now, turn=None))


def engine_of(books: Books, turn: Turn | None = None) -> Engine:
    engine = an_engine(books)

    def talk(session: object) -> Turn | None:
        return turn

    talks = SimpleNamespace(live=talk, of=talk)
    engine.__dict__.update(ceiling=Budget(), conversations=talks)
    return engine


def in_turn(**more: Any) -> Session:
    return a_session(drive=Drive.PROTOCOL, turn="msg-1", activity=ACTIVE, **more)


def told(books: Books) -> list[str]:
    return [one.body for one in books.records.all(MESSAGE)]


async def kinds(books: Books) -> list[str]:
    return [one.kind for one in await books.journal()]


async def test_a_turn_is_cancelled_once_and_that_is_noted_before(books: Books) -> None:
    await books.keep(in_turn())
    turn = Turn(books)
    done = await pausing.pause(engine_of(books, turn), a_session().id, "person", NONE)
    assert done.changed
    assert turn.cancelled == [1]
    assert done.session.paused is not None
    assert done.session.paused.interrupted
    again = await pausing.pause(engine_of(books, turn), a_session().id, "person", NONE)
    assert (again.changed, turn.cancelled) == (False, [1])


async def test_an_interruption_without_effect_is_repeated_a_few_times_and_not_at_once(
    books: Books,
) -> None:
    await books.keep(in_turn())
    turn = Turn(books, stubborn=True)
    engine = engine_of(books, turn)
    await pausing.pause(engine, a_session().id, "person", NONE)
    await pausing.break_off(engine, a_session().id)
    assert turn.cancelled == [1]
    for _ in range(MOST + 2):
        await clock_of(books).advance(AGAIN.total_seconds())
        await pausing.break_off(engine, a_session().id)
    assert turn.cancelled == list(range(1, MOST + 1))


@pytest.mark.parametrize(
    "more",
    [
        {"activity": None},  # it may only be starting
        {"activity": replace(ACTIVE, state=ActivityState.READY)},
    ],
)
async def test_no_key_is_pressed_where_no_turn_is_to_be_seen(
    books: Books, more: dict[str, Any]
) -> None:
    pressed = await pressed_keys(books, a_session(paused=ASKED, **more), Composer(interrupt=("x",)))
    assert pressed == []


async def test_in_a_terminal_the_agents_key_is_pressed_and_its_screen_has_the_next_word(
    books: Books,
) -> None:
    composer = Composer(interrupt=("C-c",), working=("busy",))
    pressed = await pressed_keys(books, a_session(paused=ASKED, activity=ACTIVE), composer)
    assert pressed == [(("C-c",), ("busy",))]
    known = books.records.session("app-1").activity
    assert known is not None
    assert (known.state, known.source) == (ActivityState.READY, Source.PROCESS)


async def test_an_agent_without_such_a_key_is_not_told_to_go_on(books: Books) -> None:
    assert await pressed_keys(books, a_session(paused=ASKED, activity=ACTIVE), Composer()) == []
    paused = books.records.session("app-1").paused
    assert paused is not None
    assert (paused.interrupted, "no key" in paused.note) == (False, True)


async def pressed_keys(
    books: Books, session: Session, composer: Composer
) -> list[tuple[object, object]]:
    from terminal_double import TerminalDouble

    await books.keep(session)
    engine, pressed = engine_of(books), list[tuple[object, object]]()

    class Keyboard(TerminalDouble):
        async def press(self, handle: object, keys: object, *, expect: object) -> bool:
            pressed.append((keys, expect))
            return True

    async def runtime_of(_: object) -> object:
        return object.__new__(Keyboard)

    async def agent_of(_: object) -> object:
        return SimpleNamespace(composer=lambda: composer)

    engine.__dict__.update(runtime_of=runtime_of, agent_of=agent_of)
    await pausing.break_off(engine, session.id)
    return pressed


async def test_resuming_says_once_to_go_on_and_only_where_something_was_broken_off(
    books: Books,
) -> None:
    await books.keep(in_turn(), a_session("app-2", paused=ASKED))
    engine = engine_of(books, Turn(books))
    await pausing.pause(engine, a_session().id, "person", NONE)
    for id in ("app-1", "app-2", "app-1"):
        await pausing.resume(engine, books.records.session(id).id, "person", NONE)
    assert len(told(books)) == 1
    assert [one.session for one in books.records.all(MESSAGE)] == ["app-1"]


async def test_the_time_of_a_pause_is_no_time_of_rest(books: Books) -> None:
    await books.keep(a_session(paused=ASKED))
    await clock_of(books).advance(3600)
    done = await pausing.resume(engine_of(books), a_session().id, "person", NONE)
    assert done.session.facts.since == START + timedelta(hours=1)
    assert done.session.worked == 0


@pytest.mark.parametrize("why", list(PauseReason))
def test_what_is_paused_for_a_better_reason_stays_so(why: PauseReason) -> None:
    known = Paused(PauseReason.BUDGET, START, "engine", interrupted=True, tries=2)
    step = pausing.pausing(a_session(paused=known), Paused(why, START + AGAIN, "x"))
    if why is not PauseReason.ASKED:
        assert step is None
        return
    assert step is not None
    after = step.value.paused
    assert (after.why, after.since, after.interrupted, after.tries) == (why, START, True, 2)


async def test_what_has_ended_is_neither_paused_nor_resumed(books: Books) -> None:
    await books.keep(over(a_session()))
    engine = engine_of(books)
    for act in (pausing.pause, pausing.resume):
        with pytest.raises(WrongState, match="has ended"):
            await act(engine, a_session().id, "person", NONE)
    assert pausing.pausing(over(a_session()), ASKED) is None


@pytest.mark.parametrize("step", range(12))
async def test_the_brake_is_one_commit_and_the_next_engine_finishes_what_follows(
    books: Books, step: int
) -> None:
    await books.keep(in_turn(), a_session("app-2"))
    count = 0

    async def fuse(_: str) -> None:
        nonlocal count
        if count == step:
            raise Crash
        count += 1

    mine = await books_on(FusedStore(books.store, fuse), books.clock)
    try:
        await pausing.pause_all(engine_of(mine, Turn(mine)), "person", NONE)
    except* Crash:
        pass
    after = await books_on(books.store, books.clock)
    paused = [one.paused is not None for one in after.records.all(SESSION)]
    brake = after.records.find(BRAKE, pausing.ALL)
    assert paused == [brake is not None] * 2
    if brake is None:
        return
    await clock_of(books).advance(AGAIN.total_seconds())
    turn = Turn(after)
    async with budgets_on(after, turn):
        assert after.records.session("app-1").turn is None
        assert len(turn.cancelled) <= 1
    with pytest.raises(WrongState, match="All workers are paused"):
        pausing.allow_start(engine_of(after))


async def passes(books: Books, seconds: float) -> None:
    """Let time pass, and whoever looks at it finish."""
    clock = clock_of(books)
    with anyio.fail_after(5):
        await clock.until_sleeping()
        await clock.advance(seconds)
        await clock.until_sleeping()


@asynccontextmanager
async def budgets_on(books: Books, turn: Turn | None = None) -> AsyncGenerator[Engine]:
    engine = engine_of(books, turn)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Budgets(engine).run)
        await passes(books, 6)
        yield engine
        tasks.cancel_scope.cancel()


async def test_one_whose_start_was_under_way_is_braked_as_well(books: Books) -> None:
    await books.keep(a_session())
    await pausing.pause_all(engine_of(books), "person", NONE)
    await clock_of(books).advance(1)
    await books.keep(a_session("app-2", created_at=books.clock.now(), drive=Drive.PROTOCOL))
    async with budgets_on(books):
        assert books.records.session("app-2").paused is not None


async def test_one_that_is_resumed_by_name_goes_on_while_the_brake_is_on(books: Books) -> None:
    await books.keep(a_session(drive=Drive.PROTOCOL), a_session("app-2", drive=Drive.PROTOCOL))
    engine = engine_of(books)
    await pausing.pause_all(engine, "person", NONE)
    await clock_of(books).advance(1)
    await pausing.resume(engine, a_session().id, "person", NONE)
    async with budgets_on(books):
        assert books.records.session("app-1").paused is None
        assert books.records.session("app-2").paused is not None


async def test_a_budget_is_near_then_reached_by_the_clock_alone(books: Books) -> None:
    await books.keep(in_turn(budget=Budget(minutes=10)))
    turn = Turn(books)
    async with budgets_on(books, turn):
        await passes(books, 8 * 60)
        assert (await kinds(books))[-1] == EventKind.BUDGET_NEAR
        await passes(books, 2 * 60)
    assert turn.cancelled == [1]
    session = books.records.session("app-1")
    assert attention(session) == (Attention.LEAD, "its budget is used up: 10 of 10 min")
    reached = await books.journal(EventKind.BUDGET_NEAR, EventKind.BUDGET_REACHED)
    assert len(reached) == 2


async def test_a_used_up_budget_is_resumed_only_with_more(books: Books) -> None:
    paused = Paused(PauseReason.BUDGET, START, "engine", "10 of 10 min")
    await books.keep(a_session(worked=600.0, budget=Budget(minutes=10), paused=paused))
    engine = engine_of(books)
    with pytest.raises(WrongState, match="used up its budget"):
        await pausing.resume(engine, a_session().id, "person", NONE)
    more = Budget(minutes=11)
    done = await pausing.resume(engine, a_session().id, "person", NONE, more)
    assert (done.session.paused, done.session.budget) == (None, more)


WORDS = "You've hit your usage limit. Try again in 2 hours."


async def says(books: Books, text: str, kind: HookKind = HookKind.BLOCKED) -> Session:
    now = books.clock.now()
    hook = HookEvent(f"h-{now.timestamp()}", kind, now, text)
    seen = Observation(now, hooks=(hook,))
    return (await observe(engine_of(books), a_session().id, seen, "a test")).session


async def test_words_of_a_used_up_quota_pause_in_the_commit_that_takes_them_in(
    books: Books,
) -> None:
    await books.keep(a_session(drive=Drive.PROTOCOL))
    await says(books, WORDS)
    session = books.records.session("app-1")
    assert session.paused is not None
    until = session.paused.until
    assert until is not None
    assert timedelta(0) < until - START - timedelta(hours=2) < timedelta(seconds=7)
    assert (
        hold(session) == f"the session is paused: quota until {until.isoformat(timespec='seconds')}"
    )
    assert not holds(session, "agent-stuck")
    assert (await kinds(books))[-2:] == [EventKind.SESSION_PAUSED, EventKind.QUOTA_EXHAUSTED]
    async with budgets_on(books):
        await passes(books, 2 * 3600 - 30)
        assert books.records.session("app-1").paused is not None
        await passes(books, 60)
        assert books.records.session("app-1").paused is None
    assert len(told(books)) == 1


async def test_under_the_brake_no_quota_brings_anybody_back(books: Books) -> None:
    await books.keep(a_session(drive=Drive.PROTOCOL), a_session("app-2"))
    await says(books, WORDS)
    await pausing.pause_all(engine_of(books), "person", NONE)
    async with budgets_on(books):
        await passes(books, 3 * 3600)
        assert books.records.session("app-1").paused is not None


async def test_a_screen_that_still_shows_the_old_words_is_not_believed_again(books: Books) -> None:
    await books.keep(a_session())
    await shows(books, WORDS)
    assert books.records.session("app-1").paused is not None
    await pausing.resume(engine_of(books), a_session().id, "person", NONE)
    await shows(books, WORDS)
    assert books.records.session("app-1").paused is None
    await shows(books, "You've hit your usage limit. Try again in 9 hours.")
    assert books.records.session("app-1").paused is not None


async def shows(books: Books, line: str) -> None:
    await clock_of(books).advance(60)
    now = books.clock.now()
    activity = Activity(ActivityState.BLOCKED, now, Source.SCREEN, line)
    await observe(engine_of(books), a_session().id, Observation(now, activity=activity), "a test")


@pytest.mark.parametrize(
    ("paused", "state"), [(ASKED, SessionState.WORKING), (None, SessionState.STUCK)]
)
def test_the_silence_of_one_that_is_paused_means_nothing(
    paused: Paused | None, state: SessionState
) -> None:
    late = Observation(START + timedelta(hours=1), sign=START)
    assert decide(a_session(paused=paused), late, Policy()).session.facts.state is state


def test_a_merge_that_was_held_back_is_made_once_it_goes_on() -> None:
    ready = PrFacts(PrState.OPEN, PrReason.MERGE_READY, 7, "u", "h")
    session = a_session(pr=ready)
    assert holds(session, "approved-and-green")
    assert not holds(replace(session, paused=ASKED), "approved-and-green")
    event = Event(1, START, EventKind.SESSION_RESUMED, Halted("asked", "person"), "app", "app-1")
    found = again(session, event)
    assert found is not None
    assert found.key == "approved-and-green"
    assert again(a_session(), event) is None


async def test_a_quota_that_is_back_helps_nobody_whose_budget_is_used_up(books: Books) -> None:
    spent: dict[str, Any] = {"worked": 600.0, "budget": Budget(minutes=10)}
    until = START + timedelta(seconds=1)
    paused = Paused(PauseReason.QUOTA, START, "engine", until=until)
    await books.keep(a_session(drive=Drive.PROTOCOL, paused=paused, **spent))
    async with budgets_on(books):
        session = books.records.session("app-1")
        assert session.paused is not None
        assert (session.paused.why, session.paused.until) == (PauseReason.BUDGET, None)
        assert attention(session)[0] is Attention.LEAD
        assert EventKind.BUDGET_REACHED in await kinds(books)


def test_what_is_overdue_is_not_looked_at_all_the_time() -> None:
    late = Paused(PauseReason.QUOTA, START, "engine", until=START)
    assert due_in(a_session(paused=late), START + timedelta(seconds=1)) is None
    assert due_in(a_session(paused=late), START - timedelta(seconds=9)) == 9


def test_somebody_is_told_of_a_turn_that_cannot_be_interrupted() -> None:
    stubborn = in_turn(paused=replace(ASKED, tries=MOST, interrupted=True))
    who, why = attention(stubborn)
    assert (who, "its turn goes on" in why) == (Attention.LEAD, True)
    rests = replace(stubborn, turn=None, activity=replace(ACTIVE, state=ActivityState.READY))
    assert attention(rests) == (Attention.NONE, "")
    assert attention(in_turn(paused=ASKED)) == (Attention.NONE, "")


async def test_a_report_on_limits_at_the_end_of_a_turn_pauses_nobody(books: Books) -> None:
    await books.keep(a_session(drive=Drive.PROTOCOL))
    await says(books, "Done: quota exceeded is now an error of its own.", HookKind.TURN_ENDED)
    assert books.records.session("app-1").paused is None
    await says(books, WORDS, HookKind.TURN_ENDED)
    assert books.records.session("app-1").paused is not None
