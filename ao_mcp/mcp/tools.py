"""The operations as MCP tools: how they are listed, called, and how their errors look."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import anyio
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)

from ao_core.engine.caller import Caller, Role
from ao_core.errors import AoError, Internal
from ao_mcp.faults import told
from ao_mcp.mcp.schema import input_schema, output_schema
from ao_mcp.operations.contract import AnyOperation, Call
from ao_mcp.perform import perform, shown
from ao_mcp.service import Service

NAME, TITLE = "ao-mcp", "Agent Orchestrator"

Context: TypeAlias = ServerRequestContext[dict[str, Any], Any]

_FRESH_MS = 60_000
_PROGRESS_PATIENCE = 0.5  # a client slower than this is not told of a step


class Toolbox:
    """The tools of an engine. Built once; each connection gets a server of its own."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.operations = {one.name: one for one in service.operations if one.tool}
        self._tools = {name: tool(one) for name, one in self.operations.items()}

    def tools(self, role: Role) -> list[Tool]:
        """What a role is shown, always in the same order."""
        shown_to = (one for one in self.operations.values() if role in one.roles)
        return [self._tools[one.name] for one in shown_to]

    def server(self, caller: Caller) -> Server[dict[str, Any]]:
        """The SDK's server for one connection."""
        desk = _Desk(self, caller)
        return Server(
            NAME,
            title=TITLE,
            version=self.service.version,
            instructions=self.service.instructions.get(caller.role),
            cache_hints={"tools/list": CacheHint(ttl_ms=_FRESH_MS, scope="private")},
            on_list_tools=desk.list_tools,
            on_call_tool=desk.call_tool,
        )


class _Desk:
    """One connection's requests, with who is asking."""

    def __init__(self, toolbox: Toolbox, caller: Caller) -> None:
        self._toolbox, self._caller = toolbox, caller

    async def list_tools(
        self, context: Context, params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        """All of them: they are few."""
        return ListToolsResult(tools=self._toolbox.tools(self._caller.role))

    async def call_tool(self, context: Context, params: CallToolRequestParams) -> CallToolResult:
        """Perform the operation; an error of ours is a result a model can read."""
        operation = self._operation(params.name)
        try:
            reply = await perform(operation, self._call(context), params.arguments or {})
            text = reply.model_dump_json(exclude_none=True, by_alias=True)
        except AoError as error:
            return failure(error.wire())
        except Exception as error:
            return failure(told(error, f"`{operation.name}`").wire())
        return _result(text, json.loads(text))

    def _operation(self, name: str) -> AnyOperation:
        found = self._toolbox.operations.get(name)
        if found is None or self._caller.role not in found.roles:
            raise MCPError(INVALID_PARAMS, f"There is no tool `{shown(name)}`.")
        return found

    def _call(self, context: Context) -> Call:
        async def progress(done: float, total: float | None, text: str) -> None:
            with anyio.move_on_after(_PROGRESS_PATIENCE):
                await context.session.report_progress(done, total, text)

        known = context.session.client_params
        client = shown(known.client_info.name) if known else self._caller.client
        return Call(self._toolbox.service.engine, replace(self._caller, client=client), progress)


def tool(operation: AnyOperation) -> Tool:
    """How an operation is listed."""
    return Tool(
        name=operation.name,
        title=operation.title,
        description=operation.description,
        input_schema=input_schema(operation.request),
        output_schema=output_schema(operation.reply),
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
