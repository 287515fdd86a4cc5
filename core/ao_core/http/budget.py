"""What one host lets one token ask, shared by all in this process who ask it with that token.

An act (a merge, a comment) may use everything that the vendor has left for us. A reading that
somebody waits for leaves the last 5 % to acts; looking again, which nobody would miss for a while,
leaves 20 %, and is spaced out evenly until the reset once less than half is left: so it becomes
slower before the wall, not at it. Whatever has to wait longer than its caller has time for is
refused at once, and told when it is worth another try.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import anyio
import httpx

from ao_core import allowance
from ao_core.allowance import BudgetState, OnSlow
from ao_core.clock import Clock
from ao_core.errors import RateLimited
from ao_core.http.bucket import Bucket
from ao_core.http.limits import USUAL, Reading, is_limited, readings, retry_after
from ao_core.http.marks import Urgency, reads, urgency_of
from ao_core.http.turns import Turns

_log = logging.getLogger(__name__)
_PAUSE = timedelta(seconds=60)  # where no time is told, as GitHub asks
_LONGEST_PAUSE = timedelta(hours=1)
_PATHS = 1_000
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Claim:
    """A request that was let in, and the buckets it is believed to count against."""

    path: str
    urgency: Urgency
    changes: bool
    buckets: tuple[Bucket, ...] = field(default=())


class Budget:
    """Lets requests in, and reads from each answer what is left.

    `changes_apart` are the seconds between two requests that change something (GitHub asks for
    one), `at_once` how many may be under way.
    """

    def __init__(
        self, name: str, clock: Clock, *, at_once: int = 8, changes_apart: float = 0.0
    ) -> None:
        self._name, self._clock = name, clock
        self._apart = timedelta(seconds=changes_apart)
        self._turns = Turns(at_once)
        self._buckets: dict[str, Bucket] = {}
        self._counts_against: dict[str, tuple[str, ...]] = {}  # by path, as answers have told
        self._next_change = _NEVER
        self._blocked_until, self._blocked_for, self._pause = _NEVER, timedelta(), timedelta()
        self._slow = False
        self._listeners: list[OnSlow] = []

    def listen(self, on_slow: OnSlow) -> Callable[[], None]:
        """Have it told when it becomes slow, and when it is free again; returns how to end that."""
        self._listeners.append(on_slow)

        def end() -> None:
            with suppress(ValueError):
                self._listeners.remove(on_slow)

        return end

    def state(self) -> BudgetState:
        """What is left, for people to look at."""
        now = self._clock.now()
        blocked = self._blocked_until if self._blocked_until > now else None
        buckets = {name: one.state(now, blocked) for name, one in self._buckets.items()}
        return BudgetState(self._name, self._slow, blocked, MappingProxyType(buckets))

    async def let_in(self, request: httpx.Request) -> Claim:
        """Wait until it may be sent; each one let in is to `end`."""
        claim = Claim(request.url.path, urgency_of(request), not reads(request))
        while True:
            await self._room(claim)
            await self._turns.take(claim.urgency)
            now = self._clock.now()
            if self._opens_at(claim, now) <= now:
                break
            self._turns.give_back()
        self._sent(claim)
        return claim

    def answered(self, claim: Claim, response: httpx.Response) -> None:
        """Learn what the answer tells of the limits."""
        self._count(claim, readings(response.headers, self._clock))
        if is_limited(response, self._clock):
            self.refused(response.headers)

    def failed(self, claim: Claim) -> None:
        """There was no answer; it may have been counted all the same."""
        self._count(claim, ())

    def end(self) -> None:
        """Its answer was read, or it has none: the place is another's."""
        self._turns.give_back()

    def refused(self, headers: httpx.Headers) -> float:
        """It was asked too often: the seconds in which it is not to be asked again.

        Where a bucket is empty, that is the reason. Any other refusal is about all of them: it
        holds for as long as told, or else for a minute, and twice that if it was not enough.
        """
        now, told = self._clock.now(), retry_after(headers, self._clock)
        empty = [one.resets_at for one in readings(headers, self._clock) if one.remaining == 0]
        if empty and max(empty) > now:
            return (max(empty) - now).total_seconds()
        if told is not None:
            self._blocked_until = max(self._blocked_until, now + timedelta(seconds=told))
            self._blocked_for = self._blocked_until - now
        elif self._blocked_until <= now:
            again = now < self._blocked_until + self._pause
            self._pause = min(self._pause * 2, _LONGEST_PAUSE) if again else _PAUSE
            self._blocked_until, self._blocked_for = now + self._pause, self._pause
        return (self._blocked_until - now).total_seconds()

    def told(self, reading: Reading, urgency: Urgency, cost: int) -> None:
        """What an answer's body says of a bucket, and of what it has cost."""
        bucket = self._bucket(reading.bucket)
        bucket.learn(reading)
        bucket.spend(urgency, max(0, cost - 1))

    async def _room(self, claim: Claim) -> None:
        """Wait for it to be this one's time, if the caller has as long."""
        while (at := self._opens_at(claim, now := self._clock.now())) > now:
            wait = (at - now).total_seconds()
            if self._allowed_at(claim, now) > now:
                self._becomes(slow=True)
            if wait >= anyio.current_effective_deadline() - anyio.current_time():
                raise self._refused(claim, at, wait)
            await self._clock.sleep(wait)

    def _mind_the_clock(self, now: datetime) -> None:
        """Nothing waits for longer than it was told to, though the clock was set back meanwhile."""
        self._next_change = min(self._next_change, now + self._apart)
        self._blocked_until = min(self._blocked_until, now + self._blocked_for)

    def _opens_at(self, claim: Claim, now: datetime) -> datetime:
        self._mind_the_clock(now)
        allowed = self._allowed_at(claim, now)
        return max(allowed, self._next_change) if claim.changes else allowed

    def _allowed_at(self, claim: Claim, now: datetime) -> datetime:
        times = [one.opens_at(claim.urgency, now) for one in self._counted_in(claim.path)]
        return max(self._blocked_until, *times)

    def _sent(self, claim: Claim) -> None:
        now = self._clock.now()
        claim.buckets = self._counted_in(claim.path)
        for bucket in claim.buckets:
            bucket.sent(claim.urgency, now)
        if claim.changes:
            self._next_change = now + self._apart
        self._whether_free()

    def _count(self, claim: Claim, found: tuple[Reading, ...]) -> None:
        for bucket in claim.buckets:
            bucket.ended()
            if not found:
                bucket.guess()
                bucket.spend(claim.urgency)
        for reading in found:
            bucket = self._bucket(reading.bucket)
            bucket.learn(reading)
            bucket.spend(claim.urgency)
        self._remember(claim.path, tuple(one.bucket for one in found))

    def _remember(self, path: str, names: tuple[str, ...]) -> None:
        if names == (USUAL,):
            self._counts_against.pop(path, None)
        elif names and len(self._counts_against) < _PATHS:
            self._counts_against[path] = names

    def _counted_in(self, path: str) -> tuple[Bucket, ...]:
        return tuple(self._bucket(name) for name in self._counts_against.get(path, (USUAL,)))

    def _bucket(self, name: str) -> Bucket:
        return self._buckets.setdefault(name, Bucket(name))

    def _refused(self, claim: Claim, at: datetime, wait: float) -> RateLimited:
        states = [self.state().buckets[one.name] for one in self._counted_in(claim.path)]
        left = [f"{one.remaining} of {one.limit} left ({one.name})" for one in states if one.limit]
        told = f"it is to be asked again at {at:%H:%M:%S} UTC, in {wait:.0f} s"
        return RateLimited(f"{self._name}: {', '.join([*left, told])}", retry_after=wait)

    def _whether_free(self) -> None:
        now = self._clock.now()
        if self._blocked_until <= now and not any(
            one.is_scarce(now) for one in self._buckets.values()
        ):
            self._becomes(slow=False)

    def _becomes(self, *, slow: bool) -> None:
        if slow is self._slow:
            return
        self._slow = slow
        for listener in (*self._listeners, *allowance.watchers()):
            try:
                listener(self.state())
            except Exception:  # a request must not fail by whoever only watches
                _log.exception("a listener of the budget of %s failed", self._name)


_budgets: dict[tuple[str, str], Budget] = {}


def budget_of(
    origin: str,
    token_fingerprint: str,
    clock: Clock,
    *,
    at_once: int = 8,
    changes_apart: float = 0.0,
) -> Budget:
    """The budget of this host and token; whoever asks first says how it is kept."""
    key = (origin, token_fingerprint)
    if key not in _budgets:
        name = httpx.URL(origin).host or origin
        made = Budget(name, clock, at_once=at_once, changes_apart=changes_apart)
        _budgets[key] = made
        allowance.kept(made.state)
    return _budgets[key]
