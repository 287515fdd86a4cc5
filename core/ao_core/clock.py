"""Time, as something that is handed in: tests move it by hand."""

import time
from datetime import UTC, datetime
from typing import Protocol

import anyio

_LOOK_AGAIN = 60.0


class Clock(Protocol):
    """What time it is, and how to wait for another."""

    def now(self) -> datetime:
        """The time of day, aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    async def sleep_until(self, moment: datetime) -> None:
        """Wait for a time of day; one that has passed is not waited for."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """The time of day, aware and in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(max(0.0, seconds))

    async def sleep_until(self, moment: datetime) -> None:
        """Wait for a time of day; looks again on waking, as the time of day may be set."""
        while (left := (moment - self.now()).total_seconds()) > 0:  # noqa: ASYNC110
            await anyio.sleep(min(left, _LOOK_AGAIN))
