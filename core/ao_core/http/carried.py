"""Requests that somebody else takes to a vendor: a broker who keeps the credentials, say."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import httpx

from ao_core.http.marks import Urgency, reads, urgency_of

_OF_THE_CONNECTION = frozenset(
    {"connection", "content-encoding", "content-length", "transfer-encoding"}
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request to be taken there; `read_only` is whether it changes nothing."""

    method: str
    url: str
    body: bytes
    urgency: Urgency
    read_only: bool


@dataclass(frozen=True, slots=True)
class Returned:
    """What the vendor answered. What its headers say of their own connection is no matter."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Carrier = Callable[[Outgoing], Awaitable[Returned]]


class CarriedTransport(httpx.AsyncBaseTransport):
    """Has a carrier take each request. What fails on the way there is the carrier's to raise."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Have `request` taken there, and its answer as if it had come straight from there."""
        body = await request.aread()
        asked = Outgoing(
            request.method, str(request.url), body, urgency_of(request), reads(request)
        )
        returned = await self._carrier(asked)
        kept = [
            (name, value)
            for name, value in returned.headers.items()
            if name.lower() not in _OF_THE_CONNECTION
        ]
        return httpx.Response(returned.status, headers=kept, content=returned.body, request=request)
