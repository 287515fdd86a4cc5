"""MCP over HTTP: one server object for both eras of the protocol, at `/mcp` and `/mcp/<project>`.

An address may also say which tools are wanted: `?toolsets=core,flow`, `?read_only=true`.

The SDK keeps the sessions of the era of handshakes, each for whoever opened it, and serves each
request of the stateless era by itself. Ours is who calls, and what a session still owes a client
whose stream broke.
"""

import hashlib
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, AuthorizationContext
from mcp.server.auth.provider import AccessToken
from mcp.server.lowlevel import Server
from mcp.server.streamable_http import (
    GET_STREAM_KEY,
    MCP_SESSION_ID_HEADER,
    EventCallback,
    EventMessage,
    EventStore,
    StreamableHTTPServerTransport,
)
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    InputRequiredResult,
    JSONRPCMessage,
    TextContent,
)
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from ao_core.config.listening import PATH
from ao_core.engine.caller import Caller, Role
from ao_core.errors import BadId, BadRequest, EngineUnreachable
from ao_core.ids import project_id
from ao_core.wire import LINE_LIMIT
from ao_mcp.http.guard import VISITOR, Visitor
from ao_mcp.mcp.desk import Context, Desk, welcome
from ao_mcp.mcp.face import McpFace
from ao_mcp.mcp.tools import failure, too_large
from ao_mcp.operations.contract import Call
from ao_mcp.toolsets import Offer, chosen

SESSIONS = 100
CALLS = 256  # of all clients, under way at a time
IDLE = 1_800.0  # seconds after which a session that nobody uses is forgotten
TOOLSETS, READ_ONLY = "toolsets", "read_only"  # in an address

_AGAIN_MS = 1_000  # after which a client takes up a stream that broke
_MISSED, _MISSED_BYTES = 256, 512 * 1024  # what is kept of a session for a stream that broke
_NOBODY = "an HTTP client"
_SAID = {"true": True, "1": True, "": True, "false": False, "0": False}
_TOO_MANY = EngineUnreachable(
    "Too many calls are under way.", hint="Wait until some have ended, then call again."
)


