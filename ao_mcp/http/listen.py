"""HTTP from the socket to the rooms behind it, for as long as the engine lives.

A room brings its routes and whatever has to run while they are served; MCP is one. To add another,
put it beside that one: the door and the limits are the same for all.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit

import anyio
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from pydantic import AnyHttpUrl
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import ServerState

from ao_core.config.listening import PATH, Http
from ao_mcp.http.address import Place
from ao_mcp.http.guard import Doors, Gate, Key, OwnKey
from ao_mcp.http.issuer import IssuedKey, Keys
from ao_mcp.http.line import IDLE, Line
from ao_mcp.http.tokens import HomeToken

_LAST_WORDS = 0.5  # seconds in which what is answered last is still sent
_END = 2.0
_TOLD = ("mcp-session-id", "www-authenticate", "mcp-protocol-version")
_QUIET = (
    "uvicorn", "sse_starlette", "mcp.server.auth", "mcp.server.streamable_http",
    "mcp.server.streamable_http_manager",
)  # fmt: skip


class Room(Protocol):
    """Something that is served over HTTP."""

    def routes(self) -> Sequence[BaseRoute]:
        """What there is, by path."""
        ...

    def open(self) -> AbstractAsyncContextManager[None]:
        """For as long as it is served."""
        ...


async def serve(place: Place, wanted: Http, token: HomeToken, rooms: Sequence[Room]) -> None:
    """Serve the rooms until cancelled."""
    for name in _QUIET:  # they tell of every request, and of sessions by the names they go by
        logging.getLogger(name).setLevel(logging.ERROR)
    app = guarded(Router(_routes(place, wanted, rooms)), place, wanted, token)
    async with AsyncExitStack() as stack:
        for room in rooms:
            await stack.enter_async_context(room.open())
        await stack.enter_async_context(_listening(app, place))
        await anyio.sleep_forever()


def guarded(app: ASGIApp, place: Place, wanted: Http, token: HomeToken) -> ASGIApp:
    """An application behind the door."""
    challenge = _challenge(place, wanted)
    keys: list[Key] = [OwnKey(token, only_here=wanted.issuer is not None)]
    if wanted.issuer:
        audience = wanted.audience or place.url
        known = Keys(wanted.issuer)
        keys.append(IssuedKey(wanted.issuer, audience, wanted.required_scopes, challenge, known))
    inside: ASGIApp = Gate(app, keys, challenge)
    if wanted.allowed_origins:
        inside = CORSMiddleware(
            inside, allow_origins=wanted.allowed_origins, allow_headers=["*"],
            allow_methods=["GET", "POST", "DELETE"], expose_headers=_TOLD,
        )  # fmt: skip
    return Doors(inside, place, wanted)


def _challenge(place: Place, wanted: Http) -> str:
    """How a stranger is told where tokens come from."""
    if wanted.issuer is None:
        return 'Bearer realm="ao-mcp"'
    where = build_resource_metadata_url(AnyHttpUrl(place.url))
    return f'Bearer realm="ao-mcp", resource_metadata="{where}"'


def _routes(place: Place, wanted: Http, rooms: Sequence[Room]) -> list[BaseRoute]:
    routes = [route for room in rooms for route in room.routes()]
    return [*routes, *_metadata(place, wanted)]


def _metadata(place: Place, wanted: Http) -> list[Route]:
    """What a client reads to learn who vouches for it; at every place where one looks."""
    if wanted.issuer is None:
        return []
    (route,) = create_protected_resource_routes(
        AnyHttpUrl(place.url), [AnyHttpUrl(wanted.issuer)], list(wanted.required_scopes) or None,
        resource_name="ao-mcp",
    )  # fmt: skip
    known = "/.well-known/oauth-protected-resource"
    behind = urlsplit(place.url).path.rstrip("/")  # which a proxy may have changed
    paths = dict.fromkeys([known, known + PATH, f"{known}{PATH}/{{project}}", known + behind])
    return [Route(path, route.endpoint, methods=["GET", "OPTIONS"]) for path in paths]


@asynccontextmanager
async def _listening(app: ASGIApp, place: Place) -> AsyncGenerator[None]:
    """Take connections in; at the end, let go of all of them."""
    config = Config(
        app, http=Line, ws="none", lifespan="off", log_config=None, access_log=False,
        proxy_headers=False, server_header=False, date_header=False, timeout_keep_alive=IDLE,
    )  # fmt: skip
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Line(config, state, {}, loop), sock=place.listener)
    try:
        yield
    finally:
        server.close()
        with anyio.CancelScope(shield=True):
            await _let_go(state)


async def _let_go(state: ServerState) -> None:
    for connection in list(state.connections):
        connection.shutdown()
    await _ended(state, _LAST_WORDS)
    for connection in list(state.connections):  # streams: whoever follows one comes again
        connection.transport.close()
    await _ended(state, _END)
    for task in list(state.tasks):
        task.cancel()


async def _ended(state: ServerState, within: float) -> None:
    if state.tasks:
        await asyncio.wait(state.tasks, timeout=within)
