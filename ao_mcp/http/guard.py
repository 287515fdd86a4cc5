"""The door of HTTP: which requests are heard at all, and whose they are.

First what a browser could be tricked into: a request must name a host that is ours (a name that
was bound anew to our address is not), and come from a page that is ours, or from no page. Then who
asks, by a bearer token in the header and nowhere else. A visitor whose leave ends, by another token
or by the clock, is told nothing more, also on a stream that is open.
"""

import ipaddress
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ao_core.config.listening import WEBHOOKS, Http, is_loopback
from ao_core.errors import AoError, BadRequest, Refused, Unavailable
from ao_mcp.http.address import Place
from ao_mcp.http.tokens import HomeToken, digest_of

VISITOR = "ao.visitor"  # where a request's scope has who asks
OPEN = ("/.well-known/", WEBHOOKS)  # what anybody may read; what is known by its signature

_LOG = logging.getLogger("ao_mcp")
_TOKEN_LIMIT = 8_192
_IN_URL = frozenset({"token", "access_token", "bearer", "authorization"})
_OF_PROXIES = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
_ASK = "Send `Authorization: Bearer <token>`; `ao token` prints the token."


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks. `holds` says whether that is still so; `subject` is whom an issuer vouches for."""

    name: str
    holds: Callable[[], bool]
    issuer: str | None = None
    subject: str | None = None


class Turned(Exception):
    """A request that is not heard. Nothing it sent is quoted."""

    def __init__(self, status: int, error: AoError, challenge: str | None = None) -> None:
        super().__init__(error.message)
        self.status, self.error, self.challenge = status, error, challenge

    def response(self) -> JSONResponse:
        """How it is answered."""
        headers = {"WWW-Authenticate": self.challenge} if self.challenge else {}
        return JSONResponse(self.error.wire(), self.status, headers)


class Key(Protocol):
    """Something that knows visitors by their tokens."""

    async def visitor(self, token: str, scope: Scope) -> Visitor | None:
        """Who that is; None for a stranger. Raises `Turned` where there is more to say."""
        ...


class Doors:
    """Turns away what does not mean us, or comes from somebody's page."""

    def __init__(self, app: ASGIApp, place: Place, wanted: Http) -> None:
        self._app = app
        self._hosts = _hosts(place, wanted)
        self._origins = {*wanted.allowed_origins, *(_origins(place, wanted))}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application; of HTTP alone."""
        if scope["type"] != "http":
            return
        await turning_away(self._checked, scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if not self._is_ours(headers.getlist("host"), scope):
            hint = "Name it under `http.allowed_hosts` in the home's config.yaml if it is ours."
            raise Turned(421, Refused("This host is not served here.", hint=hint))
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in self._origins:
            hint = "Name it under `http.allowed_origins` in the home's config.yaml."
            raise Turned(403, Refused("Pages of this origin may not ask.", hint=hint))
        _no_secret_in(scope)
        await self._app(scope, receive, send)

    def _is_ours(self, said: Sequence[str], scope: Scope) -> bool:
        if len(said) != 1:
            return False
        host = said[0].lower()
        return host in self._hosts or _bare(host) in self._hosts or _is_own_address(host, scope)


class Gate:
    """Lets in whom one of the keys knows. `challenge` says how one becomes known."""

    def __init__(self, app: ASGIApp, keys: Sequence[Key], challenge: str = "Bearer") -> None:
        self._app, self._keys, self._challenge = app, keys, challenge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        await turning_away(self._checked, scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        if str(scope["path"]).startswith(OPEN):
            return await self._app(scope, receive, send)
        visitor = await self._visitor(scope)
        await self._app({**scope, VISITOR: visitor}, receive, _Leave(visitor, send).send)

    async def _visitor(self, scope: Scope) -> Visitor:
        said = Headers(scope=scope).getlist("authorization")
        kind, _, token = said[0].partition(" ") if len(said) == 1 else ("", "", "")
        token = token.strip()
        if kind.lower() != "bearer" or not token or len(token) > _TOKEN_LIMIT:
            raise Turned(401, Refused("A bearer token is needed.", hint=_ASK), self._challenge)
        for key in self._keys:
            if visitor := await key.visitor(token, scope):
                return visitor
        challenge = self._challenge + (", " if " " in self._challenge else " ")
        refused = Refused("This token is not, or no longer, good.", hint=_ASK)
        raise Turned(401, refused, challenge + 'error="invalid_token"')


class OwnKey:
    """The home's own token. Where an issuer vouches for people, only from this very machine."""

    def __init__(self, token: HomeToken, *, only_here: bool) -> None:
        self._token, self._only_here = token, only_here

    async def visitor(self, token: str, scope: Scope) -> Visitor | None:
        """The home's user."""
        digest = digest_of(token)
        if not self._token.is_it(digest) or (self._only_here and not is_from_here(scope)):
            return None
        return Visitor("home", lambda: self._token.is_it(digest))


