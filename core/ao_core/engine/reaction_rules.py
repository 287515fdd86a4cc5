"""What happens that is reacted to, what ends it, and what one occurrence leads to. Pure.

The same evidence is acted upon once. What comes back with other evidence counts as one attempt
more, until it is over or nobody but a person can help.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ao_core.config.models import Reaction
from ao_core.course import STEADY, Course
from ao_core.model.event import Ended, Event, EventKind, Merged, PullSeen
from ao_core.model.session import (
    PrReason,
    PrState,
    Session,
    SessionReason,
    SessionState,
    is_terminal,
)
from ao_core.store.codec import encode
from ao_core.store.records import Pursuit

ALL_COMPLETE, IDLE = "all-complete", "agent-idle"
_REMEMBERED = 50
_K = EventKind

_CAUSES: Mapping[EventKind, str] = {
    _K.CI_FAILING: "ci-failed",
    _K.REVIEW_CHANGES_REQUESTED: "changes-requested",
    _K.REVIEW_COMMENTS_UNRESOLVED: "changes-requested",
    _K.AUTOMATED_REVIEW_FOUND: "bugbot-comments",
    _K.MERGE_CONFLICTS: "merge-conflicts",
    _K.MERGE_FAILED: "merge-failed",
    _K.MERGE_READY: "approved-and-green",
    _K.SESSION_STUCK: "agent-stuck",
    _K.WORKSPACE_ASTRAY: "agent-stuck",
    _K.SESSION_NEEDS_INPUT: "agent-needs-input",
    _K.SESSION_EXITED: "agent-exited",
    _K.PR_CLOSED: "pr-closed",
}

_MOVED = ("agent-stuck", "agent-needs-input", "agent-exited")
_MERGING = ("merge-conflicts", "merge-failed", "approved-and-green")
_OPEN = ("ci-failed", "changes-requested", "bugbot-comments", "merge-conflicts", "merge-failed")
_ENDS: Mapping[EventKind, tuple[str, ...]] = {
    _K.SESSION_WORKING: ("agent-stuck", "agent-needs-input"),
    _K.SESSION_IDLE: ("agent-stuck", "agent-needs-input"),
    _K.SESSION_RESTORED: (*_MOVED, IDLE, "pr-closed"),
    _K.WORKSPACE_FOUND: ("agent-stuck",),
    _K.SESSION_COMMITTED: (IDLE,),
    _K.SESSION_REPORTED: (IDLE,),
    _K.SESSION_KILLED: (*_MOVED, IDLE, *_OPEN, "approved-and-green"),
    _K.PR_CREATED: (IDLE, "pr-closed"),
    _K.PR_UPDATED: _MERGING,
    _K.PR_MERGED: (*_OPEN, "approved-and-green", IDLE),
    _K.PR_CLOSED: (*_OPEN, "approved-and-green"),
    _K.CI_PASSING: ("ci-failed",),
    _K.REVIEW_APPROVED: ("changes-requested", "bugbot-comments"),
    _K.MERGE_COMPLETED: _MERGING,
}
_STATES: Mapping[str, SessionState] = {
    "agent-stuck": SessionState.STUCK,
    "agent-needs-input": SessionState.NEEDS_INPUT,
    IDLE: SessionState.IDLE,
}
BEGINS = frozenset({_K.SESSION_SPAWN_STARTED, _K.SESSION_RESTORED, _K.SESSION_WORKING})
OVERS = frozenset({
    _K.SESSION_EXITED, _K.SESSION_KILLED, _K.SESSION_SPAWN_FAILED, _K.PR_MERGED,
    _K.EVIDENCE_VERIFIED, _K.EVIDENCE_UNVERIFIED,
})  # fmt: skip


class Act(StrEnum):
    """What is to be done."""

    NOTHING = "nothing"
    SEND = "send-to-agent"
    TELL = "notify"
    MERGE = "auto-merge"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True)
class Trigger:
    """Something happened to a subject: a session, or a project."""

    subject: str
    key: str
    fingerprint: str
    cause: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be done, and what is known of it from then on."""

    act: Act
    pursuit: Pursuit | None


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a merge: all is `fine`, `later` it may be, or it was called `off`."""

    fine: bool = False
    why: str = ""
    later: bool = False
    off: bool = False


def trigger_of(event: Event) -> Trigger | None:
    """What an event gives cause to."""
    key = "agent-exited" if _is_lost(event) else _CAUSES.get(event.kind)
    if key is None or event.session is None:
        return None
    return Trigger(event.session, key, _fingerprint(event), event.kind)


def is_told(event: Event | None) -> bool:
    """Whether the worker was sent word of it together with the event: then it begins anew."""
    return event is not None and isinstance(event.body, PullSeen) and bool(event.body.message)


def _is_lost(event: Event) -> bool:
    """Whether its runtime went away under it; whoever kills a session knows of it."""
    body = event.body
    return isinstance(body, Ended) and body.reason == SessionReason.RUNTIME_LOST


def _fingerprint(event: Event) -> str:
    """The same for the same evidence, however often it is seen."""
    body = event.body
    if isinstance(body, PullSeen):
        return _short(f"{body.head} {body.detail}")
    if isinstance(body, Merged):
        tried = f"{body.head} {body.onto}" if body.head else sorted(body.conflicts)
        return _short(f"{body.target} {tried}")
    return _short(encode(body))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


_STILL = ("agent-stuck", IDLE, "approved-and-green")


def again(session: Session, event: Event) -> Trigger | None:
    """What was held back while the session was paused, and is still so once it goes on."""
    ready = session.pr.state is PrState.OPEN and session.pr.reason is PrReason.MERGE_READY
    if event.kind is not _K.SESSION_RESUMED or not ready:
        return None
    return Trigger(session.id, "approved-and-green", _short(str(session.pr.head)), event.kind)


def holds(session: Session, key: str) -> bool:
    """Whether what happened is still so: a reader that comes late acts on nothing that is over.

    Of a session that is paused it is no news that it stands still, and nothing of it is merged.
    """
    if session.paused is not None and key in _STILL:
        return False
    if key in _OPEN or key == "approved-and-green":
        return session.pr.state is PrState.OPEN
    if key == "agent-exited":
        return is_terminal(session)
    if key == "pr-closed":
        return session.pr.state is PrState.CLOSED
    if key == "agent-stuck" and not session.standing.is_firm:
        return not is_terminal(session)
    return session.facts.state is _STATES.get(key, session.facts.state)


def ended_by(event: Event) -> tuple[str, ...]:
    """The reactions whose cause is over with this event."""
    return _ENDS.get(event.kind, ())


def react(
    rule: Reaction, known: Pursuit | None, trigger: Trigger, at: datetime,
    course: Course = STEADY,
) -> Answer:  # fmt: skip
    """One occurrence, in view of what was done before."""
    if known is not None and (known.escalated or known.knows(trigger.fingerprint)):
        return Answer(Act.NOTHING, known)
    first, before = (known.first_at, known.attempts) if known else (at, 0)
    tried = before + 1
    act = Act(rule.action) if rule.auto else Act.TELL
    if act is not Act.TELL and _is_exhausted(rule, tried, course.elapsed(first, at)):
        act = Act.ESCALATE
    pursuit = Pursuit(
        trigger.subject, trigger.key, trigger.fingerprint, first, at, tried,
        escalated=act is Act.ESCALATE, pending=act is Act.MERGE,
        seen=(*known.seen, known.fingerprint)[-_REMEMBERED:] if known else (),
    )  # fmt: skip
    return Answer(act, pursuit)


def _is_exhausted(rule: Reaction, attempts: int, elapsed: timedelta) -> bool:
    limits = [rule.retries, rule.escalate_after]
    too_many = any(isinstance(limit, int) and attempts > limit for limit in limits)
    return too_many or _is_late(rule, elapsed)


def is_left(
    rule: Reaction, known: Pursuit, at: datetime, course: Course = STEADY, *, tries: int
) -> bool:
    """Whether it may be tried so often; `tries` is how often where the rule does not say."""
    if rule.retries is None and rule.escalate_after is None:
        return known.attempts <= tries
    return not _is_exhausted(rule, known.attempts, course.elapsed(known.first_at, at))


def _is_late(rule: Reaction, elapsed: timedelta) -> bool:
    return isinstance(rule.escalate_after, timedelta) and elapsed >= rule.escalate_after


def is_overdue(rule: Reaction, known: Pursuit, at: datetime, course: Course = STEADY) -> bool:
    """Whether what was tried has not helped in the time it was given."""
    tried = rule.auto and rule.action != "notify" and not known.escalated
    return tried and _is_late(rule, course.elapsed(known.first_at, at))
