"""Time, as something that is handed in: tests move it by hand."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

import anyio

from ao_core.course import Course, Lapse

_LOOK_AGAIN = 60.0
_JUMP = 5.0  # seconds; what is less is put right, not set
_UNSEEN = 60.0  # whoever keeps the time looks much more often


class Clock(Protocol):
    """What time it is, and how to wait for another."""

    def now(self) -> datetime:
        """The time of day, aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        ...

    @property
    def course(self) -> Course:
        """How the time of day has gone since this clock is there."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    async def sleep_until(self, moment: datetime) -> None:
        """Wait for a time of day; one that has passed is not waited for."""
        ...


class SystemClock:
    """The machine's own time.

    Whoever asks it for the time finds out whether it was set, or the machine asleep: where seconds
    that never run backwards do not agree with it, or where nobody has asked for long.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen = self._read()
        self._course = Course(self._seen[0])

    def now(self) -> datetime:
        """The time of day, aware and in UTC."""
        with self._lock:
            (then, before), (now, seconds) = self._seen, self._read()
            self._seen = now, seconds
            steadily = then + timedelta(seconds=seconds - before)
            if seconds - before > _UNSEEN:
                self._course = self._course.interrupted(Lapse(then, now))
            elif abs((now - steadily).total_seconds()) > _JUMP:
                self._course = self._course.interrupted(Lapse(steadily, now))
            return now

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()

    @property
    def course(self) -> Course:
        """How the time of day has gone since this clock is there."""
        return self._course

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(max(0.0, seconds))

    async def sleep_until(self, moment: datetime) -> None:
        """Wait for a time of day; looks again on waking, as the time of day may be set."""
        while (left := (moment - self.now()).total_seconds()) > 0:  # noqa: ASYNC110
            await anyio.sleep(min(left, _LOOK_AGAIN))

    def _read(self) -> tuple[datetime, float]:
        return self._wall(), self.monotonic()

    def _wall(self) -> datetime:
        return datetime.now(UTC)
