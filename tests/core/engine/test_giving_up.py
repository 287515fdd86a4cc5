"""A permission that nobody answers in time is denied; what nobody lived through does not count."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import anyio
import pytest

from ao_core.engine.engine import Engine
from ao_core.engine.giving_up import give_up
from ao_core.engine.permissions import Permissions
from ao_core.engine.policy import Wish
from ao_core.engine.terms import Terms
from ao_core.ids import SessionId
from ao_core.model.event import EventKind, PermissionMoved
from ao_core.model.pause import Paused, PauseReason
from ao_core.model.session import Drive, SessionState
from ao_core.store.records import PERMISSION, Decision, Permission
from ao_core.testing.clock import FakeClock
from bare_engine import an_engine
from books import Books, clock_of

ID, REQUEST = SessionId("app-1"), "app-1.p1"
RISKY = Wish("bash", None, ("rm", "x"))
TEN = Terms(timeout=timedelta(minutes=10))


@pytest.fixture
async def permissions(books: Books) -> Permissions:
    await books.change(ID, lambda one: replace(one, drive=Drive.PROTOCOL))
    return Permissions(books.records, books.clock)


@asynccontextmanager
async def at_work(books: Books) -> AsyncGenerator[FakeClock]:
    """An engine that sees to it; whoever asked waits for the answer."""
    engine = cast("Any", an_engine(books))
    engine.listening.add(REQUEST)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(give_up, cast("Engine", engine))
        yield clock_of(books)
        tasks.cancel_scope.cancel()


async def ask(books: Books, permissions: Permissions, terms: Terms = TEN) -> None:
    await permissions.ask(books.records.session(ID), REQUEST, RISKY, "rm x", terms)


def found(books: Books) -> Permission:
    return cast("Permission", books.records.find(PERMISSION, REQUEST))


async def written(books: Books) -> None:
    """Whatever follows from the time is written: the store has a thread of its own."""
    with anyio.move_on_after(0.1):
        await books.records.until(lambda: found(books).ended_at)


async def test_it_is_denied_after_its_time_and_the_session_goes_on(
    books: Books, permissions: Permissions
) -> None:
    async with at_work(books) as clock:
        await ask(books, permissions)
        await written(books)
        await clock.advance(599)
        await written(books)
        assert found(books).ended_at is None
        await clock.advance(2)
        await written(books)
    done = found(books)
    assert (done.decision, done.by) == (Decision.DENY, "timeout")
    assert done.reason == "nobody has answered within 10 min"
    assert books.records.session(ID).facts.state is SessionState.WORKING
    (told,) = await books.journal(EventKind.PERMISSION_ANSWERED)
    assert isinstance(told.body, PermissionMoved)
    assert (told.body.answer, told.body.by, told.body.reason) == ("deny", "timeout", done.reason)


async def test_without_a_time_it_waits_for_ever(books: Books, permissions: Permissions) -> None:
    async with at_work(books) as clock:
        await ask(books, permissions, Terms())
        await clock.advance(1_000_000)
        await written(books)
    assert found(books).ended_at is None


async def test_what_is_answered_in_time_is_not_answered_again(
    books: Books, permissions: Permissions
) -> None:
    async with at_work(books) as clock:
        await ask(books, permissions)
        await permissions.answer(found(books), Decision.ALLOW, "lead")
        await clock.advance(1_000)
        await written(books)
    assert (found(books).decision, found(books).by) == (Decision.ALLOW, "lead")
    assert len(await books.journal(EventKind.PERMISSION_ANSWERED)) == 1


async def test_a_worker_that_is_paused_takes_no_time(
    books: Books, permissions: Permissions
) -> None:
    async with at_work(books) as clock:
        await ask(books, permissions)
        await written(books)
        await clock.advance(500)
        halt = Paused(PauseReason.ASKED, clock.now(), "lead")
        await books.change(ID, lambda one: replace(one, paused=halt))
        await written(books)
        await clock.advance(10_000)
        await written(books)
        assert found(books).ended_at is None
        await books.change(ID, lambda one: replace(one, paused=None))
        await written(books)
        await clock.advance(90)
        await written(books)
        assert found(books).ended_at is None
        await clock.advance(20)
        await written(books)
    assert found(books).by == "timeout"


async def test_a_night_asleep_takes_no_time_in_this_engine_or_the_next(
    books: Books, permissions: Permissions
) -> None:
    async with at_work(books) as clock:
        await ask(books, permissions)
        await written(books)
        await clock.advance(500)
        clock.jump(8 * 3600)
        await clock.advance(99)
        await written(books)
        assert found(books).ended_at is None
        await clock.advance(2)  # looked at then, by the time of day: and noted
        await written(books)
    assert found(books).by == "timeout"


async def test_the_next_engine_goes_on_counting(books: Books, permissions: Permissions) -> None:
    async with at_work(books) as clock:
        await ask(books, permissions)
        await written(books)
        await clock.advance(400)
    again = await books.reopened()
    async with at_work(again):
        await clock.advance(150)
        await written(again)
        assert found(again).ended_at is None
        await clock.advance(51)
        await written(again)
    assert found(again).by == "timeout"


async def test_one_that_is_overdue_when_an_engine_starts_is_denied_then(
    books: Books, permissions: Permissions
) -> None:
    await ask(books, permissions)
    await clock_of(books).advance(1_000)
    again = await books.reopened()
    async with at_work(again):
        await written(again)
    assert found(again).by == "timeout"


async def test_what_slept_is_noted_for_the_next_engine(
    books: Books, permissions: Permissions
) -> None:
    clock = clock_of(books)
    await ask(books, permissions)
    await clock.advance(100)
    clock.jump(8 * 3600)
    async with at_work(books):
        await written(books)
    known = found(books).patience
    assert known is not None
    assert (known.left, known.since) == (500, clock.now())
