"""Who counts as the team that went down, and who of it comes back."""

import signal
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ao_core.engine import team
from ao_core.engine.caller import Caller, Role
from ao_core.engine.engine import Engine
from ao_core.engine.keys import Ticket
from ao_core.engine.room import Room
from ao_core.engine.team import bring_back, gone_down
from ao_core.ids import ProjectId, SessionId
from ao_core.model.session import (
    PrFacts,
    PrReason,
    PrState,
    RuntimeFacts,
    RuntimeReason,
    RuntimeState,
    Session,
    SessionReason,
    SessionState,
)
from bare_engine import an_engine
from books import START, Books, a_session

R = SessionReason


def ended(reason: SessionReason, **more: Any) -> Any:
    return a_session(state=SessionState.TERMINATED, reason=reason, **more)


def by(number: int) -> RuntimeFacts:
    return RuntimeFacts(RuntimeState.EXITED, RuntimeReason.PROCESS_EXITED, exit_signal=number)


PERSON = Caller(Role.PERSON, "1")
MERGED = PrFacts(PrState.MERGED, PrReason.MERGED, 1, "u", "c2")
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
    (ended(R.RUNTIME_LOST, pr=MERGED, commits=("c2",)), False),
    (ended(R.RUNTIME_LOST, pr=MERGED, commits=("c2", "c3")), True),
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


@pytest.mark.parametrize(("most", "own", "back"), [(3, None, 2), (None, 2, 1), (None, None, 4)])
async def test_all_come_back_for_whom_there_is_room_and_the_others_stay_wanted(
    books: Books, monkeypatch: pytest.MonkeyPatch, most: int | None, own: int | None, back: int
) -> None:
    lost = [replace(ended(R.RUNTIME_LOST), id=f"app-{number}") for number in (1, 2, 3, 4)]
    await books.keep(*lost, a_session("app-5"))
    engine = an_engine(books, SimpleNamespace(settings=SimpleNamespace(max_workers=own)))

    async def limit() -> int | None:
        return most

    async def restored(engine: Engine, caller: Caller, id: SessionId, ticket: Ticket) -> Session:
        return await books.change(id, lambda now: replace(now, facts=a_session().facts))

    async def tell(*told: object) -> None:
        """Nobody listens."""

    vars(engine)["room"] = Room(limit)
    monkeypatch.setattr(team, "restore", restored)
    found = await bring_back(engine, PERSON, None, tell)
    assert [one.id for one in found if one.problem is None] == [one.id for one in lost[:back]]
    assert all("to end or be merged" in one.problem.message for one in found if one.problem)
    assert [one.id for one in gone_down(engine)] == [one.id for one in lost[back:]]


async def test_who_waited_in_the_queue_waits_there_again_and_takes_no_room(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = replace(ended(R.ENGINE_STOPPED), queued=1, created_at=START)
    await books.keep(waited, a_session("app-2"))
    engine = an_engine(books, SimpleNamespace(settings=SimpleNamespace(max_workers=1)))
    asked: list[str] = []

    async def queued(engine: Engine, caller: Caller, id: SessionId, ticket: Ticket) -> Session:
        asked.append(id)
        return waited

    async def tell(*told: object) -> None:
        """Nobody listens."""

    vars(engine)["room"] = Room()
    monkeypatch.setattr(team, "restore", queued)
    (found,) = await bring_back(engine, PERSON, None, tell)
    assert (found.problem, asked) == (None, [waited.id])
