"""What the conformance suite looks for in a server, served by our own desk over our own HTTP.

The suite calls tools, prompts and resources of names that it knows. They are put between our desk
for many clients and the one beneath it, so that what is tried is our door, our transport, our
limits and our handlers; only the answers are not the product's. Nothing of this is shipped.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    EmptyResult,
    GetPromptRequestParams,
    GetPromptResult,
    InputRequiredResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    SetLevelRequestParams,
    SubscribeRequestParams,
)

from ao_core.engine.caller import Caller
from ao_core.engine.engine import Engine
from ao_mcp.http.mcp import HttpDesk
from ao_mcp.mcp.desk import NAME, Context, Desk
from ao_mcp.mcp.face import McpFace
from ao_mcp.toolsets import Offer
from bare_engine import an_engine
from books import opened_books
from conformance import contents
from conformance.rounds import ROUNDS, asked
from conformance.tools import SCHEMAS, TOOLS
from faces.http_served import Served, served

_USUAL = Offer()


class Fixtures(Desk):
    """A desk with what the suite looks for, where it is not asked for what is ours."""

    def server(self) -> Server[dict[str, Any]]:
        server = super().server()
        server.middleware.append(
            RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=NAME)
        )
        add = server.add_request_handler
        add("logging/setLevel", SetLevelRequestParams, self.set_level)
        add("prompts/get", GetPromptRequestParams, self.prompt)
        return server

    async def list_tools(
        self, context: Context, params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        ours = await super().list_tools(context, params)
        return ListToolsResult(tools=[*ours.tools, *contents.tools(SCHEMAS)])

    async def call_tool(
        self, context: Context, params: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult:
        if (round_ := ROUNDS.get(params.name)) is not None:
            return asked(round_, context, params) or contents.said("state-ok: that is all.")
        if (tool := TOOLS.get(params.name)) is not None:
            return await tool(context, params.arguments or {})
        return await super().call_tool(context, params)

    async def list_resources(
        self, context: Context, params: PaginatedRequestParams
    ) -> ListResourcesResult:
        return ListResourcesResult(resources=list(contents.RESOURCES))

    async def list_templates(
        self, context: Context, params: PaginatedRequestParams
    ) -> ListResourceTemplatesResult:
        return ListResourceTemplatesResult(resource_templates=[contents.TEMPLATE])

    async def read_resource(
        self, context: Context, params: ReadResourceRequestParams
    ) -> ReadResourceResult:
        found = contents.read(str(params.uri))
        return found or await super().read_resource(context, params)

    async def subscribe(self, context: Context, params: SubscribeRequestParams) -> EmptyResult:
        if str(params.uri) == contents.WATCHED:
            return EmptyResult()
        return await super().subscribe(context, params)

    async def set_level(self, context: Context, params: SetLevelRequestParams) -> EmptyResult:
        return EmptyResult()

    async def list_prompts(
        self, context: Context, params: PaginatedRequestParams
    ) -> ListPromptsResult:
        return ListPromptsResult(prompts=list(contents.PROMPTS))

    async def prompt(
        self, context: Context, params: GetPromptRequestParams
    ) -> GetPromptResult | InputRequiredResult:
        if (round_ := ROUNDS.get(params.name)) is not None:
            question = asked(round_, context, params)
            return question or contents.spoken(contents.text("With what was said."))
        filled = contents.prompt(params.name, params.arguments or {})
        return filled or await super().get_prompt(context, params)


class FixtureDesk(HttpDesk, Fixtures):
    """Our desk for many clients, with the suite's things beneath it."""


class FixtureFace(McpFace):
    """Our face, with that desk."""

    def desk(self, caller: Caller, offer: Offer = _USUAL, kind: type[Desk] = Desk) -> Desk:
        return super().desk(caller, offer, FixtureDesk)

    def input_schema(self, name: str) -> Mapping[str, Any] | None:
        return SCHEMAS.get(name)


@asynccontextmanager
async def fixtures(folder: Path) -> AsyncGenerator[Served]:
    """The server, for as long as the block lasts."""
    async with opened_books(folder) as books, anyio.create_task_group() as tasks:
        engine = cast("SimpleNamespace", an_engine(books))
        engine.tasks = tasks
        home = folder / "home"
        async with served(
            home, engine=cast("Engine", engine), operations=(), face=FixtureFace
        ) as one:
            yield one
        tasks.cancel_scope.cancel()
