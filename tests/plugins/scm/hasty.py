"""A clock for those who cannot wait."""

from datetime import datetime, timedelta

import anyio.lowlevel

from ao_core.clock import SystemClock


class Hasty(SystemClock):
    """Whoever sleeps has slept."""

    def __init__(self) -> None:
        self.slept = 0.0
        super().__init__()

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.slept)

    def monotonic(self) -> float:
        return super().monotonic() + self.slept

    async def sleep(self, seconds: float) -> None:
        self.slept += max(0.0, seconds)
        await anyio.lowlevel.checkpoint()
