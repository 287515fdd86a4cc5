"""Each request within its budget, as a transport: the one next to the network."""

from collections.abc import AsyncIterator, Callable
from typing import cast

import httpx

from ao_core.http.budget import Budget


class MeteredTransport(httpx.AsyncBaseTransport):
    """Has the budget let each attempt in, and tells it of each answer.

    A request has its place until its answer was read or dropped: that is what the other side
    counts as under way.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, budget: Budget) -> None:
        self._inner, self._budget = inner, budget

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` when it is its turn."""
        claim = await self._budget.let_in(request)
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException:  # also where it is cancelled, its place is another's
            self._budget.failed(claim)
            self._budget.end()
            raise
        self._budget.answered(claim, response)
        if response.is_closed:  # it came whole
            self._budget.end()
        else:
            stream = cast("httpx.AsyncByteStream", response.stream)
            response.stream = _Held(stream, self._budget.end)
        return response

    async def aclose(self) -> None:
        """Close the transport below."""
        await self._inner.aclose()


class _Held(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, end: Callable[[], None]) -> None:
        self._inner, self._end = inner, end
        self._ended = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            yield chunk

    async def aclose(self) -> None:
        try:
            await self._inner.aclose()
        finally:
            if not self._ended:
                self._ended = True
                self._end()
