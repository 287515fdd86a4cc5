"""How the session axis moves, and what the journal is told of it."""

from dataclasses import replace
from datetime import datetime

from ao_core.model.event import Ended, EventKind, Moved, NewEvent
from ao_core.model.session import Session, SessionFacts, SessionReason, SessionState, worked
from ao_core.redact import visible
from ao_core.slots.runtime import Seen

_EVENT = {
    SessionState.WORKING: EventKind.SESSION_WORKING,
    SessionState.IDLE: EventKind.SESSION_IDLE,
    SessionState.NEEDS_INPUT: EventKind.SESSION_NEEDS_INPUT,
    SessionState.DETECTING: EventKind.SESSION_DETECTING,
    SessionState.STUCK: EventKind.SESSION_STUCK,
}


def moved(
    session: Session,
    state: SessionState,
    reason: SessionReason,
    at: datetime,
    note: str | None = None,
) -> tuple[Session, tuple[NewEvent, ...]]:
    """Move the session axis; no event when nothing changes."""
    before = session.facts
    if (before.state, before.reason, before.note) == (state, reason, note):
        return session, ()
    doubt = session.doubt if state in (SessionState.DETECTING, SessionState.STUCK) else None
    facts = SessionFacts(state, reason, at, note)
    after = replace(session, facts=facts, doubt=doubt, worked=worked(session, at))
    body = Moved(before.state, state, reason, note)
    return after, (NewEvent(_EVENT[state], body, session.project, session.id),)


def asking(session: Session, tool: str, at: datetime) -> tuple[Session, tuple[NewEvent, ...]]:
    """The session waits for a permission."""
    why = SessionReason.AWAITING_PERMISSION
    return moved(session, SessionState.NEEDS_INPUT, why, at, f"may it use {tool}?")


def ended(
    session: Session, reason: SessionReason, at: datetime, kind: EventKind, seen: Seen | None = None
) -> tuple[Session, tuple[NewEvent, ...]]:
    """The session is over, and the journal is told how it ended."""
    status, signal = (seen.exit_status, seen.exit_signal) if seen else (None, None)
    lost = seen.detail if seen and reason is SessionReason.RUNTIME_LOST else None
    note = visible(lost, 200) if lost else _how(status, signal)
    event = NewEvent(kind, Ended(reason, status, signal), session.project, session.id)
    return over(session, reason, at, note), (event,)


def over(session: Session, reason: SessionReason, at: datetime, note: str | None) -> Session:
    """The session is over."""
    facts = SessionFacts(SessionState.TERMINATED, reason, at, note)
    spent = worked(session, at)
    return replace(
        session, facts=facts, doubt=None, question=None, asked_at=None, worked=spent, precedents=()
    )


def _how(status: int | None, signal: int | None) -> str | None:
    if signal is not None:
        return f"its agent was ended by signal {signal}"
    return None if status is None else f"its agent ended with status {status}"
