"""A clock that stands still until a test moves it."""

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import anyio
import anyio.lowlevel

from ao_core.course import Course, Lapse

_START = datetime(2026, 1, 1, tzinfo=UTC)
_TURNS = 20  # loop turns in which a woken task may act and go to sleep again


@dataclass(slots=True, order=True)
class _Sleeper:
    due: float
    number: int
    woken: anyio.Event = field(compare=False)


class FakeClock:
    """A `Clock` moved by `advance`, which wakes sleepers in the order they are due."""

    def __init__(self, start: datetime = _START) -> None:
        self._start = start
        self._elapsed = 0.0
        self._course = Course()
        self._numbers = itertools.count()
        self._sleepers: list[_Sleeper] = []
        self._arrived = anyio.Event()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    @property
    def course(self) -> Course:
        return self._course

    def jump(self, seconds: float) -> None:
        """Set the time of day, or let the machine sleep: nothing else moves."""
        left = self.now()
        self._start += timedelta(seconds=seconds)
        if self._course.began is None:
            self._course = Course(left - timedelta(seconds=self._elapsed))
        self._course = self._course.interrupted(Lapse(left, self.now()))

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await anyio.lowlevel.checkpoint()
            return
        sleeper = _Sleeper(self._elapsed + seconds, next(self._numbers), anyio.Event())
        self._sleepers.append(sleeper)
        self._arrived.set()
        try:
            await sleeper.woken.wait()
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)

    async def sleep_until(self, moment: datetime) -> None:
        await self.sleep((moment - self.now()).total_seconds())

    async def advance(self, seconds: float) -> None:
        """Move on, stopping at each sleeper that is due on the way."""
        target = self._elapsed + seconds
        await _let_others_run()
        while self._sleepers and (first := min(self._sleepers)).due <= target:
            self._sleepers.remove(first)
            self._elapsed = max(self._elapsed, first.due)
            first.woken.set()
            await _let_others_run()
        self._elapsed = target

    async def until_sleeping(self, count: int = 1) -> None:
        """Wait until at least `count` tasks sleep."""
        while len(self._sleepers) < count:
            if self._arrived.is_set():
                self._arrived = anyio.Event()
            await self._arrived.wait()


async def _let_others_run() -> None:
    for _ in range(_TURNS):
        await anyio.lowlevel.checkpoint()
