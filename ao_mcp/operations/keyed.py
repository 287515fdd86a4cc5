"""Operations that take a key run at most once under it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Protocol

from ao_core.engine.keys import Ticket
from ao_core.ids import request_key
from ao_mcp.operations.contract import Call


class Repeatable(Protocol):
    """A request that may carry a key."""

    @property
    def key(self) -> str | None:
        """The caller's key."""
        ...

    def model_dump_json(self, *, exclude: set[str], exclude_defaults: bool) -> str:
        """The arguments as text."""
        ...


@asynccontextmanager
async def keyed(call: Call, operation: str, asked: Repeatable) -> AsyncGenerator[Ticket]:
    """Hold the key, if there is one, while the operation runs."""
    if asked.key is None:
        yield Ticket()
        return
    keys = call.engine.keys
    project = getattr(asked, "project", None) or getattr(asked, "session", None) or ""
    id = keys.scope(call.caller, operation, project, request_key(asked.key))
    # what is as by default says nothing: so an argument may be added without changing old calls
    arguments = asked.model_dump_json(exclude={"key"}, exclude_defaults=True)
    ticket = await keys.take(id, operation, arguments)
    try:
        yield ticket
    finally:
        keys.release(ticket)
