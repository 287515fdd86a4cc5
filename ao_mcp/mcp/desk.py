"""One connection's server: who asks, and what each kind of request is answered from."""

from base64 import b64encode
from collections.abc import Callable, Collection, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import anyio
from mcp.server.caching import CacheHint
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp_types import (
    SERVER_INFO_META_KEY,
    CallToolRequestParams,
    CallToolResult,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    DiscoverResult,
    EmptyResult,
    GetPromptRequestParams,
    GetPromptResult,
    Icon,
    InputRequiredResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    NotificationParams,
    PaginatedRequestParams,
    PromptReference,
    ReadResourceRequestParams,
    ReadResourceResult,
    RequestParams,
    ResourceTemplateReference,
    ServerCapabilities,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from ao_core.engine.caller import Caller, Role
from ao_core.errors import AoError
from ao_core.wire import SEQ
from ao_core.wording import spoken
from ao_mcp.followed import takes_notices
from ao_mcp.mcp import prompts
from ao_mcp.mcp.channel import CAPABILITY, notify
from ao_mcp.mcp.consent import sought
from ao_mcp.mcp.following import Follower, listen, since
from ao_mcp.mcp.library import Library, foreign_cursor
from ao_mcp.mcp.tools import Toolbox, failure
from ao_mcp.operations.contract import Call
from ao_mcp.operations.progress import rising
from ao_mcp.perform import shown
from ao_mcp.toolsets import Offer, absent

Context: TypeAlias = ServerRequestContext[dict[str, Any], Any]

NAME, TITLE = "ao-mcp", "Agent Orchestrator"

_DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#2563eb"'
    ' stroke-width="2"><circle cx="12" cy="5" r="3"/><circle cx="5" cy="19" r="3"/>'
    '<circle cx="19" cy="19" r="3"/><path d="M12 8v4M12 12 6.5 16.5M12 12l5.5 4.5"/></svg>'
)
ICON = Icon(
    src=f"data:image/svg+xml;base64,{b64encode(_DRAWING.encode()).decode()}",
    mime_type="image/svg+xml",
    sizes=["any"],
)

_FRESH_MS = 60_000
_PROGRESS_PATIENCE = 0.5  # a client slower than this is not told of a step
_FOLLOWER = "ao-mcp"


class _Server(Server[dict[str, Any]]):
    """The SDK's, which says in the stateless era that all that is listed may change."""

    def get_capabilities(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
        *,
        protocol_version: str | None = None,
    ) -> ServerCapabilities:
        """Tools and prompts are what they are."""
        served = super().get_capabilities(
            notification_options, experimental_capabilities, extensions,
            protocol_version=protocol_version,
        )  # fmt: skip
        for fixed in (served.tools, served.prompts):
            if fixed is not None:
                fixed.list_changed = False
        return served

    @property
    def server_info_stamp(self) -> dict[str, Any]:
        """Who it is, with every result; how it is shown is told once, by `server/discover`."""
        return {"name": self.name, "version": self.version or ""}

    async def _handle_discover(self, ctx: Context, params: RequestParams | None) -> DiscoverResult:
        found = await super()._handle_discover(ctx, params)
        whole = self.server_info.model_dump(by_alias=True, mode="json", exclude_none=True)
        return found.model_copy(update={"meta": {SERVER_INFO_META_KEY: whole}})


