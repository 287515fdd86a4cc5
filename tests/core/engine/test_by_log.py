"""Who is asked what a session has used: its agent's turns, or its agent's log."""

import pytest

from ao_core.engine.budgets import by_log
from ao_core.model.session import Drive
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
