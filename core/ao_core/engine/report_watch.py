"""Who should have told of its work, and has not; and who told that it cannot go on. Pure.

Heard of is what a worker says itself: a report, a question, the end of a turn. One of which nothing
moves at all is stuck, which is another matter.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TypedDict

from ao_core.config.models import Reaction
from ao_core.course import STEADY, Course
from ao_core.engine.reaction_rules import Trigger
from ao_core.model.session import Session, SessionReason, SessionState, is_terminal
from ao_core.store.records import Mode, Pursuit

NO_ACKNOWLEDGE, STALE, NEEDS_INPUT = "report-no-acknowledge", "report-stale", "report-needs-input"
BLOCKED = "blocked"  # what a report calls work that cannot go on
_FRESH = 900.0  # seconds
_PATIENCE: Mapping[str, timedelta] = {
    NO_ACKNOWLEDGE: timedelta(minutes=10), STALE: timedelta(minutes=30), NEEDS_INPUT: timedelta(),
}  # fmt: skip


def _never_heard(session: Session) -> datetime | None:
    """Since when it should have taken up its task: it runs, and has said nothing at all."""
    begun = session.facts.reason is SessionReason.SPAWN_REQUESTED
    silent = session.word is None and not session.commits
    at_work = session.facts.state is SessionState.WORKING
    return session.facts.since if at_work and begun and silent else None


def _long_unheard(session: Session) -> datetime | None:
    """When it told of its work last, if it works: at the latest when it took it up.

    By protocol a turn is heard line by line, and nothing can be said to it before it ends.
    """
    at_work = session.facts.state is SessionState.WORKING and session.turn is None
    if not at_work or session.facts.reason is SessionReason.SPAWN_REQUESTED:
        return None
    return max(session.facts.since, session.word.at) if session.word else session.facts.since


def _cannot_go_on(session: Session) -> datetime | None:
    """When it reported so; a question of its own says more."""
    asks = session.facts.state in (SessionState.NEEDS_INPUT, SessionState.STUCK)
    word = session.word
    return word.at if word and word.state == BLOCKED and not asks else None


SINCE: Mapping[str, Callable[[Session], datetime | None]] = {
    NO_ACKNOWLEDGE: _never_heard, STALE: _long_unheard, NEEDS_INPUT: _cannot_go_on,
}  # fmt: skip


def holds(session: Session, key: str) -> bool:
    """Whether it is still so."""
    waits = session.paused is not None or is_terminal(session)
    return not waits and SINCE[key](session) is not None


def is_over(session: Session, known: Pursuit) -> bool:
    """Whether something was heard since it was reacted to."""
    if known.key not in SINCE:
        return False
    since = SINCE[known.key](session) if holds(session, known.key) else None
    return since is None or since.isoformat() != known.fingerprint


class Timing(TypedDict, total=False):
    """When a message is typed."""

    mode: Mode
    expires: float


def timing(key: str) -> Timing:
    """Who is at work is asked while it works, or not at all: afterwards it is no news."""
    return {"mode": Mode.NOW, "expires": _FRESH} if key in (NO_ACKNOWLEDGE, STALE) else {}


def due(
    session: Session, key: str, rule: Reaction, now: datetime, course: Course = STEADY
) -> Trigger | None:
    """What is to be reacted to now; the same as long as nothing new is heard."""
    since = SINCE[key](session) if holds(session, key) else None
    patience = _PATIENCE[key] if rule.threshold is None else rule.threshold
    if since is None or course.elapsed(since, now) < patience:
        return None
    return Trigger(session.id, key, since.isoformat(), "it was not heard of")
