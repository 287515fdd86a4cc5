"""One vendor's limit: what is left of it, and when the next request may go."""

from collections import Counter
from datetime import datetime, timedelta
from types import MappingProxyType

from ao_core.allowance import BucketState
from ao_core.http.limits import Reading
from ao_core.http.marks import Urgency

_LEFT = {Urgency.ACT: 0.0, Urgency.READ: 0.05, Urgency.REFRESH: 0.2}
_SCARCE = 0.5


class Bucket:
    """What one limit has left; nothing is known of it before the first answer."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._reading: Reading | None = None
        self._under_way = 0
        self._next_refresh: datetime | None = None
        self._apart = timedelta()
        self._spent: Counter[Urgency] = Counter()

    def opens_at(self, urgency: Urgency, now: datetime) -> datetime:
        """When a request of this urgency may go: now, or later."""
        known = self._known(now)
        if known is None:
            return now
        if self._left(known, urgency) < 1:
            return known.resets_at
        if urgency is Urgency.REFRESH and self.is_scarce(now) and self._next_refresh:
            self._next_refresh = min(self._next_refresh, now + self._apart)  # the clock may go back
            return max(now, min(self._next_refresh, known.resets_at))
        return now

    def is_scarce(self, now: datetime) -> bool:
        """Whether less than half of it is left, so that nobody looks again as often as before."""
        known = self._known(now)
        return known is not None and self._remaining(known) < known.limit * _SCARCE

    def sent(self, urgency: Urgency, now: datetime) -> None:
        """A request is under way; the other side has not counted it yet."""
        known = self._known(now)
        if urgency is Urgency.REFRESH and known is not None:
            self._apart = (known.resets_at - now) / max(1.0, self._left(known, urgency))
            self._next_refresh = now + self._apart
        self._under_way += 1

    def ended(self) -> None:
        """A request is no longer under way, however it ended."""
        self._under_way -= 1

    def spend(self, urgency: Urgency, cost: int = 1) -> None:
        """It was counted."""
        self._spent[urgency] += cost

    def learn(self, reading: Reading) -> None:
        """What the other side says is left."""
        self._reading = reading

    def guess(self) -> None:
        """An answer that does not say what is left has taken one."""
        known = self._reading
        if known is not None:
            left = max(0, known.remaining - 1)
            self._reading = Reading(known.bucket, known.limit, left, known.resets_at)

    def state(self, now: datetime, blocked_until: datetime | None) -> BucketState:
        """A copy to look at."""
        known = self._known(now)
        limit = self._reading.limit if self._reading else None
        return BucketState(
            self.name,
            limit,
            max(0, self._remaining(known)) if known else limit,
            known.resets_at if known else None,
            blocked_until,
            MappingProxyType({one: self._spent[one] for one in Urgency}),
        )

    def _known(self, now: datetime) -> Reading | None:
        """What was read, unless it is full again since."""
        known = self._reading
        return known if known is not None and now < known.resets_at else None

    def _remaining(self, known: Reading) -> int:
        return known.remaining - self._under_way

    def _left(self, known: Reading, urgency: Urgency) -> float:
        """What is left for requests of this urgency."""
        return self._remaining(known) - known.limit * _LEFT[urgency]
