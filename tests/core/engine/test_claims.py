"""A worker's word that it is done: when it holds, when it no longer does, and what answers it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from ao_core import spool
from ao_core.course import STEADY
from ao_core.engine.case import Observation, Policy
from ao_core.engine.decide import decide
from ao_core.engine.engine import Engine
from ao_core.engine.evidence import lapsing, see_to, verdict_of
from ao_core.engine.gates import Proof
from ao_core.engine.project import Project
from ao_core.engine.side import has_left
from ao_core.engine.wait import Until, wait
from ao_core.engine.waiting import is_done
from ao_core.errors import BadRequest, CommandFailed
from ao_core.ids import SessionId
from ao_core.model.activity import Source
from ao_core.model.attention import Attention, attention
from ao_core.model.event import EventKind, Shown
from ao_core.model.evidence import TRIES, Evidence, GateRun, Verdict, is_at_rest, is_owed, is_shown
from ao_core.model.remedy import remedy
from ao_core.model.session import Session
from ao_core.model.session import SessionState as S
from ao_core.spool import HookEvent, HookKind
from ao_core.store.contract import Put
from ao_core.store.records import EVIDENCE
from ao_core.testing.repository import sample
from bare_engine import an_engine
from books import START, Books, a_session, clock_of, over

ID = SessionId("app-1")
FAILS = GateRun("tests", ("make", "test"), 2, None, 1.5, "no")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def said(kind: HookKind, seconds: float, state: str | None = None) -> HookEvent:
    return HookEvent(f"h{seconds}", kind, at(seconds), "a note", state=state)


def heard(session: Session, *hooks: HookEvent, source: Source = Source.HOOK) -> Session:
    return decide(session, Observation(at(60), hooks=hooks, source=source), Policy()).session


DONE = said(HookKind.REPORTED, 5, "done")


def test_only_a_report_of_done_is_one() -> None:
    assert heard(a_session(), DONE).done == at(5)
    for state in (None, "working", "blocked"):
        assert heard(a_session(), said(HookKind.REPORTED, 5, state)).done is None


def test_it_is_said_in_a_turn_and_outlasts_its_end() -> None:
    session = heard(a_session(), said(HookKind.TURN_STARTED, 1), DONE)
    session = heard(session, said(HookKind.TURN_ENDED, 9))
    assert (session.facts.state, session.done) == (S.IDLE, at(5))


def test_the_same_words_said_anew_are_another_claim_and_no_other_event() -> None:
    session = heard(a_session(), DONE)
    anew = Observation(at(60), hooks=(said(HookKind.REPORTED, 7, "done"),))
    decided = decide(session, anew, Policy())
    assert decided.session.done == at(7)
    assert decided.events == ()


@pytest.mark.parametrize("kind", [HookKind.TURN_STARTED, HookKind.ACCEPTED])
def test_a_turn_that_begins_afterwards_ends_it_and_an_earlier_one_does_not(kind: HookKind) -> None:
    session = heard(a_session(), DONE)
    assert heard(session, said(kind, 6)).done is None
    assert heard(session, said(kind, 4)).done == at(5)


@pytest.mark.parametrize("state", ["working", "blocked"])
def test_a_report_of_another_state_takes_it_back(state: str) -> None:
    assert heard(heard(a_session(), DONE), said(HookKind.REPORTED, 6, state)).done is None


def test_a_permission_that_was_asked_for_meanwhile_takes_nothing_back() -> None:
    asks = said(HookKind.PERMISSION_ASKED, 6), said(HookKind.PERMISSION_ENDED, 7)
    assert heard(heard(a_session(), DONE), *asks).done == at(5)


def test_by_protocol_the_signs_of_the_same_turn_take_nothing_back() -> None:
    session = heard(a_session(), DONE, source=Source.PROTOCOL)
    accepted = said(HookKind.ACCEPTED, 6)
    assert heard(session, accepted, source=Source.PROTOCOL).done == at(5)
    began = said(HookKind.TURN_STARTED, 7)
    assert heard(session, began, source=Source.PROTOCOL).done is None


def test_a_hook_may_say_it_and_says_nothing_odd(tmp_path: Path) -> None:
    file = spool.drop(tmp_path, DONE)
    assert spool.read(file).state == "done"
    odd = spool.drop(tmp_path, replace(DONE, state="finished"))
    with pytest.raises(BadRequest, match="odd state"):
        spool.read(odd)


# -- what is owed ----------------------------------------------------------------------------------


def evidence(verdict: Verdict = Verdict.VERIFIED, commit: str = "c1") -> Evidence:
    runs = (FAILS,) if verdict is Verdict.FAILED else ()
    return Evidence(ID, commit, "t1", verdict, at(6), runs, claimed=at(5))


def test_what_was_said_is_answered_once() -> None:
    session = a_session(done=at(5))
    assert is_owed(session, None)
    assert not is_owed(session, evidence())
    assert is_owed(replace(session, done=at(7)), evidence())
    assert not is_owed(a_session(), None)


def test_an_answer_is_owed_also_to_one_that_exited_and_to_none_that_was_killed() -> None:
    exited = over(a_session(done=at(5)))
    assert is_owed(exited, None)
    assert not is_owed(replace(exited, workspace_gone=True), None)
    assert is_at_rest(exited)


@pytest.mark.parametrize("state", [S.WORKING, S.NEEDS_INPUT, S.NOT_STARTED, S.DETECTING])
def test_a_turn_that_goes_on_is_not_its_last_word(state: S) -> None:
    assert not is_at_rest(a_session(state=state))
    assert is_at_rest(a_session(state=S.IDLE))


# -- the next commit -------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", [Verdict.VERIFIED, Verdict.FAILED, Verdict.UNVERIFIED])
async def test_it_lapses_with_the_next_commit_and_so_does_the_word(
    books: Books, verdict: Verdict
) -> None:
    session = a_session(done=at(5))
    found = replace(evidence(verdict), ungated=verdict is Verdict.UNVERIFIED)
    await books.records.commit([Put(EVIDENCE, ID, found, 0)])
    after, changes, events = lapsing(books.records, session, "c2")
    assert after.done is None
    await books.records.commit(changes, events)
    known = books.records.find(EVIDENCE, ID)
    assert not is_shown(after, known)
    assert not is_done(after, known)
    assert verdict_of(books.records, ID) == "stale"
    (event,) = await books.journal(EventKind.EVIDENCE_STALE)
    failed = ("tests",) if verdict is Verdict.FAILED else ()
    assert event.body == Shown("c1", len(failed), failed, "it was for c1")
    assert lapsing(books.records, session, "c3") == (session, (), ())


async def test_a_word_given_after_it_stands(books: Books) -> None:
    await books.records.commit([Put(EVIDENCE, ID, evidence(), 0)])
    session = a_session(done=at(8))
    assert lapsing(books.records, session, "c2")[0].done == at(8)


@pytest.mark.parametrize("head", [None, "c1"])
async def test_without_another_commit_it_stands(books: Books, head: str | None) -> None:
    session = a_session(done=at(5))
    assert lapsing(books.records, session, head) == (session, (), ())
    await books.records.commit([Put(EVIDENCE, ID, evidence(), 0)])
    assert lapsing(books.records, session, head) == (session, (), ())


def test_a_gate_tells_how_it_ended() -> None:
    assert FAILS.ending == "ended with status 2"
    assert replace(FAILS, status=None, signal=9).ending == "was ended by signal 9"
    assert replace(FAILS, status=None).ending == "could not be run"
    late = replace(FAILS, status=None, timed_out=True, seconds=600.1)
    assert late.ending == "did not end within 600 s"


# -- when it is looked at --------------------------------------------------------------------------


async def started(
    books: Books, session: Session, seconds: float, *, anew: bool = False, **engine: Any
) -> bool:
    """Whether the gates of a session are begun at this moment."""
    await books.keep(session)
    begun: list[str] = []

    def start(work: object, engine: object, id: str, proof: Proof) -> None:
        begun.append(id)

    made = SimpleNamespace(
        session=books.records.session, records=books.records, proving={}, is_ending=_no,
        clock=SimpleNamespace(now=lambda: at(seconds), course=STEADY),
        tasks=SimpleNamespace(start_soon=start),
    )  # fmt: skip
    vars(made).update(engine)
    see_to(cast("Engine", made), ID, anew=anew)
    return begun == [ID]


def _no(session: str) -> bool:
    return False


def _yes(session: str) -> bool:
    return True


SAID_SO = a_session(state=S.IDLE, done=at(5))


async def test_it_is_looked_at_once_its_turn_is_over_and_not_much_later(books: Books) -> None:
    working = replace(SAID_SO, facts=a_session().facts)
    assert not await started(books, working, 30)
    assert await started(books, SAID_SO, 30)
    assert await started(books, working, 66)  # not every agent tells of its turns
    assert not await started(books, replace(SAID_SO, done=None), 66)


async def test_it_is_not_looked_at_twice_at_once_nor_while_it_is_being_ended(books: Books) -> None:
    assert not await started(books, SAID_SO, 30, proving={ID: Proof()})
    assert not await started(books, SAID_SO, 30, is_ending=_yes)
    others = {f"app-{number}": Proof() for number in range(100, 400)}
    assert not await started(books, SAID_SO, 30, proving=others)


# -- gates that cannot be run ----------------------------------------------------------------------


async def test_what_was_put_off_is_looked_at_after_a_pause_or_by_the_next_engine(
    books: Books,
) -> None:
    put_off = replace(evidence(Verdict.UNVERIFIED), tries=2)
    await books.records.commit([Put(EVIDENCE, ID, put_off, 0)])
    assert is_owed(SAID_SO, put_off)
    assert not await started(books, SAID_SO, 30)
    assert await started(books, SAID_SO, 30, anew=True)
    assert await started(books, SAID_SO, 36)
    assert lapsing(books.records, SAID_SO, "c2") == (SAID_SO, (), ())
    assert not is_owed(SAID_SO, replace(put_off, tries=TRIES))


@dataclass
class Ailing:
    """A project whose runtime fails as often as it is told to."""

    times: int
    settings: Any = field(default_factory=lambda: SimpleNamespace(gates=()))

    async def look(self, session: object) -> object:
        self.times -= 1
        if self.times >= 0:
            raise CommandFailed("the runtime went away")
        return self


@asynccontextmanager
async def proving(books: Books, project: Ailing) -> AsyncGenerator[Engine]:
    await books.keep(SAID_SO)
    engine = an_engine(books, project)
    async with anyio.create_task_group() as tasks:
        vars(engine).update(project_of=project.look, proving={}, tasks=tasks, is_ending=_no)
        see_to(engine, ID)
        yield engine
        tasks.cancel_scope.cancel()


async def told_so(books: Books, tries: int) -> Evidence:
    with anyio.fail_after(10):
        while (known := books.records.find(EVIDENCE, ID)) is None or known.tries != tries:
            await clock_of(books).advance(1)
    return known


async def test_gates_that_cannot_be_run_are_tried_again_and_then_the_lead_is_told_why(
    books: Books,
) -> None:
    async with proving(books, Ailing(99)) as engine:
        await told_so(books, 1)
        assert (await wait(engine, [ID], Until.ATTENTION, 0, 0)).reached is False
        assert attention(books.records.session(ID)) == (Attention.LEAD, "its turn ended")
        known = await told_so(books, TRIES)
        why = "the gates could not be run: the runtime went away"
        session = books.records.session(ID)
        assert (known.why, known.claimed, session.unproved) == (why, SAID_SO.done, why)
        assert attention(session) == (Attention.LEAD, f"its turn ended; {why}")
        assert "reports again" in (remedy(session) or "")
        assert (await wait(engine, [ID], Until.ATTENTION, 0, 0)).reached
        assert not is_owed(session, known)
        assert not is_shown(session, known)
        told = await books.journal(EventKind.EVIDENCE_UNVERIFIED)
        assert [one.body.why for one in told if isinstance(one.body, Shown)] == [why, why]
        await clock_of(books).advance(3600)
        assert books.records.find(EVIDENCE, ID) == known
        later = heard(session, said(HookKind.TURN_STARTED, 50))
        assert (later.done, later.unproved) == (None, None)
        assert heard(session, said(HookKind.REPORTED, 50, "done")).unproved is None


async def test_gates_that_can_be_run_again_are_run_for_the_same_word(books: Books) -> None:
    async with proving(books, Ailing(2)):
        known = await told_so(books, 2)
        assert known.put_off
        known = await told_so(books, 0)
        assert is_shown(books.records.session(ID), known)
        assert (known.claimed, books.records.session(ID).unproved) == (SAID_SO.done, None)


async def test_git_itself_need_not_be_asked_whether_a_branch_has_moved(tmp_path: Path) -> None:
    repository = await sample(tmp_path / "app")
    first = await repository.git("rev-parse", "HEAD")
    made = SimpleNamespace(common_dir=repository.path / ".git", workspace=None)
    project = cast("Project", made)
    session = a_session(branch="main")
    assert not await has_left(project, session, first)
    await repository.git("pack-refs", "--all")
    assert not await has_left(project, session, first)
    assert await has_left(project, session, "0" * 40)
    await repository.commit("a.txt")
    assert await has_left(project, session, first)
    assert not await has_left(project, a_session(branch="gone"), first)