class HttpDesk(Desk):
    """Many clients' desk: each request says anew whose it is, and which project it means."""

    _under_way = 0

    async def call_tool(
        self, context: Context, params: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult:
        """As ever, with limits as the socket has them: a call outlives the request it came by."""
        if self._under_way >= CALLS:
            return failure(_TOO_MANY.wire())
        self._under_way += 1
        try:
            result = await super().call_tool(context, params)
        finally:
            self._under_way -= 1
        if isinstance(result, InputRequiredResult):
            return result
        said = (one.text for one in result.content if isinstance(one, TextContent))
        # which is told twice: as text and as data
        return failure(too_large(LINE_LIMIT)) if 2 * sum(map(len, said)) > LINE_LIMIT else result

    def _offered(self, context: Context) -> Offer:
        return offer_of(cast("Request", context.request).query_params)

    def _call(self, context: Context) -> Call:
        call = super()._call(context)
        request = cast("Request", context.request)  # over HTTP there always is one
        return replace(call, caller=_caller(call.caller, request))


def offer_of(query: Mapping[str, str]) -> Offer:
    """Which tools an address asks for; raises `BadRequest` for what makes no sense."""
    only = query.get(READ_ONLY, "false").lower()
    if only not in _SAID:
        raise BadRequest(f"`{READ_ONLY}` is true or false.", hint="Correct the server's address.")
    return Offer(chosen(query.get(TOOLSETS, "")), _SAID[only])


def _caller(known: Caller, request: Request) -> Caller:
    visitor: Visitor = request.scope[VISITOR]
    client = known.client or _NOBODY
    named = request.path_params.get("project")
    return replace(
        known,
        connection=f"http-{_short(request.headers.get(MCP_SESSION_ID_HEADER, ''))}",
        project=project_id(named) if named else None,
        client=f"{client} of {visitor.subject}" if visitor.subject else client,
    )


def _short(session: str) -> str:
    """A session's name is a key to it, so it is told to nobody."""
    return hashlib.sha256(session.encode()).hexdigest()[:8] if session else "once"


class McpRoom:
    """MCP, as HTTP serves it."""

    def __init__(self, face: McpFace, idle: float = IDLE) -> None:
        self._sessions = _Sessions(
            _server(face), session_idle_timeout=idle, max_sessions=SESSIONS,
            max_request_body_size=LINE_LIMIT, retry_interval=_AGAIN_MS,
        )  # fmt: skip

    def routes(self) -> Sequence[BaseRoute]:
        """For any project, and for one."""
        return [Route(path, self) for path in (PATH, f"{PATH}/{{project}}")]

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """While sessions are kept."""
        async with self._sessions.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        try:
            if named := scope["path_params"].get("project"):
                project_id(named)
            offer_of(Request(scope).query_params)
        except BadRequest as error:
            status = 404 if isinstance(error, BadId) else 400
            return await JSONResponse(error.wire(), status)(scope, receive, send)
        scope = {**scope, "user": _principal(scope[VISITOR])}
        await self._sessions.handle_request(scope, receive, send)


def _server(face: McpFace) -> Server[dict[str, Any]]:
    desk = face.desk(Caller(Role.LEAD, "http"), kind=HttpDesk)
    server = desk.server()
    options = welcome(server)
    # what the SDK's keeper of sessions welcomes with, which cannot be handed to it
    setattr(server, "create_initialization_options", lambda: options)  # noqa: B010
    server.get_tool_input_schema = face.input_schema
    return server


def _principal(visitor: Visitor) -> AuthenticatedUser:
    """Whose sessions they are, in the SDK's words. The token itself is not handed on."""
    claims = {"iss": visitor.issuer} if visitor.issuer else None
    who = AccessToken(
        token="", client_id=visitor.name, scopes=[], subject=visitor.subject, claims=claims
    )
    return AuthenticatedUser(who)


class _Sessions(StreamableHTTPSessionManager):
    """Each session has a store of what it sent of its own: the SDK would share one among all."""

    def _admit_session(
        self, requestor: AuthorizationContext | None
    ) -> StreamableHTTPServerTransport | None:
        transport = super()._admit_session(requestor)
        if transport is not None:
            sent = Sent()
            transport._event_store = sent  # pyright: ignore[reportPrivateUsage]
            _prime_once(transport, sent)
        return transport


def _prime_once(transport: StreamableHTTPServerTransport, sent: "Sent") -> None:
    """A stream that is taken up again gets no first event: what came meanwhile would be lost."""
    first = transport._mint_priming_event  # pyright: ignore[reportPrivateUsage]

    async def primed(stream: str, version: str) -> dict[str, Any] | None:
        return None if sent.knows(stream) else await first(stream, version)

    setattr(transport, "_mint_priming_event", primed)  # noqa: B010


@dataclass(frozen=True, slots=True)
class _Sending:
    number: int
    stream: str
    message: JSONRPCMessage | None
    size: int


class Sent(EventStore):
    """The last messages of one session, for a stream that is taken up again."""

    def __init__(self) -> None:
        self._kept: deque[_Sending] = deque()
        self._number = self._bytes = 0

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Keep one, and let go of the oldest where it becomes too much."""
        self._number += 1
        size = len(message.model_dump_json()) if message is not None else 0
        self._kept.append(_Sending(self._number, stream_id, message, size))
        self._bytes += size
        while len(self._kept) > _MISSED or (self._bytes > _MISSED_BYTES and len(self._kept) > 1):
            self._bytes -= self._kept.popleft().size
        return str(self._number)

    async def replay_events_after(
        self, last_event_id: str, send_callback: EventCallback
    ) -> str | None:
        """What the stream sent since. One that is not known is taken for the session's own."""
        if not last_event_id.isdecimal() or len(last_event_id) > 20:
            return None
        after = int(last_event_id)
        stream = next((one.stream for one in self._kept if one.number == after), GET_STREAM_KEY)
        while (one := self._next(stream, after)) is not None:  # also what is added meanwhile
            await send_callback(EventMessage(cast("JSONRPCMessage", one.message), str(one.number)))
            after = one.number
        return stream

    def knows(self, stream: str) -> bool:
        """Whether there has been such a stream; the session's own is always there."""
        return stream == GET_STREAM_KEY or any(one.stream == stream for one in self._kept)

    def _next(self, stream: str, after: int) -> _Sending | None:
        owed = (one for one in self._kept if one.stream == stream and one.message is not None)
        return next((one for one in owed if one.number > after), None)
