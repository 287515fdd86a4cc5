"""As much of an engine as a conversation needs, around real records."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import cast

import anyio

from ao_core.engine.case import Policy
from ao_core.engine.conversations import Conversations
from ao_core.engine.engine import Engine
from ao_core.engine.permissions import Permissions
from ao_core.engine.webhooks import Webhooks
from ao_core.model.session import Session, is_terminal
from ao_core.store.records import SESSION, Delivery
from books import Books


def an_engine(books: Books, project: object = None) -> Engine:
    """Its book-keeping, one project, and nobody else."""

    async def project_of(session: object) -> object:
        return project or SimpleNamespace()

    async def current(project: object) -> object:
        return SimpleNamespace(allow_commands=(), permission_rules=(), permission_timeout=None)

    async def for_caller(caller: object, name: object) -> object:
        return SimpleNamespace(id="app")

    async def best_receipt(session: object) -> Delivery:
        return Delivery.SUBMITTED

    def live() -> list[Session]:
        return [one for one in books.records.all(SESSION) if not is_terminal(one)]

    def policy_of(session: object) -> Policy:
        return Policy()

    def at_hand(id: object) -> object:
        return project

    def nothing(session: object) -> None:
        """Nobody else is there."""

    async def patiently(work: Callable[[], Awaitable[object]], what: str) -> None:
        await Engine.patiently(cast("Engine", made), work, what)

    async def noted(work: Callable[[], Awaitable[object]], what: str) -> None:
        await work()

    made = SimpleNamespace(
        records=books.records, outbox=books.outbox, clock=books.clock, policy=Policy(),
        permissions=Permissions(books.records, books.clock), conversations=Conversations(),
        session=books.records.session, project_of=project_of, is_ending=nothing,
        listening=set[str](), deliver=nothing, pull_due=nothing, nudge=nothing,
        patiently=patiently, noted=noted, live=live,
        projects=SimpleNamespace(
            by_id=project_of, at_hand=at_hand, for_caller=for_caller, current=current
        ),
        webhooks=Webhooks(books.clock),
        best_receipt=best_receipt, policy_of=policy_of, lapsed=None, reckoning=anyio.Lock(),
    )  # fmt: skip
    return cast("Engine", made)
