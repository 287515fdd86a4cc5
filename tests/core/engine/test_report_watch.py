"""Workers that should have told of their work and have not, or told that they cannot go on."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ao_core.config.models import DEFAULT_REACTIONS
from ao_core.engine.case import Observation, Policy
from ao_core.engine.decide import decide
from ao_core.engine.report_watch import NEEDS_INPUT, NO_ACKNOWLEDGE, STALE, due, is_over
from ao_core.model.session import Session, SessionFacts, SessionReason, SessionState, Word
from ao_core.spool import HookEvent, HookKind
from ao_core.store.records import Pursuit
from books import START, a_session, over

FRESH = a_session(reason=SessionReason.SPAWN_REQUESTED)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def heard(session: Session, kind: HookKind, minutes: float, state: str | None = None) -> Session:
    hook = HookEvent(f"h{minutes}", kind, at(minutes), "how it goes", state=state)
    return decide(session, Observation(at(minutes), hooks=(hook,)), Policy()).session


def is_due(session: Session, key: str, minutes: float) -> bool:
    return due(session, key, DEFAULT_REACTIONS[key], at(minutes)) is not None


def test_one_that_says_nothing_after_its_start_is_asked_after_ten_minutes() -> None:
    assert not is_due(FRESH, NO_ACKNOWLEDGE, 9.9)
    assert is_due(FRESH, NO_ACKNOWLEDGE, 10)
    assert not is_due(replace(FRESH, commits=("c",)), NO_ACKNOWLEDGE, 10)
    for kind in (HookKind.TURN_STARTED, HookKind.REPORTED, HookKind.TURN_ENDED):
        assert not is_due(heard(FRESH, kind, 1), NO_ACKNOWLEDGE, 20)


def test_one_at_work_that_has_not_reported_for_half_an_hour_is_asked() -> None:
    working = heard(FRESH, HookKind.TURN_STARTED, 1)
    assert not is_due(working, STALE, 30.9)
    assert is_due(working, STALE, 31)
    reported = heard(working, HookKind.REPORTED, 20)
    assert not is_due(reported, STALE, 49)
    assert is_due(reported, STALE, 50)
    assert not is_due(heard(reported, HookKind.TURN_ENDED, 30), STALE, 500)
    assert not is_due(replace(working, turn="msg-1"), STALE, 500)


def test_who_reports_that_it_is_blocked_is_told_of_until_it_says_or_is_told_otherwise() -> None:
    blocked = heard(a_session(), HookKind.REPORTED, 1, "blocked")
    assert is_due(blocked, NEEDS_INPUT, 1)
    rests = heard(blocked, HookKind.TURN_ENDED, 2)
    assert is_due(rests, NEEDS_INPUT, 2)
    assert not is_due(heard(rests, HookKind.WAITING_INPUT, 3), NEEDS_INPUT, 3)
    assert not is_due(heard(rests, HookKind.ACCEPTED, 3), NEEDS_INPUT, 3)
    assert not is_due(heard(rests, HookKind.REPORTED, 3, "working"), NEEDS_INPUT, 3)


@pytest.mark.parametrize("key", [NO_ACKNOWLEDGE, STALE, NEEDS_INPUT])
def test_of_the_dead_and_the_paused_nothing_is_expected(key: str) -> None:
    said = replace(over(a_session()), word=Word(START, "blocked"))
    assert not is_due(said, key, 9_000)


def test_what_was_heard_since_ends_it() -> None:
    trigger = due(FRESH, NO_ACKNOWLEDGE, DEFAULT_REACTIONS[NO_ACKNOWLEDGE], at(10))
    assert trigger
    known = Pursuit("app-1", trigger.key, trigger.fingerprint, at(10), at(10), 1)
    assert not is_over(FRESH, known)
    assert is_over(heard(FRESH, HookKind.TURN_STARTED, 11), known)
    later = SessionFacts(SessionState.WORKING, SessionReason.SPAWN_REQUESTED, at(20))
    assert is_over(replace(FRESH, facts=later), known)  # a life of its own, after a restore
    assert not is_over(FRESH, replace(known, key="agent-stuck"))
