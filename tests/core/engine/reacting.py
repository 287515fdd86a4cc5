"""Reactions that go on, and what is to be seen of them."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.lowlevel

from ao_core.config.models import DEFAULT_REACTIONS, Reaction
from ao_core.engine.reactions import Reactions
from ao_core.engine.trains import Wish
from ao_core.git.train import Fate
from ao_core.model.event import (
    Body,
    Ended,
    EventKind,
    NewEvent,
    PullSeen,
    Reacted,
)
from ao_core.model.session import (
    PrFacts,
    PrReason,
    PrState,
    Session,
    SessionState,
)
from ao_core.model.session import SessionReason as Reason
from ao_core.store.records import MESSAGE
from bare_engine import an_engine
from books import Books, a_session

MOST = 60
FAILING = PrFacts(PrState.OPEN, PrReason.CI_FAILING, 7, "https://example.invalid/7", "h")
LEFT = Ended("agent_process_exited", 0)
RED = PullSeen(7, "https://example.invalid/7", "h", "lint: line 3 is too long")


@asynccontextmanager
async def reacting(
    books: Books,
    rules: Mapping[str, Reaction] = DEFAULT_REACTIONS,
    shut: Mapping[str, Exception] | None = None,
) -> AsyncGenerator[Reactions]:
    """With reactions going on; as long as a project is in `shut`, it cannot be opened."""
    scm = SimpleNamespace(remote=None)
    project = SimpleNamespace(settings=SimpleNamespace(reactions=rules), scm=scm)

    async def by_id(id: str) -> SimpleNamespace:
        await anyio.lowlevel.checkpoint()
        if shut and id in shut:
            raise shut[id]
        return project

    async def project_of(session: Session) -> SimpleNamespace:
        return await by_id(session.project)

    engine = an_engine(books, project)
    engine.projects.__dict__["by_id"] = by_id
    engine.__dict__["project_of"] = project_of
    reactions = Reactions(engine)
    async with anyio.create_task_group() as tasks:
        engine.__dict__["tasks"] = tasks
        tasks.start_soon(reactions.run)
        await caught_up(reactions, books)
        yield reactions
        tasks.cancel_scope.cancel()


async def caught_up(reactions: Reactions, books: Books) -> None:
    with anyio.fail_after(5):
        while reactions.seen < books.records.head or not reactions.seen:
            await anyio.wait_all_tasks_blocked()
            if books.records.head == 0:
                return


async def happened(
    books: Books, kind: EventKind, body: Body, session: str | None = "app-1", project: str = "app"
) -> None:
    await books.records.commit([], [NewEvent(kind, body, project, session)])


def told(books: Books) -> list[str]:
    return [message.body for message in books.records.all(MESSAGE)]


async def reacted(books: Books) -> list[tuple[str, str, str]]:
    kinds = (EventKind.REACTION_TRIGGERED, EventKind.REACTION_ESCALATED)
    found: list[tuple[str, str, str]] = []
    for event in await books.journal(*kinds):
        assert isinstance(event.body, Reacted)
        found.append((event.kind.split(".")[1], event.body.key, event.body.action))
    return found


def in_state(state: SessionState, reason: Reason, **more: Any) -> Session:
    return a_session(state=state, reason=reason, **more)


@dataclass(slots=True)
class Merges:
    """Stands in for the merging itself."""

    landing: Fate | Exception = Fate.LANDED
    later: bool = False
    promised: bool = False
    made: list[str] = field(default_factory=list[str])

    async def __call__(self, engine: object, ids: Sequence[str], wish: Wish) -> Any:
        assert (wish.approved, wish.dry_run) == (True, False)
        self.made += ids
        await anyio.lowlevel.checkpoint()
        if isinstance(self.landing, Exception):
            raise self.landing
        blockers = () if self.landing is Fate.LANDED else ("main is dirty",)
        how = {"later": self.later, "promised": self.promised}
        share = SimpleNamespace(fate=self.landing, why=None, **how)
        return SimpleNamespace(members=(share,), blockers=blockers)


AUTO_MERGE = Reaction(action="auto-merge")
TWICE = Reaction(action="auto-merge", retries=2)
AUTO = {"approved-and-green": AUTO_MERGE}
READY = replace(FAILING, reason=PrReason.MERGE_READY)
