"""As much of an engine as a conversation needs, around real records."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import cast

from ao_core.engine.case import Policy
from ao_core.engine.conversations import Conversations
from ao_core.engine.engine import Engine
from ao_core.engine.permissions import Permissions
from books import Books


def an_engine(books: Books) -> Engine:
    """Its book-keeping, and nobody else."""

    async def project_of(session: object) -> SimpleNamespace:
        return SimpleNamespace()

    def nothing(session: object) -> None:
        """Nobody else is there."""

    async def patiently(work: Callable[[], Awaitable[object]], what: str) -> None:
        await Engine.patiently(cast("Engine", made), work, what)

    made = SimpleNamespace(
        records=books.records, outbox=books.outbox, clock=books.clock, policy=Policy(),
        permissions=Permissions(books.records, books.clock), conversations=Conversations(),
        session=books.records.session, project_of=project_of, is_ending=nothing,
        listening=set[str](), deliver=nothing, pull_due=nothing, nudge=nothing,
        patiently=patiently,
    )  # fmt: skip
    return cast("Engine", made)
