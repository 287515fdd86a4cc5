"""Nothing counts as worked, and nothing is due, for a night that somebody slept through."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, cast

import anyio
import pytest

from ao_core.clock import SystemClock
from ao_core.engine import telling
from ao_core.engine.budgets import Budgets
from ao_core.engine.timekeeping import reckon
from ao_core.model.budget import Budget
from ao_core.model.session import Session, SessionFacts, SessionReason, SessionState, worked
from ao_core.store.records import Permission
from bare_engine import an_engine
from books import Books, a_session, clock_of

NIGHT = timedelta(hours=8)


class Asleep(SystemClock):
    """The machine's time, after as many hours asleep as are put into it."""

    slept = timedelta()

    def _wall(self) -> datetime:
        return super()._wall() + self.slept


@pytest.fixture
def clock() -> Asleep:
    return Asleep()


@pytest.fixture
async def engine(books: Books, clock: Asleep) -> Any:
    engine = cast("Any", an_engine(books))
    engine.clock, engine.ceiling = clock, Budget()
    facts = SessionFacts(SessionState.WORKING, SessionReason.TASK_IN_PROGRESS, clock.now())
    await books.keep(a_session(facts=facts, budget=Budget(minutes=30)))
    return engine


async def reckoned(engine: Any) -> None:
    await reckon(engine)


async def budgeted(engine: Any) -> None:
    await Budgets(engine).look_at(cast("Any", "app-1"))


@pytest.mark.parametrize("first", [reckoned, budgeted])
async def test_whoever_looks_first_after_a_night_counts_none_of_it(
    engine: Any, clock: Asleep, first: Callable[[Any], Awaitable[None]]
) -> None:
    clock.slept = NIGHT  # nobody has asked for the time since
    await first(engine)
    session = cast("Session", engine.session("app-1"))
    assert worked(session, clock.now()) < 60
    assert session.paused is None


@pytest.mark.parametrize(("night", "hears"), [(NIGHT, True), (-NIGHT, False)])
async def test_a_hook_has_its_time_to_come_back_whatever_the_clock_says(
    books: Books, night: timedelta, hears: bool
) -> None:
    """Whose engine was replaced: what was asked before is not pressed as long as it may come."""
    clock, engine = clock_of(books), cast("Any", an_engine(books))
    asked = Permission("app-1.p", engine.session("app-1").id, "shell", "make", clock.now())
    engine.began = clock.now() + timedelta(seconds=1)
    await clock.advance(1)
    clock.jump(night.total_seconds())
    if not hears:
        await clock.advance(60)
    with anyio.move_on_after(0.3 if hears else 10) as scope:
        assert not await telling.hears(engine, asked)
    assert scope.cancelled_caught == hears
