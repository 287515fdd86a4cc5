"""How the time of day went: where it was set, where the machine slept, what was lived through.

Patience is for time in which somebody could have moved. What is awaited of a worker is therefore
measured by this, never by the difference of two times of day: after a night asleep, or a clock that
was set, everything has as much time left as it had before. Pure.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

_MOST = 256  # lapses that are remembered


@dataclass(frozen=True, slots=True)
class Lapse:
    """The time of day was `left` at one moment and `found` at the next; it may have gone back."""

    left: datetime
    found: datetime


@dataclass(frozen=True, slots=True)
class Course:
    """The time since `began`, when somebody began to watch it; without that, it went steadily."""

    began: datetime | None = None
    lapses: tuple[Lapse, ...] = ()

    def interrupted(self, lapse: Lapse) -> "Course":
        """The same, and then this. Before what is forgotten, it counts as if it had been steady."""
        lapses = (*self.lapses, lapse)
        if len(lapses) <= _MOST:
            return Course(self.began or lapse.left, lapses)
        return Course(lapses[0].found, lapses[1:])

    def elapsed(self, since: datetime, at: datetime) -> timedelta:
        """How much of the time from a stored moment until now was lived through.

        A moment that is yet to come was stored before the clock was set back: by an earlier engine,
        where it is none of those remembered here. It counts from the last lapse, or the beginning.
        """
        if self.began is None:
            return at - since
        return max(timedelta(), self._lived(at, at) - self._lived(since, at))

    def lost(self, since: datetime, at: datetime) -> timedelta:
        """What the difference of the two has of time that was not lived through."""
        return (at - since) - self.elapsed(since, at)

    def due(self, since: datetime, after: timedelta, at: datetime) -> datetime:
        """When so much will have been lived through since then, if nothing interrupts it."""
        return at + after - self.elapsed(since, at)

    def back(self, by: timedelta, at: datetime) -> datetime:
        """The moment since which so much was lived through."""
        if self.began is None:
            return at - by
        for start, end, _ in reversed(self._spans(at)):
            if end - start >= by:
                return end - by
            by -= end - start
        return self.began - by

    def _lived(self, moment: datetime, at: datetime) -> timedelta:
        """How much was lived through from the beginning until then."""
        assert self.began is not None  # noqa: S101 - whoever asks has seen to it
        spans = self._spans(at)
        for start, end, before in reversed(spans):  # of a time that came twice, the later one
            if start <= moment <= end:
                return before + (moment - start)
        if moment < self.began:
            return moment - self.began
        after = [before for start, _, before in spans if moment < start]
        return min(after) if after else spans[-1][2]

    def _spans(self, at: datetime) -> list[tuple[datetime, datetime, timedelta]]:
        """Its steady parts: their beginnings, their ends, and what was lived through before."""
        spans: list[tuple[datetime, datetime, timedelta]] = []
        start, before = self.began or at, timedelta()
        for lapse in self.lapses:
            spans.append((start, lapse.left, before))
            before += lapse.left - start
            start = lapse.found
        return [*spans, (start, at, before)]


STEADY = Course()
