"""The clock, and the one that tests move."""

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from ao_core.clock import Clock, SystemClock
from ao_core.testing.clock import FakeClock

START = datetime(2030, 5, 1, tzinfo=UTC)


async def test_the_system_clock_is_aware_and_does_not_wait_for_the_past() -> None:
    clock: Clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0)
    before = clock.monotonic()
    with anyio.fail_after(5):
        await clock.sleep(-1)
        await clock.sleep(0.001)
        await clock.sleep_until(clock.now() - timedelta(hours=1))
        await clock.sleep_until(clock.now() + timedelta(milliseconds=20))
    assert clock.monotonic() - before >= 0.02


async def test_sleepers_wake_in_the_order_they_are_due() -> None:
    clock = FakeClock(START)
    seen: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        seen.append((name, clock.monotonic()))

    async with anyio.create_task_group() as group:
        group.start_soon(sleeper, "late", 30)
        group.start_soon(sleeper, "first", 10)
        group.start_soon(sleeper, "second", 10)
        await clock.advance(5)
        assert seen == []
        await clock.advance(25)
    assert seen == [("first", 10), ("second", 10), ("late", 30)]
    assert clock.now() == START + timedelta(seconds=30)


async def test_a_task_that_sleeps_again_is_woken_again_on_the_way() -> None:
    clock = FakeClock(START)
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            await clock.sleep(2)
            ticks.append(clock.monotonic())

    async with anyio.create_task_group() as group:
        group.start_soon(tick)
        await clock.advance(7)
        group.cancel_scope.cancel()
    assert ticks == [2, 4, 6]


async def test_a_time_of_day_is_slept_until() -> None:
    clock: Clock = FakeClock(START)
    fake = FakeClock(START)
    async with anyio.create_task_group() as group:
        group.start_soon(fake.sleep_until, START + timedelta(hours=1))
        await fake.until_sleeping()
        await fake.advance(3600)
    assert fake.now() == START + timedelta(hours=1)
    await clock.sleep_until(START)


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = FakeClock(START)
    with anyio.move_on_after(0.01) as scope:
        await clock.sleep(10)
    assert scope.cancelled_caught
    with pytest.raises(TimeoutError), anyio.fail_after(0.05):
        await clock.until_sleeping()