def is_from_here(scope: Scope) -> bool:
    """Whether a request was made on this machine, and not handed on by a proxy on it."""
    headers, client = Headers(scope=scope), scope.get("client")
    handed_on = any(name in headers for name in _OF_PROXIES)
    near = client is not None and is_loopback(client[0])
    return near and not handed_on and is_loopback(_bare(headers.get("host", "")).strip("[]"))


Handler: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


async def turning_away(handle: Handler, scope: Scope, receive: Receive, send: Send) -> None:
    """Handle a request; who is turned away is told so."""
    try:
        await handle(scope, receive, send)
    except Turned as refusal:
        await refusal.response()(scope, receive, send)


class _Leave:
    """Carries a response for as long as its visitor may hear it."""

    def __init__(self, visitor: Visitor, send: Send) -> None:
        self._visitor, self._send = visitor, send
        self._begun = self._over = False

    async def send(self, message: Message) -> None:
        if self._over:
            return
        if self._begun and not self._visitor.holds():
            self._over = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        self._begun = True
        await self._send(message)


def _no_secret_in(scope: Scope) -> None:
    """An address ends up in histories, logs and caches; a token has no business there."""
    query: bytes = scope.get("query_string", b"")
    names = {name.lower() for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)}
    if names & _IN_URL:
        refused = BadRequest("A token does not belong into an address.", hint=_ASK)
        raise Turned(400, refused)


def _hosts(place: Place, wanted: Http) -> frozenset[str]:
    """As a request may name us; without a port, any will do."""
    own = {_with_port(place.host, place.port)}
    if place.loopback or place.host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        own |= {f"{name}:{place.port}" for name in ("127.0.0.1", "localhost", "[::1]")}
    public = {urlsplit(wanted.url).netloc} if wanted.url else set[str]()
    return frozenset(one.lower() for one in (*own, *public, *wanted.allowed_hosts))


def _origins(place: Place, wanted: Http) -> set[str]:
    """The pages that we serve ourselves."""
    own = {f"http://{host}" for host in _hosts(place, Http())}
    public = urlsplit(wanted.url) if wanted.url else None
    return own | ({f"{public.scheme}://{public.netloc}".lower()} if public else set())


def _is_own_address(host: str, scope: Scope) -> bool:
    """An address, unlike a name, cannot be bound anew: the one it came in by is ours."""
    server = scope.get("server")
    if server is None or host != _with_port(str(server[0]), server[1]):
        return False
    try:
        return bool(ipaddress.ip_address(server[0]))
    except ValueError:
        return False


def _with_port(host: str, port: int | None) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bare(host: str) -> str:
    """Without its port."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def unreachable(error: AoError) -> Turned:
    """Nobody can say now whether a token is good."""
    hint = "Try again; `ao doctor` and the engine's log say more."
    _LOG.warning("Tokens cannot be checked: %s", error.message)
    return Turned(503, Unavailable("Tokens cannot be checked now.", hint=hint))
