"""A turn or a dialog that a person ended at the agent's own keyboard."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ao_core.engine.case import Decided, Observation, Policy
from ao_core.engine.decide import decide
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.session import Session
from ao_core.model.session import SessionState as S
from ao_core.spool import HookEvent, HookKind
from books import START, a_session


def hook(kind: HookKind, seconds: float) -> HookEvent:
    return HookEvent(f"h{seconds}", kind, START + timedelta(seconds=seconds))


def look(session: Session, seconds: float, **seen: object) -> Decided:
    at = START + timedelta(seconds=seconds)
    return decide(session, replace(Observation(at), **seen), Policy())  # type: ignore[arg-type]


def test_that_a_dialog_was_closed_moves_nobody_who_waits_for_none() -> None:
    """It is told late: the turn, and all that came of the answer, may be over."""
    asked = look(a_session(), 1, hooks=(hook(HookKind.PERMISSION_ASKED, 1),)).session
    rests = look(asked, 3, hooks=(hook(HookKind.TURN_ENDED, 3),)).session
    assert look(rests, 5, hooks=(hook(HookKind.PERMISSION_ENDED, 4),)).session == rests
    assert (
        look(asked, 5, hooks=(hook(HookKind.PERMISSION_ENDED, 4),)).session.facts.state is S.WORKING
    )


@pytest.mark.parametrize("begun", [HookKind.TURN_STARTED, HookKind.PERMISSION_ASKED])
def test_a_turn_that_was_broken_off_ends_by_a_log_that_says_so(begun: HookKind) -> None:
    session = look(a_session(), 1, hooks=(hook(begun, 1),)).session
    at = START + timedelta(seconds=40)
    said = Activity(ActivityState.READY, at, Source.NATIVE, over=True)
    assert look(session, 60, activity=said).session.facts.state is S.IDLE
    earlier = replace(said, at=said.at - timedelta(seconds=39))
    assert look(session, 60, activity=earlier).session.facts.state is session.facts.state


def test_what_it_asks_by_our_own_tool_is_open_until_it_is_told_something() -> None:
    """It ends its turn to hear the answer; in between it may still have used other tools."""
    session = look(a_session(), 1, hooks=(hook(HookKind.TURN_STARTED, 1),)).session
    question = replace(hook(HookKind.ASKED, 2), text="Blue or red?")
    session = look(session, 2, hooks=(question,)).session
    session = look(session, 3, hooks=(hook(HookKind.PERMISSION_ASKED, 3),)).session
    session = look(session, 4, hooks=(hook(HookKind.PERMISSION_ENDED, 4),)).session
    session = look(session, 5, hooks=(hook(HookKind.TURN_ENDED, 5),)).session
    assert (session.facts.state, session.question) == (S.NEEDS_INPUT, "Blue or red?")
    session = look(session, 6, hooks=(hook(HookKind.TURN_STARTED, 6),)).session
    assert (session.facts.state, session.question) == (S.WORKING, None)
    session = look(session, 7, hooks=(hook(HookKind.TURN_ENDED, 7),)).session
    assert session.facts.state is S.IDLE
