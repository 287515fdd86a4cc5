"""Credentials, put on each request as it leaves and kept nowhere else."""

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import anyio
import httpx
from pydantic import SecretStr

from ao_core.clock import Clock, SystemClock

Auth = httpx.Auth  # how a request is signed

_EARLY = timedelta(seconds=60)
_REFUSED = 401


class _Header(httpx.Auth):
    def __init__(self, name: str, secret: SecretStr, lead: str = "") -> None:
        self._name, self._secret, self._lead = name, secret, lead

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers[self._name] = self._lead + self._secret.get_secret_value()
        yield request


def bearer(secret: SecretStr) -> httpx.Auth:
    """`Authorization: Bearer …`."""
    return _Header("Authorization", secret, "Bearer ")


def header(name: str, secret: SecretStr) -> httpx.Auth:
    """A vendor's own header."""
    return _Header(name, secret)


def fingerprint(secret: SecretStr) -> str:
    """What tells one token from another, and tells nothing of it."""
    return hashlib.sha256(secret.get_secret_value().encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Token:
    """A secret that may come to an end."""

    value: SecretStr
    expires_at: datetime | None = None


class Rotating(httpx.Auth):
    """A bearer token that is fetched when it is wanted, before it ends, and once more if refused.

    However many requests want it at a time, it is fetched once.
    """

    def __init__(
        self, source: Callable[[], Awaitable[Token]], *, clock: Clock | None = None
    ) -> None:
        self._source, self._clock = source, clock or SystemClock()
        self._token: Token | None = None
        self._lock = anyio.Lock()

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Sign the request; where that is refused, sign it anew and send it once more."""
        token = await self._fresh(None)
        response = yield _signed(request, token)
        if response.status_code == _REFUSED:
            await _drop(response)
            yield _signed(request, await self._fresh(token))

    async def _fresh(self, refused: Token | None) -> Token:
        async with self._lock:
            token = self._token
            if token is None or token is refused or self._ends(token):
                token = self._token = await self._source()
            return token

    def _ends(self, token: Token) -> bool:
        return token.expires_at is not None and token.expires_at - _EARLY <= self._clock.now()


def _signed(request: httpx.Request, token: Token) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token.value.get_secret_value()}"
    return request


async def _drop(response: httpx.Response) -> None:
    """Hang up: httpx would read the body before it sends the request again, however long it is."""
    await cast("httpx.AsyncByteStream", response.stream).aclose()
    response.stream = httpx.ByteStream(b"")
