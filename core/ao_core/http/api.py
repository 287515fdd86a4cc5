"""A vendor's HTTP interface: calls in, typed errors out.

Errors quote the vendor, the method and the path as the plugin wrote it, and the status. Never the
address, the body, a header or the server's own words: webhooks carry their secret in the first,
and a server can echo it in the others.
"""

import logging
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from functools import cache
from http import HTTPStatus
from typing import Self

import anyio
import anyio.to_thread
import httpx

from ao_core.clock import Clock, SystemClock
from ao_core.errors import (
    NotFound,
    PluginError,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
)
from ao_core.http.retry import Backoff, RetryTransport, retry_after

_CONNECT = 5.0
_HOPS = 3
_PASSING = frozenset({408, 425})

for _name in ("httpx", "httpcore"):  # they write whole addresses
    logging.getLogger(_name).setLevel(logging.WARNING)


class Api:
    """One vendor. Enter it before use; it owns its connections.

    `timeout` bounds each silence of the other side, `deadline` a whole call with its retries.
    """

    def __init__(
        self,
        vendor: str,
        base_url: str,
        *,
        clock: Clock | None = None,
        backoff: Backoff | None = None,
        timeout: float = 10.0,
        deadline: float = 30.0,
    ) -> None:
        self._vendor, self._base = vendor, base_url
        self._origin = _origin(_parsed(vendor, base_url))
        self._clock, self._backoff = clock or SystemClock(), backoff or Backoff()
        self._timeout, self._deadline = timeout, deadline
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        trusted = await anyio.to_thread.run_sync(_authorities)
        transport = RetryTransport(
            httpx.AsyncHTTPTransport(verify=trusted), self._backoff, self._clock
        )
        self._client = await self._stack.enter_async_context(
            httpx.AsyncClient(
                headers={"User-Agent": "ao-mcp"},
                timeout=httpx.Timeout(self._timeout, connect=min(_CONNECT, self._timeout)),
                transport=transport,
                trust_env=False,
            )
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def call(
        self,
        method: str,
        path: str = "",
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send one request and see it accepted; what the answer says is not read."""
        what = f"{self._vendor}: {method} {path}".rstrip()
        url = _parsed(what, self._base + path)
        if _origin(url) != self._origin:
            raise Rejected(f"{what}: this leads elsewhere")
        request = self._client.build_request(method, url, content=content, headers=headers)
        with anyio.move_on_after(self._deadline):
            await self._follow(what, request)
            return
        raise Unavailable(f"{what}: no answer within {self._deadline:g} s")

    async def _follow(self, what: str, request: httpx.Request) -> None:
        """Send, and go where the answer leads as long as that is the same origin."""
        for _ in range(1 + _HOPS):
            response = await self._send(what, request)
            if response.is_success:
                return
            if response.next_request is None:
                raise self._error(what, response)
            request = self._next(what, request, response.next_request)
        raise Rejected(f"{what}: it is redirected again and again")

    async def _send(self, what: str, request: httpx.Request) -> httpx.Response:
        try:
            response = await self._client.send(request, stream=True)
        except httpx.ProtocolError as exc:  # it quotes headers, so it goes no further
            raise _unreached(what, exc) from None
        except httpx.TransportError as exc:
            raise _unreached(what, exc) from exc
        with suppress(httpx.TransportError):  # the status is known; how it hangs up is no matter
            await response.aclose()
        return response

    def _next(self, what: str, sent: httpx.Request, wanted: httpx.Request) -> httpx.Request:
        """Elsewhere what we send is nobody's business; and a POST is not to become a GET."""
        if _origin(wanted.url) == self._origin and wanted.method == sent.method:
            return wanted
        raise Rejected(
            f"{what}: it is redirected elsewhere, which is not followed",
            hint="Write the address it leads to into the settings.",
        )

    def _error(self, what: str, response: httpx.Response) -> PluginError:
        status = response.status_code
        message = f"{what}: {status} {_phrase(status)}".rstrip()
        if status in (401, 403):
            return Unauthorized(message, hint=f"Check what {self._vendor} is given to sign in.")
        if status in (404, 410):
            return NotFound(message, hint="Check the address in the settings.")
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return RateLimited(message, retry_after=retry_after(response, self._clock))
        return Unavailable(message) if status >= 500 or status in _PASSING else Rejected(message)


def _unreached(what: str, error: httpx.TransportError) -> Unavailable:
    if isinstance(error, httpx.ConnectError):
        hint = "Check the address, and that its certificate is valid."
        return Unavailable(f"{what}: no connection", hint=hint)
    if isinstance(error, httpx.TimeoutException):
        return Unavailable(f"{what}: no answer in time")
    return Unavailable(f"{what}: the connection failed ({type(error).__name__})")


def _parsed(what: str, url: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except httpx.InvalidURL:
        raise Rejected(f"{what}: the address is not valid") from None  # the cause quotes it


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _phrase(status: int) -> str:
    """Our own words: the server's may say anything."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


@cache
def _authorities() -> ssl.SSLContext:
    """Whom to trust; reading them takes a while, and is done once."""
    return httpx.create_ssl_context()
