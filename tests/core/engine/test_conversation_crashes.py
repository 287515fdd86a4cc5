"""The engine dies at every step of a turn by protocol; the next one repeats nothing."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from ao_core.drive.opening import Opening
from ao_core.engine.conversation import Conversation, Held
from ao_core.engine.engine import Engine
from ao_core.engine.herald import Herald
from ao_core.ids import SessionId
from ao_core.model.event import EventKind
from ao_core.model.session import Drive, RuntimeHandle, SessionState
from ao_core.store.contract import Store
from ao_core.store.records import MESSAGE, PERMISSION, SESSION, Decision, Delivery, Mode
from ao_core.testing.clock import FakeClock
from bare_engine import an_engine
from books import Books, a_session, books_on, opened_books
from fused_store import Crash, FusedStore
from line_double import Agent, LinesDouble

MOST = 200
HANDLE = RuntimeHandle("app-1", "double")


@dataclass(slots=True)
class Fuse:
    """Lets so many steps pass, then none any more: the engine is dead."""

    left: int
    seen: list[str] = field(default_factory=list[str])

    async def __call__(self, place: str) -> None:
        self.seen.append(place)
        self.left -= 1
        await anyio.lowlevel.checkpoint()
        if self.left < 0:
            raise Crash


async def serve(engine: Engine, agent: Agent, fuse: Fuse) -> None:
    """Carry the conversation on, and what is queued, until the turn has ended."""
    held = Held(SessionId("app-1"), 1, LinesDouble(agent, fuse), HANDLE, Opening(Path("/w")))
    talk = Conversation(engine, held)
    engine.conversations._known[held.session] = talk  # pyright: ignore[reportPrivateUsage]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(talk.run)
        tasks.start_soon(Herald(engine, held.session).run)
        tasks.start_soon(answer_when_asked, engine)
        await talk.until(lambda: done(engine) if talk.live else None)
        await anyio.wait_all_tasks_blocked()  # whoever would say something more has said it
        tasks.cancel_scope.cancel()


async def answer_when_asked(engine: Engine) -> None:
    """Somebody allows it."""

    def asked() -> Any:
        pending = engine.permissions.pending(SessionId("app-1"))
        return pending[0] if pending else None

    while True:
        await engine.permissions.answer(await engine.records.until(asked), Decision.ALLOW, "lead")


def done(engine: Engine) -> bool | None:
    session = engine.session("app-1")
    taken = all(one.state is Delivery.ACCEPTED for one in engine.records.all(MESSAGE))
    rests = session.facts.state is SessionState.IDLE and session.turn is None
    return True if rests and taken else None


@asynccontextmanager
async def a_queued_message(folder: Path, *more: tuple[str, Mode]) -> AsyncGenerator[Store]:
    async with opened_books(folder) as books:
        session = a_session(drive=Drive.PROTOCOL, generation=1)
        await books.keep(session)
        for text, mode in (("do it", Mode.WHEN_IDLE), *more):
            best = Delivery.ACCEPTED
            message = books.outbox.compose(session, text, "lead", highest=best, mode=mode)
            await books.outbox.queue(session, message)
        yield books.store


async def lived(store: Store, books: Books, agent: Agent, fuse: Fuse) -> bool:
    """One engine's life; whether it came to the end of the story."""
    whole = True
    try:
        mine = await books_on(FusedStore(store, fuse), books.clock)
        with anyio.fail_after(20):
            await serve(an_engine(mine), agent, fuse)
    except* Crash:
        whole = False
    return whole


@pytest.mark.parametrize("arrives_late", [True, False])
@pytest.mark.timeout(300)
async def test_whatever_step_it_dies_at_a_turn_is_neither_lost_nor_repeated(
    tmp_path: Path, *, arrives_late: bool
) -> None:
    for step in range(MOST):
        folder, agent, fuse = tmp_path / str(step), Agent(), Fuse(step)
        folder.mkdir()
        async with a_queued_message(folder) as store:
            books = await books_on(store, FakeClock())
            whole = await lived(store, books, agent, fuse)
            if not arrives_late:
                agent.late.clear()
            if not whole:
                assert await lived(store, books, agent, Fuse(1_000_000)), (step, fuse.seen)
            await check(await books_on(store, books.clock), agent, (step, fuse.seen))
        if whole:
            assert step > 20, fuse.seen
            return
    raise AssertionError("it never came to its end")


async def test_a_turn_that_ended_while_there_was_no_engine_is_not_repeated(tmp_path: Path) -> None:
    for step in range(MOST):
        folder, agent, fuse = tmp_path / str(step), Agent(asks=False), Fuse(step)
        folder.mkdir()
        async with a_queued_message(folder) as store:
            books = await books_on(store, FakeClock())
            whole = await lived(store, books, agent, fuse)
            if not whole:
                assert await lived(store, books, agent, Fuse(1_000_000)), (step, fuse.seen)
            assert agent.prompts == ["do it"], (step, fuse.seen)
        if whole:
            return
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize("arrives_late", [True, False])
@pytest.mark.timeout(300)
async def test_a_turn_is_interrupted_once_and_what_interrupts_it_is_said_once(
    tmp_path: Path, *, arrives_late: bool
) -> None:
    for step in range(MOST):
        folder, fuse = tmp_path / str(step), Fuse(step)
        agent = Agent(asks=False, hangs="do it")
        folder.mkdir()
        async with a_queued_message(folder, ("no, this", Mode.INTERRUPT)) as store:
            books = await books_on(store, FakeClock())
            whole = await lived(store, books, agent, fuse)
            if not arrives_late:
                agent.late.clear()
            where = (step, fuse.seen)
            if not whole:
                assert await lived(store, books, agent, Fuse(1_000_000)), where
            assert (agent.prompts, agent.cancels) == (["do it", "no, this"], 1), (where, agent.log)
            after = await books_on(store, books.clock)
            assert len(await after.journal(EventKind.MESSAGE_ACCEPTED)) == 2, where
        if whole:
            assert step > 20, fuse.seen
            return
    raise AssertionError("it never came to its end")


async def check(books: Books, agent: Agent, where: object) -> None:
    assert agent.prompts == ["do it"], where
    assert agent.answers == ["selected"], where
    (asked,) = books.records.all(PERMISSION)
    assert asked.decision is Decision.ALLOW, where
    assert len(await books.journal(EventKind.PERMISSION_ASKED)) == 1, where
    assert len(await books.journal(EventKind.MESSAGE_SUBMITTED)) == 1, where
    assert len(await books.journal(EventKind.MESSAGE_ACCEPTED)) == 1, where
    assert len(await books.journal(EventKind.SESSION_IDLE)) == 1, where
    (session,) = books.records.all(SESSION)
    assert session.native_id == "native", where
