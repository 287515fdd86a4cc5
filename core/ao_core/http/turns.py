"""So many at a time, and the most urgent first."""

import heapq
import itertools
from dataclasses import dataclass, field

import anyio

from ao_core.http.marks import Urgency


@dataclass(slots=True, order=True)
class _Waiting:
    urgency: Urgency
    number: int
    called: anyio.Event = field(compare=False, default_factory=anyio.Event)


class Turns:
    """Places for a number of requests; those that wait are let in by urgency, then by age."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._numbers = itertools.count()
        self._waiting: list[_Waiting] = []

    async def take(self, urgency: Urgency) -> None:
        """Wait for a place, and have it."""
        if self._free and not self._waiting:
            self._free -= 1
            return
        mine = _Waiting(urgency, next(self._numbers))
        heapq.heappush(self._waiting, mine)
        try:
            await mine.called.wait()
        except BaseException:  # also where it is cancelled, it waits no longer
            self._gave_up(mine)
            raise

    def give_back(self) -> None:
        """Leave the place to whoever is next."""
        if self._waiting:
            heapq.heappop(self._waiting).called.set()
        else:
            self._free += 1

    def _gave_up(self, one: _Waiting) -> None:
        if one.called.is_set():
            self.give_back()
        else:
            self._waiting.remove(one)
            heapq.heapify(self._waiting)
