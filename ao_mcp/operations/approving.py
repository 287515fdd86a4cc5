"""`approve`: for agents that put their permission requests to a tool."""

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from ao_core.drive.asking import about, wish_of
from ao_core.drive.messages import Params
from ao_core.engine.permissions import TIMEOUT
from ao_core.ids import new_id
from ao_core.model.kinds import KINDS
from ao_core.store.records import Decision, Permission
from ao_mcp.operations.contract import WORKERS, Call, Operation, Reply, Request
from ao_mcp.operations.progress import kept_up
from ao_mcp.operations.worker import decided


class Approve(Request):
    """What the agent wants to do, in its own words."""

    tool_name: Annotated[str, Field(min_length=1, max_length=200)]
    input: Annotated[dict[str, Any], Field(description="The tool's arguments.")]
    tool_use_id: Annotated[str | None, Field(max_length=100)] = None


class Approved(Reply):
    """Whether it may, as the agent expects to be told."""

    behavior: str = Field(description="allow or deny.")
    updated_input: dict[str, Any] | None = Field(default=None, serialization_alias="updatedInput")
    message: str | None = None


async def _approve(call: Call, asked: Approve) -> Approved:
    params = _as_by_protocol(asked)
    id, wish = asked.tool_use_id or new_id("use"), wish_of(params)
    wish = replace(wish, called=asked.tool_name)
    done = await kept_up(
        call, lambda: decided(call, id, wish, about(params)),
        lambda: "waiting for the lead or a person",
    )  # fmt: skip
    if done.decision is Decision.ALLOW:
        return Approved(behavior="allow", updated_input=asked.input)
    return Approved(behavior="deny", message=_why(done))


def _as_by_protocol(asked: Approve) -> Params:
    kind = KINDS.get(asked.tool_name.lower(), "other")
    call = {"kind": kind, "title": asked.tool_name, "rawInput": asked.input}
    return {"toolCall": call}


def _why(done: Permission) -> str:
    said = done.decision and done.by != TIMEOUT
    who = f"{done.by or 'nobody'} said no" if said else "nobody has answered"
    return f"{who}: {done.reason}" if done.reason else who


APPROVE = Operation(
    name="approve",
    title="Ask whether a tool may be used",
    description=(
        "For an agent's own permission prompts: may this tool be used with these arguments? The"
        " project's policy decides, else the lead or a person. Not for questions: use `ask`."
    ),
    request=Approve,
    reply=Approved,
    run=_approve,
    roles=WORKERS,
)
