"""What hosts let us ask, for whoever shows it; it costs nothing where no host is spoken to."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class BucketState:
    """A bucket as it is now; what is not known of it is None. `spent` is by urgency."""

    name: str
    limit: int | None
    remaining: int | None
    resets_at: datetime | None
    blocked_until: datetime | None
    spent: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget as it is now. `slow` is whether somebody had to wait, and still would."""

    name: str
    slow: bool
    blocked_until: datetime | None
    buckets: Mapping[str, BucketState]


OnSlow = Callable[[BudgetState], None]
_budgets: list[Callable[[], BudgetState]] = []
_watchers: list[OnSlow] = []
_acting: ContextVar[bool] = ContextVar("acting", default=False)


@contextmanager
def acting() -> Generator[None]:
    """What is read meanwhile is part of an act, such as a merge, and goes as one."""
    before = _acting.set(True)
    try:
        yield
    finally:
        _acting.reset(before)


def is_acting() -> bool:
    """Whether what is asked now is part of an act."""
    return _acting.get()


def states() -> tuple[BudgetState, ...]:
    """Every budget of this process as it is now."""
    return tuple(state() for state in _budgets)


def watch(on_slow: OnSlow) -> Callable[[], None]:
    """Have it told when a budget becomes slow or free; returns how to end that."""
    _watchers.append(on_slow)

    def end() -> None:
        with suppress(ValueError):
            _watchers.remove(on_slow)

    return end


def watchers() -> tuple[OnSlow, ...]:
    """Who is to be told."""
    return tuple(_watchers)


def kept(state: Callable[[], BudgetState]) -> None:
    """There is one more budget, which this tells of."""
    _budgets.append(state)
