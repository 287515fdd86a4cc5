"""Who is asked what a session has used: its agent's turns, or its agent's log."""

from collections.abc import Sequence
from functools import reduce
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest

from ao_core.engine import budgets
from ao_core.engine.budget_rules import counted
from ao_core.engine.budgets import Budgets, by_log, untold
from ao_core.model.budget import Budget, Part, Spent
from ao_core.model.event import EventKind
from ao_core.model.session import Drive, SessionFacts, SessionReason, SessionState
from ao_core.model.usage import Usage
from ao_core.slots.agent import AgentInfo, Conversable, Launch
from ao_core.slots.runtime import Command
from ao_core.testing.clock import FakeClock
from bare_engine import an_engine
from books import Books, a_session


class Spoken(Conversable):
    def converse(self, launch: Launch) -> Command | None:
        return None


class Uncounted(Spoken):
    @property
    def counts(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("drive", "agent", "asked"),
    [
        (Drive.TERMINAL, Spoken(), True),
        (Drive.TERMINAL, Uncounted(), True),
        (Drive.PROTOCOL, Spoken(), False),
        (Drive.PROTOCOL, Uncounted(), True),
    ],
)
def test_its_log_is_asked_where_its_turns_do_not_tell(
    drive: Drive, agent: Conversable, *, asked: bool
) -> None:
    assert by_log(a_session(drive=drive), agent) is asked


@pytest.mark.parametrize(
    ("told", "used", "spent"),
    [
        ((Usage(30, 9), Usage(40, 10)), Usage(40, 10), Usage()),
        ((Usage(30, 9), Usage(10, 10)), Usage(10, 10), Usage(30, 9)),
        ((Usage(30, 9, 0.5), Usage(cost_usd=0.25)), Usage(30, 9, 0.25), Usage(cost_usd=0.5)),
        ((Usage(30, 9, 0.5), Usage(10, 3)), Usage(10, 3, 0.5), Usage(30, 9)),
        ((Usage(cost_usd=0.5), Usage(10, 3)), Usage(10, 3, 0.5), Usage()),
    ],
)
def test_tokens_and_what_they_cost_begin_anew_each_by_itself(
    told: Sequence[Usage], used: Usage, spent: Usage
) -> None:
    session = reduce(counted, told, a_session())
    assert (session.usage, session.spent) == (used, spent)


class Slow:
    """An agent that writes what it used only after its turn has ended."""

    used = Usage(10, 5)

    async def info(self, launch: Launch) -> AgentInfo:
        return AgentInfo(usage=self.used)


async def test_what_is_written_after_a_turn_has_ended_is_counted_too(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, clock = Slow(), cast("FakeClock", books.clock)
    engine = cast("Any", an_engine(books))
    engine.agent_of, engine.ceiling = AsyncMock(return_value=agent), Budget()
    monkeypatch.setattr(budgets, "launch_of", Mock(return_value=None))
    facts = SessionFacts(SessionState.IDLE, SessionReason.TURN_ENDED, clock.now())
    session = a_session(facts=facts, path="/w")
    await books.keep(session)
    for after, used, known in ((1, 10, 10), (4, 20, 20), (30, 30, 20)):
        clock.jump(after)
        agent.used = Usage(used, 5)
        await Budgets(engine).look_at(session.id)
        assert engine.session(session.id).usage.input_tokens == known


async def test_a_ceiling_that_cannot_be_held_is_told_of_once_and_at_the_start(books: Books) -> None:
    agent = SimpleNamespace(tells=Mock(return_value=frozenset({Part.COST})))
    ceiling, engine = Budget(tokens=100, cost=5.0), cast("Any", an_engine(books))
    engine.agent_of, engine.ceiling = AsyncMock(return_value=agent), ceiling
    facts = SessionFacts(SessionState.IDLE, SessionReason.TURN_ENDED, books.clock.now())
    quiet = a_session(facts=facts, worked=60.0, usage=Usage(cost_usd=1.0))
    await books.keep(quiet)
    await books.keep(a_session("app-2", worked=60.0, usage=Usage(5, 5, 1.0)))
    looks = Budgets(engine, AsyncMock(return_value=ceiling))
    for _ in range(2):
        await looks.look()
    (event,) = await books.journal(EventKind.BUDGET_UNKNOWN)
    assert (event.session, event.body) == (None, Spent("tokens", None, 100, all_sessions=True))
    assert await untold(engine, quiet) == (
        "agent double does not tell its tokens in a terminal:"
        " that part of the ceiling for all workers is not held",
    )
