"""The operations as MCP tools: how they are listed, called, and how their errors look."""

import json
from collections.abc import Mapping

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolResult,
    ListToolsResult,
    TextContent,
    Tool,
    ToolAnnotations,
)

from ao_core.engine.caller import Role
from ao_core.engine.reading import MOST
from ao_core.errors import AoError, Internal
from ao_mcp.faults import told
from ao_mcp.mcp.schema import input_schema, output_schema
from ao_mcp.operations.contract import AnyOperation, Call
from ao_mcp.perform import perform, shown
from ao_mcp.service import Service
from ao_mcp.toolsets import Offer, is_tool

_USUAL = Offer()
# a client that looks tools up by what they are for still shows a model these at once
_ALWAYS: Mapping[str, object] = {"anthropic/alwaysLoad": True}
_HINTS: Mapping[str, Mapping[str, object]] = {
    "spawn": _ALWAYS, "list": _ALWAYS, "wait": _ALWAYS,
    "read": {"anthropic/maxResultSizeChars": MOST},
}  # fmt: skip


class Toolbox:
    """The tools of an engine. Built once for all connections."""

    def __init__(self, service: Service) -> None:
        self.service = service
        every = (one for one in service.operations if one.tool or is_tool(one.name))
        self._operations = {one.name: one for one in every}
        self._tools = {name: tool(one) for name, one in self._operations.items()}

    def tools(self, role: Role, offer: Offer = _USUAL) -> list[Tool]:
        """What a client of a role is shown, always in the same order."""
        every = self._operations.values()
        return [self._tools[one.name] for one in every if _is_shown(one, role, offer)]

    def operation(self, name: str, role: Role, offer: Offer = _USUAL) -> AnyOperation:
        """The operation behind a tool that it is shown."""
        found = self._operations.get(name)
        if found is None or not _is_shown(found, role, offer):
            raise MCPError(INVALID_PARAMS, f"There is no tool `{shown(name)}`.")
        return found

    async def perform(
        self, call: Call, operation: AnyOperation, given: Mapping[str, object]
    ) -> CallToolResult:
        """Perform it; an error of ours is a result a model can read."""
        try:
            reply = await perform(operation, call, given)
            text = reply.model_dump_json(exclude_none=True, by_alias=True)
        except AoError as error:
            return failure(error.wire())
        except Exception as error:
            return failure(told(error, f"`{operation.name}`").wire())
        return _result(text, json.loads(text))


def _is_shown(operation: AnyOperation, role: Role, offer: Offer) -> bool:
    if role not in operation.roles:
        return False
    return role is Role.WORKER or offer.has(operation.name, read_only=operation.read_only)


def tool(operation: AnyOperation) -> Tool:
    """How an operation is listed."""
    return Tool(
        name=operation.name,
        title=operation.title,
        description=operation.description,
        input_schema=input_schema(operation.request),
        output_schema=output_schema(operation.reply),
        _meta=dict(_HINTS[operation.name]) if operation.name in _HINTS else None,
        annotations=ToolAnnotations(
            read_only_hint=operation.read_only,
            # of one that only reads, the protocol gives these two no meaning
            destructive_hint=None if operation.read_only else operation.destructive,
            idempotent_hint=(operation.idempotent and not operation.read_only) or None,
            open_world_hint=operation.open_world,
        ),
    )


def listing_size(toolbox: Toolbox, role: Role = Role.LEAD) -> int:
    """How many bytes `tools/list` costs a client."""
    listed = ListToolsResult(tools=toolbox.tools(role))
    return len(listed.model_dump_json(by_alias=True, exclude_none=True).encode())


def failure(error: Mapping[str, object]) -> CallToolResult:
    """An error as a result, as data and as text."""
    text = json.dumps(error, separators=(",", ":"), ensure_ascii=False)
    return _result(text.encode(errors="replace").decode(), dict(error), is_error=True)


def too_large(limit: int) -> Mapping[str, object]:
    """What a client is told instead of more than it could take."""
    hint = "Ask for less: by `cursor`, `max_chars` or a filter."
    return Internal(f"The answer is larger than {limit} bytes.", hint=hint).wire()


def _result(text: str, structured: object, *, is_error: bool = False) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(text=text)], structured_content=structured, is_error=is_error
    )
