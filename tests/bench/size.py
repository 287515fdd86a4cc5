"""How much is measured, and how medians are taken."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True, slots=True)
class Size:
    """How often, how many, how long."""

    runs: int
    starts: int  # runs of what takes seconds
    spawns: int  # runs of what is noisy, too
    files: int
    many: int  # files that nobody wants to wait for
    at_once: int
    crowd: int
    stored: int
    lists: int
    window: float  # seconds; passes over idle sessions are ten seconds apart


FULL = Size(15, 5, 9, 5_000, 20_000, 10, 50, 1_000, 200, 20.5)
QUICK = Size(1, 1, 1, 50, 60, 2, 2, 10, 5, 0.5)


def seconds(work: Callable[[], object]) -> float:
    """How long it took."""
    began = perf_counter()
    work()
    return perf_counter() - began


def milliseconds(*timed: float) -> float:
    """The median of some seconds, in milliseconds."""
    return statistics.median(timed) * 1000
