"""Who is asked what a session has used: its agent's turns, or its agent's log."""

from collections.abc import Sequence
from functools import reduce

import pytest

from ao_core.engine.budget_rules import counted
from ao_core.engine.budgets import by_log
from ao_core.model.session import Drive
from ao_core.model.usage import Usage
from ao_core.slots.agent import Conversable, Launch
from ao_core.slots.runtime import Command
from books import a_session


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