class Desk:
    """Who asks, and from where it is answered."""

    def __init__(self, toolbox: Toolbox, library: Library, caller: Caller, offer: Offer) -> None:
        self._toolbox, self._library, self._caller, self._offer = toolbox, library, caller, offer
        self._service = toolbox.service

    def server(self) -> Server[dict[str, Any]]:
        """The SDK's server. A worker has tools and nothing else."""
        server = _Server(
            NAME,
            title=TITLE,
            version=self._service.version,
            instructions=self._instructions(),
            icons=[ICON],
            cache_hints={"tools/list": CacheHint(ttl_ms=_FRESH_MS, scope="private")},
            on_list_tools=self.list_tools,
            on_call_tool=self.call_tool,
        )
        if self._caller.role is not Role.WORKER:
            self._open_library(server)
        return server

    def _instructions(self) -> str | None:
        told = self._service.instructions.get(self._caller.role)
        if told is None or self._caller.role is Role.WORKER:
            return told
        return spoken(told, self._absent(self._offer))

    def _absent(self, offer: Offer) -> frozenset[str]:
        """The tools that are not spoken of, as they are not there."""
        return absent(one.name for one in self._toolbox.tools(self._caller.role, offer))

    def _open_library(self, server: Server[dict[str, Any]]) -> None:
        add, page = server.add_request_handler, PaginatedRequestParams
        add("resources/list", page, self.list_resources)
        add("resources/templates/list", page, self.list_templates)
        add("resources/read", ReadResourceRequestParams, self.read_resource)
        add("resources/subscribe", SubscribeRequestParams, self.subscribe)
        add("resources/unsubscribe", UnsubscribeRequestParams, self.unsubscribe)
        add("subscriptions/listen", SubscriptionsListenRequestParams, self.listen)
        add("prompts/list", page, self.list_prompts)
        add("prompts/get", GetPromptRequestParams, self.get_prompt)
        add("completion/complete", CompleteRequestParams, self.complete)
        server.add_notification_handler(
            "notifications/initialized", NotificationParams, self.initialized
        )

    # -- tools -----------------------------------------------------------------------------------

    async def list_tools(
        self, context: Context, params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        """All of them: they are few."""
        _require_first(params)
        return ListToolsResult(tools=self._toolbox.tools(self._caller.role, self._offered(context)))

    async def call_tool(
        self, context: Context, params: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult:
        """Perform an operation, once a person has agreed where one has to."""
        call = self._call(context)
        offer = self._offered(context)
        operation = self._toolbox.operation(params.name, self._caller.role, offer)
        try:
            question = await sought(self._service, context, call, operation, params)
        except AoError as error:
            return failure(error.wire())
        return question or await self._toolbox.perform(call, operation, params.arguments or {})

    def _offered(self, context: Context) -> Offer:
        return self._offer

    def _call(self, context: Context) -> Call:
        async def progress(done: float, total: float | None, text: str) -> None:
            with anyio.move_on_after(_PROGRESS_PATIENCE):
                await context.session.report_progress(done, total, text)

        known = context.session.client_params
        client = shown(known.client_info.name) if known else self._caller.client
        return Call(self._service.engine, replace(self._caller, client=client), rising(progress))

    # -- resources -------------------------------------------------------------------------------

    async def list_resources(
        self, context: Context, params: PaginatedRequestParams
    ) -> ListResourcesResult:
        """What is always there, and everybody who has not ended."""
        return self._library.page(self._call(context), params.cursor)

    async def list_templates(
        self, context: Context, params: PaginatedRequestParams
    ) -> ListResourceTemplatesResult:
        """Every form of address."""
        _require_first(params)
        return self._library.templates()

    async def read_resource(
        self, context: Context, params: ReadResourceRequestParams
    ) -> ReadResourceResult:
        """One resource."""
        return await self._library.read(self._call(context), str(params.uri))

    async def complete(self, context: Context, params: CompleteRequestParams) -> CompleteResult:
        """What may be filled in, for addresses and for prompts."""
        given = (params.context and params.context.arguments) or {}
        argument = params.argument
        if argument.name not in self._arguments(context, params.ref):
            return CompleteResult(completion=Completion(values=[], total=0, has_more=False))
        choices, call = self._library.choices, self._call(context)
        found = await choices.complete(call, argument.name, argument.value, given)
        return CompleteResult(completion=found)

    def _arguments(
        self, context: Context, ref: PromptReference | ResourceTemplateReference
    ) -> Collection[str]:
        """What can be filled in there; raises if there is no such resource."""
        if isinstance(ref, PromptReference):
            return prompts.arguments(ref.name, self._absent(self._offered(context)))
        return self._library.names(ref.uri)

    # -- what is followed ------------------------------------------------------------------------

    async def initialized(self, context: Context, params: NotificationParams) -> None:
        """From here on a client of the era of handshakes may be told things unasked."""
        self._follower(context)
        known = context.session.client_params
        if known is not None and takes_notices(known.client_info.name):
            connection, records = _connection(context), self._service.engine.records
            self._run(connection, partial(notify, connection, records, since(params.meta, records)))

    async def subscribe(self, context: Context, params: SubscribeRequestParams) -> EmptyResult:
        """Follow a resource. The answer says from which line of the journal on."""
        after = since(context.meta, self._service.engine.records)
        self._follower(context).follow(str(params.uri), after)
        return EmptyResult(_meta={SEQ: after})

    async def unsubscribe(self, context: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        """Follow it no more."""
        self._follower(context).leave(str(params.uri))
        return EmptyResult()

    async def listen(
        self, context: Context, params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """Follow what is named, for as long as this request lasts."""
        return await listen(self._service.engine.records, context, params)

    def _follower(self, context: Context) -> Follower:
        """The connection's own, which ends with it."""
        connection = _connection(context)
        if (known := connection.state.get(_FOLLOWER)) is None:
            known = Follower(self._service.engine.records, context.session)
            connection.state[_FOLLOWER] = known
            self._run(connection, known.run)
        return known

    def _run(
        self, connection: Connection, work: Callable[[anyio.CancelScope], Coroutine[Any, Any, None]]
    ) -> None:
        scope = anyio.CancelScope()
        connection.exit_stack.callback(scope.cancel)
        self._service.engine.tasks.start_soon(work, scope)

    # -- prompts ---------------------------------------------------------------------------------

    async def list_prompts(
        self, context: Context, params: PaginatedRequestParams
    ) -> ListPromptsResult:
        """All of them."""
        _require_first(params)
        return prompts.listed(self._absent(self._offered(context)))

    async def get_prompt(self, context: Context, params: GetPromptRequestParams) -> GetPromptResult:
        """One of them, filled in."""
        call, given = self._call(context), params.arguments or {}
        missing = self._absent(self._offered(context))
        return await prompts.filled(self._library, call, params.name, given, missing)


def _require_first(params: PaginatedRequestParams | None) -> None:
    """What is listed whole has one page, and so no cursor of ours."""
    if params is not None and params.cursor is not None:
        raise foreign_cursor()


def _connection(context: Context) -> Connection:
    # the SDK has no other way to what belongs to one connection
    return context.session._connection  # pyright: ignore[reportPrivateUsage]


def welcome(server: Server[dict[str, Any]]) -> InitializationOptions:
    """What a client of the era of handshakes is told first."""
    has_library = server.get_request_handler("resources/list") is not None
    return server.create_initialization_options(
        NotificationOptions(resources_changed=has_library), {CAPABILITY: {}} if has_library else {}
    )
