"""The engine's books over a real store: records, outbox, and sessions to put into them."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import anyio

from ao_core.clock import Clock
from ao_core.engine.outbox import Outbox
from ao_core.engine.records import Records, Step
from ao_core.ids import ProjectId, SessionId
from ao_core.model.event import Event, EventKind, NewEvent, Said
from ao_core.model.session import (
    RuntimeFacts,
    RuntimeHandle,
    RuntimeReason,
    RuntimeState,
    Session,
    SessionFacts,
    SessionReason,
    SessionState,
)
from ao_core.store.contract import Store
from ao_core.store.records import SESSION
from ao_core.store.sqlite import SqliteStore
from ao_core.testing.clock import FakeClock

T = TypeVar("T")

START = datetime(2026, 1, 1, tzinfo=UTC)
DEADLINE = 10.0


def a_session(
    id: str = "app-1",
    state: SessionState = SessionState.WORKING,
    reason: SessionReason = SessionReason.TASK_IN_PROGRESS,
    **more: Any,
) -> Session:
    """One that runs, unless told otherwise."""
    handle = RuntimeHandle(id, "double")
    run = RuntimeFacts(RuntimeState.ALIVE, RuntimeReason.PROCESS_RUNNING, handle)
    session = Session(
        SessionId(id), ProjectId("app"), START, "a task", "double", "double", "worktree",
        SessionFacts(state, reason, START), run=run,
    )  # fmt: skip
    return replace(session, **more)


def over(session: Session) -> Session:
    """The same, ended."""
    reason = SessionReason.AGENT_PROCESS_EXITED
    return replace(session, facts=SessionFacts(SessionState.TERMINATED, reason, START))


@dataclass(slots=True)
class Books:
    """What an engine has open."""

    store: Store
    records: Records
    outbox: Outbox
    clock: Clock

    async def keep(self, *sessions: Session) -> None:
        """Write sessions down, new or not."""
        for session in sessions:
            if self.records.find(SESSION, session.id) is None:
                await self.records.create(SESSION, session.id, session)
            else:
                await self.change(session.id, lambda _, after=session: after)

    async def change(self, id: str, how: Callable[[Session], Session]) -> Session:
        """Change one session."""
        return await self.records.update(SESSION, id, lambda now: Step(how(now)))

    async def say(self, text: str, session: str | None = "app-1") -> None:
        """Put a line into the journal."""
        await self.records.commit([], [said(text, session)])

    async def journal(self, *kinds: EventKind) -> list[Event]:
        """What was written there, all of it or of these kinds."""
        events = [event async for event in self.store.follow(0, live=False)]
        return [event for event in events if not kinds or event.kind in kinds]

    async def reopened(self) -> "Books":
        """What the next engine reads of the same store."""
        return await books_on(self.store, self.clock)


def said(text: str, session: str | None = "app-1") -> NewEvent:
    """An event that says something."""
    return NewEvent(EventKind.SESSION_REPORTED, Said(text), "app", session)


async def books_on(store: Store, clock: Clock) -> Books:
    """The books of a store, as an engine reads them when it starts."""
    records = Records(store)
    await records.load()
    return Books(store, records, Outbox(records, clock), clock)


@asynccontextmanager
async def opened_books(folder: Path) -> AsyncGenerator[Books]:
    """Books in a new file."""
    clock = FakeClock()
    async with SqliteStore(folder / "ao.db", clock) as store:
        yield await books_on(store, clock)


async def together(work: Iterable[Callable[[], Awaitable[T]]]) -> list[T | Exception]:
    """Do all of it at once; what each gave or raised, in order."""
    jobs = list(work)
    results: list[Any] = [None] * len(jobs)

    async def one(place: int, job: Callable[[], Awaitable[T]]) -> None:
        try:
            results[place] = await job()
        except Exception as exc:
            results[place] = exc

    with anyio.fail_after(DEADLINE):
        async with anyio.create_task_group() as tasks:
            for place, job in enumerate(jobs):
                tasks.start_soon(one, place, job)
    return results


def clock_of(books: Books) -> FakeClock:
    assert isinstance(books.clock, FakeClock)
    return books.clock
