"""Restore: bring an ended worker back, with its branch, its saved work and its prompts; and let one
that is paused go on.
"""

from collections.abc import Sequence
from dataclasses import replace

from ao_core.engine import environment
from ao_core.engine.adopting import require_unused
from ao_core.engine.caller import Caller
from ao_core.engine.engine import Engine
from ao_core.engine.keys import Ticket
from ao_core.engine.launching import bring_up
from ao_core.engine.pausing import allow_resume, allow_start, braked, resume
from ao_core.engine.project import Project
from ao_core.engine.queue import is_of_the_queue, take_back
from ao_core.engine.records import Step
from ao_core.engine.starting import failed, settled
from ao_core.errors import WrongState
from ao_core.ids import SessionId
from ao_core.model.budget import Budget
from ao_core.model.pause import Paused
from ao_core.model.session import (
    PrFacts,
    PrReason,
    PrState,
    RuntimeFacts,
    Session,
    SessionFacts,
    SessionReason,
    SessionState,
    is_terminal,
)
from ao_core.model.standing import FIRM
from ao_core.store.contract import Change
from ao_core.store.records import SESSION, IntentKind, Outcome

_ENDED_PR = (PrState.MERGED, PrState.CLOSED)


async def back_to_work(
    engine: Engine, caller: Caller, id: SessionId, ticket: Ticket, budget: Budget | None = None
) -> Session:
    """Bring it back where it has ended, and let it go on where it is paused, with this budget."""
    session, by = engine.session(id), caller.session or str(caller.role)
    before = session.paused
    if ticket.subject is None:
        if not is_terminal(session) and (session.paused is not None or budget is not None):
            return (await resume(engine, id, by, ticket, budget)).session
        allow_resume(engine, session, (budget or Budget()).over(session.budget))
    session = await restore(engine, caller, id, ticket)
    if is_terminal(session) or not (_is_its_own(before, ticket) or (budget and not ticket.subject)):
        return session
    return (await resume(engine, id, by, Ticket(), budget)).session


def _is_its_own(paused: Paused | None, ticket: Ticket) -> bool:
    """Whether a pause is one that this call is to end: a repetition ends no later one."""
    begun = ticket.use.created_at if ticket.subject and ticket.use else None
    return paused is not None and (begun is None or paused.since <= begun)


async def restore(engine: Engine, caller: Caller, id: SessionId, ticket: Ticket) -> Session:
    """Bring it back; refused while it runs. With a key that was used before, as it came out."""
    session = engine.session(id) if ticket.subject is None else await settled(engine, id)
    if ticket.subject is not None and session.facts.reason is not SessionReason.ERROR_IN_PROCESS:
        return session
    if not is_terminal(session) and not is_of_the_queue(session):
        raise WrongState(f"{id} has not ended.", hint="`send` reaches it; `kill` ends it.")
    allow_start(engine)
    project = await engine.projects.seen_by(caller, await engine.project_of(session))
    agent = await engine.projects.agent(project, session.agent)
    await engine.projects.agent_found(project, session.agent, caller)
    granted = await engine.projects.grant(project, agent, caller)
    environment.require(
        session.credentials,
        environment.layered(project.settings.env, granted, engine.login()),
    )
    if is_of_the_queue(session):
        return await take_back(engine, project, id, ticket, granted)
    engine.grants[id] = granted
    return await engine.detached(lambda: _restore(engine, id, project, ticket))


async def _restore(engine: Engine, id: SessionId, project: Project, ticket: Ticket) -> Session:
    async with engine.alone(id):
        session = engine.session(id)
        if not is_terminal(session):
            return session
        require_unused(engine, project, session.branch)
        if session.run.handle is not None:
            await (await engine.runtime_of(session)).destroy(session.run.handle)
        intent = await engine.intents.begin(IntentKind.RESTORE, id, str(session.generation + 1))
        used = ticket.used_for(id)
        await engine.records.update(SESSION, id, lambda now: _again(engine, now, used))
        return await again(engine, id, project, intent.id)


async def again(engine: Engine, id: SessionId, project: Project, intent: str) -> Session:
    """Bring a session up whose restoring was begun."""
    try:
        session = await bring_up(engine, id, project, resume=True)
    except Exception as exc:
        await failed(engine, id, exc, intent)
        raise
    end = engine.intents.end
    await engine.noted(lambda: end(intent, Outcome.DONE), f"the return of {id} is noted")
    return session


def _again(engine: Engine, session: Session, beside: Sequence[Change]) -> Step:
    now = engine.clock.now()
    pr = session.pr
    if pr.state in _ENDED_PR:
        pr = PrFacts(PrState.NONE, PrReason.CLEARED_ON_RESTORE)
    facts = SessionFacts(SessionState.NOT_STARTED, SessionReason.SPAWN_REQUESTED, now)
    after = replace(
        session,
        facts=facts,
        pr=pr,
        run=RuntimeFacts(),
        activity=None,
        doubt=None,
        question=None,
        asked_at=None,
        heard=0,
        standing=FIRM,
        word=None,
        generation=session.generation + 1,
    )
    step = braked(engine, after) or Step(after)  # all may have been paused since it was begun
    return replace(step, beside=tuple(beside))
