"""What an answer says: read in pieces, no more than was agreed, and checked before it is used."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import anyio
import httpx
from pydantic import TypeAdapter, ValidationError

from ao_core.errors import Rejected, Unavailable
from ao_core.http.refusals import unreached

MOST = 16 * 1024 * 1024
_OF_AN_ERROR = 64 * 1024
_FOR_AN_ERROR = 2.0  # seconds; its status is known, and worth more than its reason

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer; `following` is the link to the next page, as it was written."""

    status: int
    url: httpx.URL
    headers: httpx.Headers
    body: bytes
    following: str | None


async def read(what: str, response: httpx.Response, most: int = MOST) -> Answer:
    """The whole of it, if it is no longer than that."""
    body = await whole(what, response, most)
    following = _following(response)
    return Answer(response.status_code, response.url, response.headers, body, following)


async def whole(what: str, response: httpx.Response, most: int = MOST) -> bytes:
    """The body, if it is no longer than that."""
    body = bytearray()
    async for chunk in _chunks(what, response):
        body += chunk
        if len(body) > most:
            raise Rejected(f"{what}: the answer is larger than {most} bytes")
    return bytes(body)


async def ending(what: str, response: httpx.Response, keep: int, most: int) -> bytes:
    """The last `keep` bytes of a body that is no longer than `most`."""
    kept, read = bytearray(), 0
    async for chunk in _chunks(what, response):
        read += len(chunk)
        if read > most:
            raise Rejected(f"{what}: the answer is larger than {most} bytes")
        kept += chunk
        if len(kept) > 2 * keep:
            del kept[:-keep]
    return bytes(kept[-keep:]) if keep else b""


async def reason(response: httpx.Response) -> bytes:
    """The start of what an error says; nothing where it cannot be had."""
    body = bytearray()
    with anyio.move_on_after(_FOR_AN_ERROR), suppress(httpx.RequestError):
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > _OF_AN_ERROR:
                return b""
    return bytes(body)


def parsed(what: str, into: type[T], body: bytes) -> T:
    """The JSON as this type; an empty body is `null`."""
    try:
        return _adapter(into).validate_json(body or b"null")
    except ValidationError:  # it quotes what it does not like
        raise Unavailable(f"{what}: unexpected answer") from None


def text(body: bytes) -> str:
    """As text, whose first letter may be cut in two."""
    start = next((at for at, byte in enumerate(body[:4]) if byte & 0xC0 != 0x80), 0)
    return body[start:].decode("utf-8", "replace")


def _following(response: httpx.Response) -> str | None:
    """The next page, by RFC 8288."""
    links = response.links.values()
    found = (one.get("url") for one in links if "next" in one.get("rel", "").lower().split())
    return next(found, None)


async def _chunks(what: str, response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.aiter_bytes():
            yield chunk
    except (httpx.ProtocolError, httpx.DecodingError) as exc:  # these quote what was sent
        raise unreached(what, exc) from None
    except httpx.TransportError as exc:
        raise unreached(what, exc) from exc


@lru_cache(maxsize=256)
def _adapter(into: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(into)
