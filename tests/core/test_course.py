"""How much time was lived through, however the time of day went."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ao_core.clock import SystemClock
from ao_core.course import STEADY, Course, Lapse
from ao_core.testing.clock import FakeClock

START = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


JUMPS = st.integers(-100_000, 100_000).filter(lambda jump: abs(jump) > 10)


@given(
    steps=st.lists(st.tuples(st.integers(0, 5_000), JUMPS), max_size=12), last=st.integers(0, 50)
)
async def test_what_was_stored_before_the_last_lapse_is_as_old_as_was_lived_since(
    steps: list[tuple[int, int]], last: int
) -> None:
    """Unless that time of day came again: then it may be thought to be younger, never older."""
    clock, stored = FakeClock(START), list[tuple[datetime, float]]()
    for lived, jump in steps:
        stored.append((clock.now(), clock.monotonic()))
        await clock.advance(lived)
        stored.append((clock.now(), clock.monotonic()))
        clock.jump(jump)
    await clock.advance(last)
    goes_back = any(jump < 0 for _, jump in steps)
    for moment, lived in stored:
        age, found = clock.monotonic() - lived, clock.course.elapsed(moment, clock.now())
        assert timedelta() <= found <= seconds(age)
        if not goes_back:
            assert found == seconds(age)


def test_a_steady_course_is_a_difference() -> None:
    assert STEADY.elapsed(START, START + HOUR) == HOUR
    assert STEADY.due(START, HOUR, START + MINUTE) == START + HOUR
    assert STEADY.back(HOUR, START) == START - HOUR


@pytest.mark.parametrize("jump", [8 * HOUR, -8 * HOUR], ids=["asleep", "set back"])
async def test_a_lapse_is_no_time_and_what_is_awaited_is_awaited_as_long(jump: timedelta) -> None:
    clock, before = FakeClock(START), START - HOUR
    await clock.advance(60)
    then = clock.now()
    clock.jump(jump.total_seconds())
    await clock.advance(120)
    now, course = clock.now(), clock.course
    assert course.elapsed(then, now) == 2 * MINUTE
    assert course.elapsed(START, now) == 3 * MINUTE
    assert course.due(START, 10 * MINUTE, now) == now + 7 * MINUTE
    assert course.back(2 * MINUTE, now) == now - 2 * MINUTE
    assert course.back(3 * MINUTE + HOUR, now) == before
    if jump > timedelta():
        assert course.elapsed(before, now) == HOUR + 3 * MINUTE
        assert course.elapsed(then + HOUR, now) == 2 * MINUTE  # nobody was there then


async def test_what_an_earlier_engine_stored_under_a_later_time_counts_from_the_beginning() -> None:
    now = START + 5 * MINUTE
    assert Course(START).elapsed(START + 400 * HOUR, now) == 5 * MINUTE
    assert Course(START).elapsed(START - HOUR, now) == HOUR + 5 * MINUTE


def test_only_so_many_lapses_are_remembered() -> None:
    course = Course(START)
    for day in range(1, 400):
        then = START + timedelta(days=day)
        course = course.interrupted(Lapse(then, then + 12 * HOUR))
    assert len(course.lapses) == 256
    now = START + timedelta(days=400)
    assert course.elapsed(START + timedelta(days=399), now) == 12 * HOUR
    assert course.elapsed(START + timedelta(days=390), now) == 10 * 12 * HOUR


class Machine(SystemClock):
    """A machine whose two clocks are moved by hand."""

    wall, seconds = START, 100.0

    def monotonic(self) -> float:
        return self.seconds

    def _wall(self) -> datetime:
        return self.wall

    def moved(self, wall: float, seconds: float) -> None:
        self.wall += timedelta(seconds=wall)
        self.seconds += seconds


@pytest.mark.parametrize(
    ("wall", "moved", "lived"),
    [
        (30, 30, 30),
        (34, 30, 34),  # put right a little
        (8 * 3600, 0, 0),  # asleep, and its seconds stood still
        (8 * 3600 + 5, 8 * 3600 + 5, 0),  # asleep, and they did not
        (7 * 3600, 20, 20),  # set
        (-7 * 3600, 20, 20),  # set back
    ],
)
def test_a_clock_finds_out_that_it_was_set_or_the_machine_asleep(
    wall: float, moved: float, lived: float
) -> None:
    clock = Machine()
    clock.moved(10, 10)
    then = clock.now()
    clock.moved(wall, moved)
    assert clock.now() == then + seconds(wall)
    assert clock.course.elapsed(then, clock.now()) == seconds(lived)
    clock.moved(10, 10)
    assert clock.course.elapsed(then, clock.now()) == seconds(lived + 10)
