"""Operations that take a key run at most once under it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol

from ao_core.engine.keys import Ticket
from ao_core.errors import AoError
from ao_core.ids import request_key
from ao_core.store.records import SESSION
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
    keys, key = call.engine.keys, request_key(asked.key)
    id = keys.scope(call.caller, operation, await _project(call, asked), key)
    before = keys.scope(call.caller, operation, _named(asked), key)
    # what is as by default says nothing: so an argument may be added without changing old calls
    arguments = asked.model_dump_json(exclude={"key"}, exclude_defaults=True)
    ticket = await keys.take(id, operation, arguments, before)
    try:
        yield ticket
    finally:
        keys.release(replace(ticket, id=id))  # which an earlier version stored elsewhere


async def was_done(call: Call, operation: str, asked: Repeatable) -> bool:
    """Whether an earlier call with this key has done it already."""
    if asked.key is None:
        return False
    project, key = await _project(call, asked), request_key(asked.key)
    return await call.engine.keys.is_used(
        call.engine.keys.scope(call.caller, operation, project, key)
    )


def _named(asked: object) -> str:
    """Whose key it was in earlier versions."""
    return getattr(asked, "project", None) or getattr(asked, "session", None) or ""


async def _project(call: Call, asked: object) -> str:
    """Whose key it is: that of the project of the sessions named, else of the one that is meant."""
    sessions = (getattr(asked, "session", None), *getattr(asked, "sessions", ()))
    if first := next(filter(None, sessions), None):
        known = call.engine.records.find(SESSION, first)
        return known.project if known else ""
    try:
        project = await call.engine.projects.for_caller(
            call.caller, getattr(asked, "project", None)
        )
    except AoError:
        if getattr(asked, "all", False):  # that may be asked from anywhere
            return ""
        raise
    return project.id
