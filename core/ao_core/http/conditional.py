"""Asking whether something has changed, as a transport: what has not is not sent again.

Each answer is still asked for; nothing is ever taken to be fresh (RFC 9110, 13.1.2). What the other
side answers with "not modified" is free of charge where it counts requests.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import cast

import httpx

MOST = 8 * 1024 * 1024
_OURS = ("If-None-Match", "If-Modified-Since")
_OF_THE_BODY = ("content-", "transfer-encoding")  # of the remembered body, not of the empty one
_OVERHEAD = 1024  # of an entry, besides its body

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Known:
    headers: httpx.Headers
    body: bytes

    @property
    def size(self) -> int:
        return len(self.body) + _OVERHEAD

    def asks(self, request: httpx.Request) -> httpx.Request:
        """The same request, if it has changed."""
        headers = request.headers.copy()
        if tag := self.headers.get("ETag"):
            headers["If-None-Match"] = tag
        elif since := self.headers.get("Last-Modified"):
            headers["If-Modified-Since"] = since
        return httpx.Request(
            request.method,
            request.url,
            headers=headers,
            stream=request.stream,
            extensions=request.extensions,
        )

    def again(self, fresh: httpx.Headers) -> httpx.Response:
        """What was answered then, with the headers of now."""
        headers = self.headers.copy()
        headers.update({n: v for n, v in fresh.items() if not n.lower().startswith(_OF_THE_BODY)})
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(self.body))


class ConditionalTransport(httpx.AsyncBaseTransport):
    """Remembers JSON that was read to its end, the least used forgotten first.

    It belongs to one `Api`, so that what one token may see is never told to another.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, most: int = MOST) -> None:
        self._inner, self._most = inner, most
        self._known: OrderedDict[_Key, _Known] = OrderedDict()
        self._size = 0
        self.hits = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`, asking whether the answer that is known still holds."""
        if request.method != "GET" or any(name in request.headers for name in _OURS):
            return await self._inner.handle_async_request(request)
        key = (request.method, str(request.url), request.headers.get("Accept", ""))
        known = self._known.get(key)
        response = await self._inner.handle_async_request(known.asks(request) if known else request)
        if known is not None and response.status_code == 304:
            await response.aclose()
            self.hits += 1
            self._keep(key, known)
            return known.again(response.headers)
        if _worth_it(response):
            headers = response.headers.copy()
            response.stream = _Read(
                cast("httpx.AsyncByteStream", response.stream),
                self._most,
                lambda body: self._keep(key, _Known(headers, body)),
            )
        return response

    async def aclose(self) -> None:
        """Close the transport below."""
        await self._inner.aclose()

    def _keep(self, key: _Key, known: _Known) -> None:
        before = self._known.pop(key, None)
        self._size -= before.size if before else 0
        if known.size > self._most:
            return
        self._known[key] = known
        self._size += known.size
        while self._size > self._most:
            self._size -= self._known.popitem(last=False)[1].size


class _Read(httpx.AsyncByteStream):
    """The stream of an answer; who reads it to its end has it kept, if it is not too long."""

    def __init__(
        self, inner: httpx.AsyncByteStream, most: int, keep: Callable[[bytes], None]
    ) -> None:
        self._inner, self._most, self._keep = inner, most, keep

    async def __aiter__(self) -> AsyncIterator[bytes]:
        body = bytearray()
        async for chunk in self._inner:
            if len(body) <= self._most:
                body += chunk
            yield chunk
        self._keep(bytes(body))

    async def aclose(self) -> None:
        await self._inner.aclose()


def _worth_it(response: httpx.Response) -> bool:
    """A body whose end cannot be told from a broken connection would be remembered cut."""
    headers = response.headers
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return (
        response.status_code == 200
        and (kind == "application/json" or kind.endswith("+json"))
        and ("ETag" in headers or "Last-Modified" in headers)
        and ("Content-Length" in headers or "Transfer-Encoding" in headers)
        and "no-store" not in headers.get("Cache-Control", "").lower()
    )
