"""Who must act on a session, and why: derived from its facts, as its status is."""

from enum import StrEnum

from ao_core.model.activity import ActivityState
from ao_core.model.pause import MOST, Paused, PauseReason
from ao_core.model.session import (
    PrState,
    Session,
    SessionReason,
    SessionState,
    Status,
    activity_of,
    derive_status,
    has_no_place,
    is_terminal,
    is_waiting,
)


class Attention(StrEnum):
    """Who must act."""

    NONE = "none"
    LEAD = "lead"
    HUMAN = "human"


_LEAD = {
    Status.NEEDS_INPUT: "it waits for an answer",
    Status.STUCK: "it makes no progress",
    Status.ERRORED: "it failed",
    Status.MERGEABLE: "its work can be merged",
    Status.APPROVED: "its work is approved",
    Status.PR_OPEN: "its work is ready to look at",
    Status.CI_FAILED: "its checks fail",
    Status.CHANGES_REQUESTED: "changes were asked for",
    Status.TERMINATED: "its agent ended",
}


def attention(session: Session) -> tuple[Attention, str]:
    """Who must act on this session, and why, in one line. Whoever works is left to work."""
    if has_no_place(session) or _is_astray(session):
        return Attention.LEAD, session.standing.told(session.branch)
    if session.paused is not None and not is_terminal(session):
        return _standstill(session, session.paused)
    if session.facts.state is SessionState.WORKING:
        return Attention.NONE, ""
    if session.facts.reason is SessionReason.BLOCKED and is_waiting(session):
        return Attention.LEAD, session.facts.note or "it cannot start"
    if is_terminal(session) and session.pr.state is PrState.MERGED:
        return Attention.NONE, ""  # what it was there for is done
    status = derive_status(session)
    if status is Status.KILLED and session.facts.reason is SessionReason.RUNTIME_LOST:
        return Attention.LEAD, f"{session.facts.note or 'its runtime was lost'}; restore it"
    why = _LEAD.get(status)
    if why is None and status is Status.IDLE:
        why = "its turn ended"
    if why is None:
        return Attention.NONE, ""
    return Attention.LEAD, "; ".join(filter(None, (session.facts.note or why, session.unproved)))


def _standstill(session: Session, paused: Paused) -> tuple[Attention, str]:
    at_it = session.turn is not None or activity_of(session) is ActivityState.ACTIVE
    if paused.tries >= MOST and at_it and session.facts.state is SessionState.WORKING:
        return Attention.LEAD, "it is paused, but its turn goes on: `kill` ends it"
    if not paused.asks:
        return Attention.NONE, ""
    what = "its budget" if paused.why is PauseReason.BUDGET else "its agent's quota"
    return Attention.LEAD, f"{what} is used up: {paused.note}"


def _is_astray(session: Session) -> bool:
    """Whether its work is not where it belongs, and no question of its own comes first."""
    asks = session.facts.state is SessionState.NEEDS_INPUT
    return not (session.standing.is_firm or is_terminal(session) or asks)
