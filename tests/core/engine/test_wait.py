"""Waiting is exact: from one cursor to the next nothing is missed and nothing comes twice."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest

from ao_core.engine import wait as wait_module
from ao_core.engine.engine import Engine
from ao_core.engine.records import Records, Step
from ao_core.engine.wait import News, Until, wait
from ao_core.errors import Unknown
from ao_core.ids import SessionId
from ao_core.model.event import EventKind as K
from ao_core.model.event import Moved, NewEvent, PullSeen, Said, Shown, Told
from ao_core.model.evidence import Evidence
from ao_core.model.evidence import Verdict as V
from ao_core.model.session import (
    PrFacts,
    PrState,
    Session,
    SessionFacts,
    SessionReason,
)
from ao_core.model.session import SessionState as S
from ao_core.store.contract import Put
from ao_core.store.records import EVIDENCE, SESSION
from books import START, Books, a_session, over, said

ID, OTHER = SessionId("app-1"), SessionId("app-2")
LONG = 30.0


@dataclass(frozen=True, slots=True)
class Desk:
    """As much of an engine as waiting needs."""

    records: Records

    def session(self, id: str) -> Session:
        return self.records.session(id)


async def waited(
    books: Books, until: Until = Until.ANY, cursor: int | None = None, *sessions: str,
    seconds: float = 0,
) -> News:  # fmt: skip
    desk = cast("Engine", Desk(books.records))
    chosen = [SessionId(one) for one in sessions]
    with anyio.fail_after(10):
        return await wait(desk, chosen, until, cursor, seconds)


def moving(state: S, kind: K, id: str = ID) -> NewEvent:
    return NewEvent(kind, Moved("x", state, "why"), "app", id)


async def move(books: Books, state: S, kind: K, id: SessionId = ID) -> None:
    facts = SessionFacts(state, SessionReason.TURN_ENDED, START)

    def step(now: Session) -> Step:
        return Step(replace(now, facts=facts), (moving(state, kind, id),))

    await books.records.update(SESSION, id, step)


async def meanwhile(books: Books, *events: NewEvent) -> None:
    """After the waiting has begun."""
    await anyio.wait_all_tasks_blocked()
    for event in events:
        await books.records.commit([], [event])


async def test_a_note_that_reached_nobody_needs_attention(books: Books) -> None:
    body = Told("note-1", "desk", "it is stuck", "never")
    before = books.records.head
    await books.records.commit([], [NewEvent(K.NOTIFICATION_FAILED, body, "app", ID)])
    assert (await waited(books, Until.ATTENTION, before)).reached


# -- with a cursor: what came after it ------------------------------------------------------------


async def test_what_came_after_the_cursor_is_told_at_once(books: Books) -> None:
    for number in range(5):
        await books.say(str(number))
    news = await waited(books, cursor=2, seconds=LONG)
    assert [event.seq for event in news.events] == [3, 4, 5]
    assert (news.cursor, news.reached) == (5, True)
    assert [session.id for session in news.sessions] == [ID]


async def test_with_nothing_new_it_ends_in_time_at_the_same_cursor(books: Books) -> None:
    await books.say("old")
    for seconds in (0, 0.01, -5):
        assert await waited(books, cursor=1, seconds=seconds) == News(1, (), (), reached=False)


async def test_a_cursor_from_elsewhere_begins_at_the_end(books: Books) -> None:
    await books.say("old")
    assert (await waited(books, cursor=10**9)).cursor == 1


async def test_what_comes_wakes_whoever_waits(books: Books) -> None:
    found: list[News] = []

    async def waits() -> None:
        found.append(await waited(books, Until.IDLE, 0, seconds=LONG))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(waits)
        await meanwhile(books, said("one"), moving(S.IDLE, K.SESSION_IDLE), said("two"))
    (news,) = found
    assert [event.kind for event in news.events] == [K.SESSION_REPORTED, K.SESSION_IDLE]
    assert (news.cursor, news.reached) == (2, True)


async def test_what_does_not_tell_is_brought_along_at_the_end(books: Books) -> None:
    await books.say("one")
    await books.say("two")
    news = await waited(books, Until.MERGED, 0)
    assert ([event.seq for event in news.events], news.cursor, news.reached) == ([1, 2], 2, False)


async def test_a_filter_hides_the_others_but_moves_on_past_them(books: Books) -> None:
    await books.say("theirs", OTHER)
    await books.say("mine", ID)
    await books.say("theirs", OTHER)
    await books.say("nobody's", None)
    news = await waited(books, Until.ANY, 0, ID)
    assert [event.body for event in news.events] == [Said("mine")]
    assert news.cursor == 4
    assert await waited(books, Until.ANY, 4, ID) == News(4, (), (), reached=False)


async def test_others_do_not_end_the_waiting(books: Books) -> None:
    found: list[News] = []

    async def waits() -> None:
        found.append(await waited(books, Until.IDLE, 0, ID, seconds=LONG))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(waits)
        other, mine = moving(S.IDLE, K.SESSION_IDLE, OTHER), moving(S.IDLE, K.SESSION_IDLE)
        await meanwhile(books, other, mine)
    assert ([event.session for event in found[0].events], found[0].cursor) == ([ID], 2)


async def test_a_session_that_is_not_there_is_refused_at_once(books: Books) -> None:
    with pytest.raises(Unknown):
        await waited(books, Until.ANY, None, "app-9", seconds=LONG)


async def test_a_long_past_comes_in_pieces_that_join(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait_module, "_MOST", 7)
    await books.records.commit([], [said(str(number)) for number in range(20)])
    cursor, seen = 0, list[int]()
    for until in (Until.MERGED, Until.ANY, Until.MERGED):
        news = await waited(books, until, cursor, seconds=0 if cursor >= 14 else LONG)
        seen += [event.seq for event in news.events]
        cursor = news.cursor
        assert len(news.events) <= 7
    assert seen == list(range(1, 21))


async def test_what_comes_while_waiting_comes_in_pieces_too(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait_module, "_MOST", 3)
    found: list[News] = []

    async def waits() -> None:
        found.append(await waited(books, Until.MERGED, 0, seconds=LONG))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(waits)
        await meanwhile(books, *(said(str(number)) for number in range(5)))
    assert ([event.seq for event in found[0].events], found[0].reached) == ([1, 2, 3], False)


# -- exactness ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, 0.001, 0.02])
async def test_short_waits_beside_many_commits_miss_nothing_and_double_nothing(
    books: Books, seconds: float
) -> None:
    total, writers = 60, 3
    heard: dict[str, list[int]] = {"all": [], "some": []}

    async def writes(number: int) -> None:
        for place in range(total // writers):
            await books.say(str(place), f"app-{1 + number % 2}")

    async def reads(name: str, *sessions: str) -> None:
        cursor = 0
        while cursor < total:
            news = await waited(books, Until.MERGED, cursor, *sessions, seconds=seconds)
            heard[name] += [event.seq for event in news.events]
            assert news.cursor >= cursor
            cursor = news.cursor
            await anyio.to_thread.run_sync(int)  # a client is elsewhere: writers have a turn

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for number in range(writers):
                tasks.start_soon(writes, number)
            tasks.start_soon(reads, "all")
            tasks.start_soon(reads, "some", OTHER)
    mine = [event.seq for event in await books.journal() if event.session == OTHER]
    assert heard == {"all": list(range(1, total + 1)), "some": mine}


async def test_a_wait_that_is_cancelled_and_repeated_misses_nothing(books: Books) -> None:
    seen: list[int] = []

    async def writes() -> None:
        for number in range(30):
            await books.say(str(number))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writes)
            cursor = 0
            while cursor < 30:
                with anyio.move_on_after(0.003):
                    news = await waited(books, Until.ANY, cursor, seconds=LONG)
                    seen += [event.seq for event in news.events]
                    cursor = news.cursor
    assert seen == list(range(1, 31))


async def test_no_state_is_missed_between_looking_and_listening(books: Books) -> None:
    """Without a cursor it either stands already, or it is still to come."""
    for number in range(3, 40):
        id = SessionId(f"app-{number}")
        await books.keep(a_session(id))
        found: list[News] = []

        async def waits(delay: int = number, id: SessionId = id) -> None:
            for _ in range(delay):
                await anyio.lowlevel.checkpoint()
            found.append(await waited(books, Until.IDLE, None, id, seconds=LONG))  # noqa: B023

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waits)
            tasks.start_soon(move, books, S.IDLE, K.SESSION_IDLE, id)
        assert found[0].reached
        assert found[0].sessions[0].facts.state is S.IDLE


# -- without a cursor: how things stand -----------------------------------------------------------


async def test_what_stands_already_is_told_at_once_and_only_that(books: Books) -> None:
    await move(books, S.IDLE, K.SESSION_IDLE)
    news = await waited(books, Until.IDLE, None, seconds=LONG)
    assert ([one.id for one in news.sessions], news.events) == ([ID], ())
    assert (news.cursor, news.reached) == (1, True)
    assert not (await waited(books, Until.IDLE, None, OTHER)).reached


async def test_with_a_cursor_what_stands_already_is_not_told_again(books: Books) -> None:
    await move(books, S.IDLE, K.SESSION_IDLE)
    assert await waited(books, Until.IDLE, 1) == News(1, (), (), reached=False)


async def test_without_a_cursor_the_past_is_not_told(books: Books) -> None:
    await books.say("old")
    assert await waited(books, Until.ANY, None) == News(1, (), (), reached=False)


MERGED = PrFacts(PrState.MERGED, number=1)
PULL = PullSeen(1, "u", "c")
STANDING = [
    (Until.IDLE, a_session(state=S.IDLE), moving(S.IDLE, K.SESSION_IDLE)),
    (Until.MERGED, a_session(pr=MERGED), NewEvent(K.PR_MERGED, PULL, "app", ID)),
    (Until.ATTENTION, a_session(state=S.NEEDS_INPUT),
     moving(S.NEEDS_INPUT, K.SESSION_NEEDS_INPUT)),
    (Until.ATTENTION, a_session(state=S.STUCK), moving(S.STUCK, K.SESSION_STUCK)),
]  # fmt: skip


@pytest.mark.parametrize(("until", "session", "event"), STANDING)
async def test_a_state_and_the_event_that_leads_to_it_end_the_same_wait(
    books: Books, until: Until, session: Session, event: NewEvent
) -> None:
    assert not (await waited(books, until, None)).reached
    await books.records.commit([], [event])
    assert (await waited(books, until, 0)).reached
    await books.keep(session)
    assert (await waited(books, until, None)).reached


@pytest.mark.parametrize("until", [one for one in Until if one is not Until.ANY])
async def test_work_that_goes_on_ends_no_wait(books: Books, until: Until) -> None:
    await move(books, S.WORKING, K.SESSION_WORKING)
    await books.say("half done")
    assert not (await waited(books, until, 0)).reached
    assert not (await waited(books, until, None)).reached


async def test_no_call_waits_longer_than_a_client_does(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert wait_module.LONGEST == 50.0
    monkeypatch.setattr(wait_module, "LONGEST", 0.01)
    assert not (await waited(books, Until.ANY, None, seconds=10**6)).reached


# -- done is what has been shown ------------------------------------------------------------------

CLAIM, SOON = START + timedelta(seconds=1), START + timedelta(seconds=2)


def evidence(verdict: V, **more: Any) -> Evidence:
    return Evidence(ID, "c1", "t1", verdict, SOON, claimed=CLAIM, **more)


SAID_SO = a_session(state=S.IDLE, done=CLAIM)
ENDED = over(SAID_SO)
LOOKED = {
    "it says so, and nobody has looked": (SAID_SO, None, False),
    "its gates pass": (SAID_SO, evidence(V.VERIFIED), True),
    "there are no gates": (SAID_SO, evidence(V.UNVERIFIED, ungated=True), True),
    "they fail": (SAID_SO, evidence(V.FAILED), False),
    "they could not be judged": (SAID_SO, evidence(V.UNVERIFIED), False),
    "they passed for an earlier commit": (a_session(state=S.IDLE), evidence(V.STALE), False),
    "it has said so anew": (replace(SAID_SO, done=SOON), evidence(V.VERIFIED), False),
    "it went on": (replace(SAID_SO, done=None), evidence(V.VERIFIED), False),
    "its turn ended, and it says nothing": (a_session(state=S.IDLE), None, False),
    "it ended, and they still have to run": (ENDED, None, False),
    "it ended, and they fail": (ENDED, evidence(V.FAILED), True),
    "it ended without a word": (replace(ENDED, done=None), None, True),
    "it ended, and nothing is left": (replace(ENDED, workspace_gone=True), None, True),
}


@pytest.mark.parametrize("how", LOOKED)
async def test_until_done_is_until_it_is_shown_or_nothing_will_be(books: Books, how: str) -> None:
    session, known, enough = LOOKED[how]
    await books.keep(session)
    body = Shown("c1")
    if known is not None:
        await books.records.commit([Put(EVIDENCE, ID, known, 0)])
    await books.records.commit([], [NewEvent(K.EVIDENCE_VERIFIED, body, "app", ID)])
    assert (await waited(books, Until.DONE, None)).reached is enough
    assert (await waited(books, Until.DONE, 0)).reached is enough


async def test_whoever_waits_for_it_to_be_done_is_woken_by_its_evidence(books: Books) -> None:
    await books.keep(SAID_SO)
    found: list[News] = []

    async def waits() -> None:
        found.append(await waited(books, Until.DONE, 0, seconds=LONG))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(waits)
        await meanwhile(books, moving(S.IDLE, K.SESSION_IDLE), said("a word"))
        assert not found
        told = NewEvent(K.EVIDENCE_VERIFIED, Shown("c1"), "app", ID)
        await books.records.commit([Put(EVIDENCE, ID, evidence(V.VERIFIED), 0)], [told])
    assert found[0].reached
