"""Operations that take a key run at most once under it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ao_core.engine.keys import Ticket
from ao_core.ids import request_key
from ao_mcp.operations.contract import Call


@asynccontextmanager
async def keyed(call: Call, operation: str, asked: Any) -> AsyncIterator[Ticket]:
    """Hold the key, if there is one, while the operation runs."""
    if asked.key is None:
        yield Ticket()
        return
    keys = call.engine.keys
    project = getattr(asked, "project", None) or getattr(asked, "session", None) or ""
    id = keys.scope(call.caller, operation, project, request_key(asked.key))
    ticket = await keys.take(id, operation, asked.model_dump_json(exclude={"key"}))
    try:
        yield ticket
    finally:
        keys.release(ticket)
