"""Review a worker's work: what is said holds for one commit, and what is asked goes to the worker.

The host keeps the review first. Then one commit has how the work stands, the worker's message and
what the journal is told; a call that is repeated after a crash finds the review kept, and keeps it
no second time.
"""

import logging
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import cast

from ao_core import prompt
from ao_core.engine.caller import Caller
from ao_core.engine.engine import Engine
from ao_core.engine.keys import Ticket
from ao_core.engine.merge import candidate, look_at_head, seen, work_of
from ao_core.engine.project import Project
from ao_core.engine.records import Step
from ao_core.errors import BadRequest, WrongState
from ao_core.ids import SessionId
from ao_core.model.event import EventKind, NewEvent, PullSeen
from ao_core.model.evidence import Verdict
from ao_core.model.session import PrReason, PrState, Session, is_terminal
from ao_core.model.work import (
    MergeMethod,
    Pull,
    PullState,
    Review,
    ReviewComment,
    ReviewDecision,
    ReviewState,
)
from ao_core.redact import visible
from ao_core.slots.scm import Judging, Reviewable
from ao_core.store.contract import Change
from ao_core.store.records import EVIDENCE, SESSION, Message

_log = logging.getLogger(__name__)
_ORIGIN = "review"
_JOURNALLED = 4_000
_LONGEST = 60_000
_REASONS = {
    ReviewDecision.APPROVED: PrReason.APPROVED,
    ReviewDecision.CHANGES_REQUESTED: PrReason.CHANGES_REQUESTED,
    ReviewDecision.PENDING: PrReason.REVIEW_PENDING,
}


