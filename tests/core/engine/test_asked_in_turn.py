"""A question that a worker asks in its turn, by another way than the turn's own signs."""

from datetime import timedelta

from ao_core.engine.case import Observation, Policy, Want
from ao_core.engine.decide import decide
from ao_core.engine.moves import asking, moved
from ao_core.model.activity import Source
from ao_core.model.session import Session
from ao_core.model.session import SessionReason as R
from ao_core.model.session import SessionState as S
from ao_core.spool import HookEvent, HookKind
from books import START, a_session


def heard(session: Session, *kinds: HookKind, text: str = "") -> Session:
    """It says one thing after the other, by protocol."""
    for second, kind in enumerate(kinds, 1):
        at = START + timedelta(seconds=second)
        hook = HookEvent(f"{kind}-{second}", kind, at, text or None)
        seen = Observation(at, hooks=(hook,), source=Source.PROTOCOL)
        session = decide(session, seen, Policy()).session
    return session


def asked(*before: HookKind) -> Session:
    return heard(heard(a_session(), *before), HookKind.WAITING_INPUT, text="which one?")


def test_the_sign_of_a_turn_that_comes_late_forgets_no_question_asked_in_it() -> None:
    session = heard(asked(HookKind.TURN_STARTED), HookKind.ACCEPTED)
    assert (session.facts.state, session.question) == (S.NEEDS_INPUT, "which one?")


def test_the_turn_that_answers_it_does() -> None:
    session = heard(asked(), HookKind.TURN_STARTED, HookKind.ACCEPTED)
    assert (session.facts.state, session.question) == (S.WORKING, None)


def test_it_is_open_once_its_turn_has_ended_even_if_a_permission_was_given_meanwhile() -> None:
    waits, _ = asking(asked(HookKind.TURN_STARTED), "run", START)
    goes_on, _ = moved(waits, S.WORKING, R.TASK_IN_PROGRESS, START)
    facts = heard(goes_on, HookKind.TURN_ENDED, text="I have asked.").facts
    assert (facts.state, facts.reason) == (S.NEEDS_INPUT, R.AWAITING_USER_INPUT)


def test_a_turn_that_ends_with_an_open_question_still_lets_messages_through() -> None:
    session = asked(HookKind.TURN_STARTED)
    at = START + timedelta(seconds=9)
    hook = HookEvent("e", HookKind.TURN_ENDED, at, "I have asked.")
    decided = decide(session, Observation(at, hooks=(hook,), source=Source.PROTOCOL), Policy())
    assert decided.wants >= {Want.OUTBOX, Want.PULL}
    assert decided.session.facts.note == "which one?"
