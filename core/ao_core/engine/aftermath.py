"""What the journal is told of each member of a train. Pure.

What only the worker can mend is told as such, once the target is where the worker can see what it
was tried on: a conflict with work that did not reach the target is nobody's to mend yet.
"""

import hashlib
from dataclasses import replace

from ao_core.git.forecast import in_conflict
from ao_core.git.train import Fate, Outcome, Ride, TrainResult
from ao_core.model.event import EventKind, Merged, NewEvent
from ao_core.model.session import PrReason, PrState, Session
from ao_core.model.work import MergeMethod, Pull

DONE = frozenset({Fate.LANDED, Fate.ALREADY})
_APART = frozenset({Fate.ALREADY, Fate.CONFLICT, Fate.FAILED})  # nothing of it was on the train


def reason(ride: Ride) -> str | None:
    """Why it was not merged, in one line or more."""
    if ride.fate is Fate.CONFLICT:
        return in_conflict(ride.whom, ride.files)
    return ride.why


def news(
    session: Session, pull: Pull, method: MergeMethod, result: TrainResult, ride: Ride
) -> NewEvent | None:
    """The line for one member; None where nothing happened to it."""
    kind = _kind(session.base, result, ride)
    if kind is None:
        return None
    why = reason(ride)
    stands = (*result.blockers, why) if ride.fate is Fate.READY else (why,)
    body = Merged(
        session.base, method, ride.commit, result.ref if ride.fate is Fate.READY else None,
        tuple(one for one in stands if one) if kind is EventKind.MERGE_BLOCKED else (),
        ride.files, pull.head, result.onto, ride.whom, why,
    )  # fmt: skip
    return NewEvent(kind, body, session.project, session.id)


def mark(told: NewEvent | None) -> str:
    """What is told, in short: the same again is no news."""
    return hashlib.sha256(repr((told.kind, told.body) if told else None).encode()).hexdigest()[:16]


def left_behind(session: Session, ride: Ride) -> Session:
    """What is known to fail or to be in conflict is not shown as if it could be merged."""
    pr = session.pr
    if ride.unproved and pr.state is PrState.OPEN:
        return replace(session, pr=replace(pr, reason=PrReason.CI_FAILING))
    if ride.fate is Fate.CONFLICT and pr.reason is PrReason.MERGE_READY:
        return replace(session, pr=replace(pr, reason=PrReason.APPROVED))
    return session


def _kind(target: str, result: TrainResult, ride: Ride) -> EventKind | None:
    if ride.fate in DONE:
        return EventKind.MERGE_COMPLETED
    if ride.fate is Fate.LEFT_OUT:
        return None
    if not _is_mendable(target, result, ride):
        return EventKind.MERGE_BLOCKED
    if ride.fate is Fate.CONFLICT:
        return EventKind.MERGE_CONFLICTS
    return EventKind.MERGE_FAILED if ride.unproved else EventKind.MERGE_BLOCKED


def _is_mendable(target: str, result: TrainResult, ride: Ride) -> bool:
    """Whether the target, as it is now, has all that this one was tried on."""
    if result.outcome in (Outcome.LANDED, Outcome.NOTHING) or target in ride.whom:
        return True
    before = result.members[: result.members.index(ride)]
    return all(one.fate in _APART for one in before)