class Opinion(StrEnum):
    """What a reviewer thinks."""

    APPROVE = "approve"
    CHANGES = "changes"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something said of a line, of a file, or of all of it."""

    body: str
    path: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A review before it is anybody's."""

    opinion: Opinion
    body: str = ""
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What became of a review: its commit, and the message that takes it to the worker."""

    session: Session
    head: str
    message: str | None = None


async def review(
    engine: Engine, caller: Caller, id: SessionId, said: Said, ticket: Ticket
) -> Reviewed:
    """Keep a review of the last commit, and have the worker know what is asked of it."""
    text = _text(said)
    if said.opinion is Opinion.CHANGES and not text:
        raise BadRequest("Nothing is asked for.", hint="Say what has to change.")
    if len(text) > _LONGEST:
        raise BadRequest(f"A review has at most {_LONGEST} characters.", hint="Make it shorter.")
    if ticket.subject is not None:
        head, _, message = ticket.subject.partition(" ")
        return Reviewed(engine.session(id), head, message or None)
    return await engine.detached(lambda: _alone(engine, caller, id, said, ticket))


async def _alone(
    engine: Engine, caller: Caller, id: SessionId, said: Said, ticket: Ticket
) -> Reviewed:
    async with engine.alone(id):
        project = await engine.project_of(engine.session(id))
        session, pull = await _reviewable(engine, project, id, said)
        await _keep(project, pull, said, str(caller.role), engine)
        decision = await project.scm.decision(pull)
        reviewed = await _committed(engine, session, pull, said, decision, ticket)
    if reviewed.message:
        engine.deliver(id)
    else:
        await consider(engine, id)
    return replace(reviewed, session=engine.session(id))


async def _reviewable(
    engine: Engine, project: Project, id: SessionId, said: Said
) -> tuple[Session, Pull]:
    session = await look_at_head(engine, id)
    if said.opinion is Opinion.CHANGES and is_terminal(session):
        raise WrongState(f"{id} has ended: nobody would change it.", hint="`restore` it first.")
    pull = await project.scm.find(work_of(session))
    if pull is None:
        raise WrongState(f"{id} has no work to review yet.", hint="Wait until it has committed.")
    if pull.state is not PullState.OPEN:
        raise WrongState(f"The work of {id} is {pull.state} already.")
    if not isinstance(project.scm, Reviewable):
        hint = "Review it there, or `send` what has to change."
        raise WrongState(f"{project.scm.name} takes no reviews from here.", hint=hint)
    return await seen(engine, id, pull), pull


async def _keep(project: Project, pull: Pull, said: Said, by: str, engine: Engine) -> None:
    state = ReviewState.CHANGES_REQUESTED
    if said.opinion is Opinion.APPROVE:
        state = ReviewState.APPROVED
    remarks = [
        ReviewComment(str(count), by, one.body, one.path, one.line)
        for count, one in enumerate(said.remarks)
    ]
    made = Review(by, state, said.body, engine.clock.now())
    await cast("Reviewable", project.scm).review(pull, made, remarks)


async def _committed(
    engine: Engine, session: Session, pull: Pull, said: Said, decision: ReviewDecision,
    ticket: Ticket,
) -> Reviewed:  # fmt: skip
    message = await _message(engine, session, pull, said)
    id = message.id if message else None
    detail = visible(_text(said), _JOURNALLED) or None
    body = PullSeen(pull.number, pull.url, pull.head, detail, id)
    event = NewEvent(_kind(said, decision), body, session.project, session.id)

    def step(now: Session) -> Step:
        pr = replace(now.pr, reason=_REASONS.get(decision, now.pr.reason))
        beside: list[Change] = [*ticket.used_for(f"{pull.head} {id or ''}")]
        events = [event]
        if message:
            put, queued = engine.outbox.queueing(now, message)
            beside.append(put)
            events.append(queued)
        return Step(replace(now, pr=pr), tuple(events), tuple(beside))

    return Reviewed(await engine.records.update(SESSION, session.id, step), pull.head, id)


def _kind(said: Said, decision: ReviewDecision) -> EventKind:
    """An approval counts once nobody else wants changes."""
    if said.opinion is Opinion.CHANGES:
        return EventKind.REVIEW_CHANGES_REQUESTED
    approved = decision is ReviewDecision.APPROVED
    return EventKind.REVIEW_APPROVED if approved else EventKind.REVIEW_PENDING


async def _message(engine: Engine, session: Session, pull: Pull, said: Said) -> Message | None:
    """What the worker is sent: what is asked for, never a mere approval."""
    if said.opinion is Opinion.APPROVE:
        return None
    text = prompt.review_prompt(pull.head[:12], _text(said))
    highest = await engine.best_receipt(session)
    return engine.outbox.compose(session, text, _ORIGIN, highest=highest)


def _text(said: Said) -> str:
    lines = [f"{_place(one)}{one.body.strip()}" for one in said.remarks]
    return "\n\n".join(part for part in (said.body.strip(), *lines) if part)


def _place(one: Remark) -> str:
    if one.path is None:
        return ""
    return f"{one.path}: " if one.line is None else f"{one.path}:{one.line}: "


# -- whether it can be merged now ------------------------------------------------------------------


def is_approved(session: Session) -> bool:
    """Whether its work is approved, and nobody has seen yet that it can be merged."""
    return session.pr.state is PrState.OPEN and session.pr.reason is PrReason.APPROVED


async def consider(engine: Engine, id: SessionId) -> None:
    """Say once that approved work can be merged: its turn is over and nothing stands in the way."""
    if not is_approved(engine.session(id)):
        return
    project = await engine.project_of(engine.session(id))
    if isinstance(project.scm, Judging):
        return  # it says so itself
    found = await candidate(engine, project, id)
    pull, known = found.pull, engine.records.find(EVIDENCE, id)
    if pull is None or found.blockers or not is_approved(found.session):
        return
    failed = known is not None and (known.verdict, known.commit) == (Verdict.FAILED, pull.head)
    judged = await project.scm.mergeability(pull, MergeMethod.MERGE)
    if judged.mergeable and not failed:
        await engine.records.update(SESSION, id, lambda now: _ready(now, pull))


async def reconsider(engine: Engine, id: SessionId) -> None:
    """The same, for whoever waits for nothing: its turn may have ended since it was approved."""
    try:
        await consider(engine, id)
    except Exception:  # one session's trouble must not end the engine
        _log.exception("whether %s can be merged was not found out", id)


def _ready(now: Session, pull: Pull) -> Step | None:
    if not is_approved(now) or now.pr.head != pull.head:
        return None
    body = PullSeen(pull.number, pull.url, pull.head)
    event = NewEvent(EventKind.MERGE_READY, body, now.project, now.id)
    return Step(replace(now, pr=replace(now.pr, reason=PrReason.MERGE_READY)), (event,))
