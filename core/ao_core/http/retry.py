"""Retries, as a transport: everything above it sees one attempt."""

import itertools
import random
from dataclasses import dataclass

import anyio
import httpx

from ao_core.clock import Clock
from ao_core.http.limits import asked_to_wait
from ao_core.http.marks import reads, repeatable

ONCE_ONLY = "Idempotency-Key"  # by this header the other side knows a repetition

_IDEMPOTENT = frozenset({"PUT", "DELETE"})  # besides what only reads
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_REFUSED = 429  # nothing was done, whatever was asked
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often and how soon to try again."""

    attempts: int = 4
    first: float = 0.5
    cap: float = 20.0

    def delay(self, attempt: int) -> float:
        """Full jitter, doubling, capped; the first attempt is number one."""
        return random.uniform(0, min(self.cap, self.first * 2 ** (attempt - 1)))  # noqa: S311


class RetryTransport(httpx.AsyncBaseTransport):
    """Repeats what is safe to repeat, while the caller's deadline allows it.

    An idempotent request, one that only reads, one marked as repeatable, or one with an
    `Idempotency-Key`, is repeated after any transport error and any passing status. Any other only
    if it cannot have taken effect: it was never sent, or was refused with 429. Where a wait beyond
    the cap or the deadline is asked for, that is left to the caller, who can wait better than we
    can.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, backoff: Backoff, clock: Clock) -> None:
        self._inner, self._backoff, self._clock = inner, backoff, clock

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`, again if that is safe."""
        for attempt in itertools.count(1):
            try:
                response = await self._inner.handle_async_request(request)
            except httpx.TransportError as exc:
                wait = self._after_error(request, exc, attempt)
                if wait is None:
                    raise
            else:
                wait = self._after_answer(request, response, attempt)
                if wait is None:
                    return response
                await response.aclose()
            await self._clock.sleep(wait)
        raise AssertionError("counting does not end")

    async def aclose(self) -> None:
        """Close the transport below."""
        await self._inner.aclose()

    def _after_error(
        self, request: httpx.Request, error: httpx.TransportError, attempt: int
    ) -> float | None:
        """Seconds until the next attempt; None if there is to be none."""
        safe = _may_repeat(request) or isinstance(error, _NEVER_SENT)
        return self._affordable(self._backoff.delay(attempt), attempt) if safe else None

    def _after_answer(
        self, request: httpx.Request, response: httpx.Response, attempt: int
    ) -> float | None:
        status = response.status_code
        if status not in _TRANSIENT or not (_may_repeat(request) or status == _REFUSED):
            return None
        asked = asked_to_wait(response.headers, self._clock)
        if asked is not None and asked > self._backoff.cap:
            return None
        return self._affordable(self._backoff.delay(attempt) if asked is None else asked, attempt)

    def _affordable(self, wait: float, attempt: int) -> float | None:
        left = anyio.current_effective_deadline() - anyio.current_time()
        return wait if attempt < self._backoff.attempts and wait < left else None


def _may_repeat(request: httpx.Request) -> bool:
    twice = reads(request) or repeatable(request) or request.method in _IDEMPOTENT
    return twice or ONCE_ONLY in request.headers
