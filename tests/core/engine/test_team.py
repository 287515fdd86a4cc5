"""Who counts as the team that went down."""

import signal
from dataclasses import replace
from typing import Any

import pytest

from ao_core.engine.team import gone_down
from ao_core.ids import ProjectId
from ao_core.model.session import (
    RuntimeFacts,
    RuntimeReason,
    RuntimeState,
    SessionReason,
    SessionState,
)
from bare_engine import an_engine
from books import Books, a_session

R = SessionReason


def ended(reason: SessionReason, **more: Any) -> Any:
    return a_session(state=SessionState.TERMINATED, reason=reason, **more)


def by(number: int) -> RuntimeFacts:
    return RuntimeFacts(RuntimeState.EXITED, RuntimeReason.PROCESS_EXITED, exit_signal=number)


KILLED = RuntimeFacts(RuntimeState.EXITED, RuntimeReason.KILL_REQUESTED)
CASES = [
    (ended(R.RUNTIME_LOST), True),
    (ended(R.ENGINE_STOPPED), True),
    (ended(R.AGENT_PROCESS_EXITED, run=by(signal.SIGTERM)), True),
    (ended(R.AGENT_PROCESS_EXITED, run=by(signal.SIGKILL)), False),
    (ended(R.AGENT_PROCESS_EXITED), False),
    (ended(R.ERROR_IN_PROCESS, generation=2), True),
    (ended(R.ERROR_IN_PROCESS, generation=1), False),
    (ended(R.MANUALLY_KILLED), False),
    (ended(R.RUNTIME_LOST, run=KILLED), False),
    (ended(R.RUNTIME_LOST, workspace_gone=True), False),
    (a_session(), False),
]


@pytest.mark.parametrize(("session", "wanted"), CASES)
async def test_those_that_neither_ended_by_themselves_nor_were_killed(
    books: Books, session: Any, wanted: bool
) -> None:
    await books.keep(session)
    assert bool(gone_down(an_engine(books))) is wanted
    assert not gone_down(an_engine(books), ProjectId("other"))


async def test_in_the_order_in_which_they_were_made(books: Books) -> None:
    await books.keep(*(replace(ended(R.RUNTIME_LOST), id=f"app-{n}") for n in (1, 2, 3)))
    assert [one.id for one in gone_down(an_engine(books))] == ["app-1", "app-2", "app-3"]
