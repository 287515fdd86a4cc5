"""`permission`: a worker's hook asks whether the agent may go on."""

from typing import Annotated

from pydantic import Field

from ao_core.engine.policy import Wish, parse_command
from ao_core.engine.timekeeping import reckon
from ao_core.errors import BadRequest
from ao_core.ids import request_key
from ao_mcp.operations.contract import WORKERS, Call, Operation, Reply, Request


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
    engine = call.engine
    if call.caller.session is None:
        raise BadRequest("Only a worker asks for permission.")
    session = engine.session(call.caller.session)
    project = await engine.project_of(session)
    command = tuple(asked.command) or parse_command(asked.arguments if not asked.path else "")
    wish = Wish(asked.tool, asked.path, command)
    id = f"{session.id}.{request_key(asked.id)}"
    shown = asked.arguments or asked.path or " ".join(asked.command)
    engine.listening.add(id)
    try:
        commands = project.settings.allow_commands
        await reckon(engine)
        await engine.permissions.ask(session, id, wish, shown, commands)
        done = await engine.permissions.decided(id)
    finally:
        engine.listening.discard(id)
    return Decided(decision=done.decision or "ask", by=done.by, reason=done.reason)


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
