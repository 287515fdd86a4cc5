"""`permission`: a worker's hook asks whether the agent may go on."""

from typing import Annotated

from pydantic import Field

from ao_core.engine.policy import Wish, parse_command
from ao_core.engine.terms import terms_of
from ao_core.engine.timekeeping import reckon
from ao_core.ids import request_key
from ao_core.model.kinds import WITHOUT_COMMANDS, kind_of
from ao_core.store.records import Permission
from ao_mcp.operations.contract import WORKERS, Call, Operation, Reply, Request
from ao_mcp.operations.reporting import own


class AskPermission(Request):
    """What the agent wants to do."""

    id: Annotated[str, Field(min_length=1, max_length=100)]
    tool: Annotated[str, Field(min_length=1, max_length=100)]
    arguments: Annotated[str, Field(description="What it is about, as people read it.")] = ""
    path: Annotated[str | None, Field(max_length=4_000)] = None
    command: Annotated[tuple[str, ...], Field(max_length=500)] = ()


class Decided(Reply):
    """The answer: allow or deny."""

    decision: str
    by: str | None = None
    reason: str | None = None


async def _ask(call: Call, asked: AskPermission) -> Decided:
    command = tuple(asked.command) or parse_command(asked.arguments if not asked.path else "")
    about = asked.arguments or asked.path or " ".join(asked.command)
    runs = kind_of(asked.tool) not in WITHOUT_COMMANDS and not asked.path
    line = asked.arguments if runs and not command else None
    wish = Wish(asked.tool, asked.path, command, line=line)
    done = await decided(call, asked.id, wish, about)
    return Decided(decision=done.decision or "ask", by=done.by, reason=done.reason)


async def decided(call: Call, name: str, wish: Wish, about: str) -> Permission:
    """What became of a worker's request: the policy's word, the lead's, or that of a person."""
    engine, session = call.engine, own(call)
    id = f"{session.id}.{request_key(name)}"
    engine.listening.add(id)
    try:
        terms = await terms_of(engine, session)
        await reckon(engine)
        await engine.permissions.ask(session, id, wish, about, terms)
        return await engine.permissions.decided(id)
    finally:
        engine.listening.discard(id)


PERMISSION = Operation(
    name="permission",
    title="Ask for permission",
    description="A worker's hook asks whether the agent may do something.",
    request=AskPermission,
    reply=Decided,
    run=_ask,
    tool=False,
    roles=WORKERS,
)
