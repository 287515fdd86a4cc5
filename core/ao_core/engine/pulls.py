"""What a look at a pull request makes of a session's second axis. Pure, like `decide`."""

from dataclasses import replace
from datetime import datetime

from ao_core.model.event import EventKind, NewEvent, PullSeen
from ao_core.model.session import PrFacts, PrReason, PrState, Session
from ao_core.model.work import Pull, PullState

_AXIS = {
    PullState.OPEN: (PrState.OPEN, PrReason.IN_PROGRESS),
    PullState.MERGED: (PrState.MERGED, PrReason.MERGED),
    PullState.CLOSED: (PrState.CLOSED, PrReason.CLOSED_UNMERGED),
}
_ENDED = {PullState.MERGED: EventKind.PR_MERGED, PullState.CLOSED: EventKind.PR_CLOSED}


def pulled(session: Session, pull: Pull, at: datetime) -> tuple[Session, NewEvent | None]:
    """The session with what was seen, and the event that tells of it; None if nothing is new."""
    if _is_known(session.pr, pull):
        return session, None
    state, reason = _AXIS[pull.state]
    judged = session.pr.judged if session.pr.number == pull.number else None
    facts = PrFacts(state, reason, pull.number, pull.url, pull.head, at, judged)
    after = replace(session, pr=facts, merged_as=pull.merged_as or session.merged_as)
    body = PullSeen(pull.number, pull.url, pull.head)
    return after, NewEvent(_kind(session.pr, pull), body, session.project, session.id)


def _is_known(known: PrFacts, pull: Pull) -> bool:
    """What is merged stays merged, whatever is seen of it later."""
    if known.number != pull.number:
        return False
    if known.state is PrState.MERGED:
        return True
    same_head = known.head == pull.head or pull.state is not PullState.OPEN
    return known.state is _AXIS[pull.state][0] and same_head


def _kind(known: PrFacts, pull: Pull) -> EventKind:
    if pull.state is not PullState.OPEN:
        return _ENDED[pull.state]
    old = known.state is PrState.OPEN and known.number == pull.number
    return EventKind.PR_UPDATED if old else EventKind.PR_CREATED
