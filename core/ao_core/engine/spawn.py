"""Spawn: check everything, reserve a name, bring the agent up, or leave nothing behind."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import anyio

from ao_core.engine.caller import Caller
from ao_core.engine.engine import Engine
from ao_core.engine.environment import Grant
from ao_core.engine.keys import Ticket
from ao_core.engine.launching import bring_up
from ao_core.engine.moves import ended
from ao_core.engine.project import Project
from ao_core.engine.records import Step
from ao_core.engine.side import git_for
from ao_core.errors import (
    AoError,
    BadRequest,
    Conflict,
    NotInstalled,
    StoreUnavailable,
    Unknown,
    raise_all,
)
from ao_core.ids import SessionId, branch_name, new_branch, session_id
from ao_core.model.event import EventKind, NewEvent, Said, Started
from ao_core.model.session import (
    Drive,
    PermissionMode,
    Session,
    SessionFacts,
    SessionReason,
    SessionState,
    is_terminal,
)
from ao_core.model.work import Issue
from ao_core.redact import visible
from ao_core.slots.agent import Agent, Conversable
from ao_core.store.contract import Put
from ao_core.store.records import COUNTER, SESSION, Counter, Intent, IntentKind, Outcome

_ATTEMPTS = 20
_NOTING = 3.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller wants."""

    project: str | None = None
    issue: str | None = None
    prompt: str | None = None
    agent: str | None = None
    model: str | None = None
    branch: str | None = None
    base: str | None = None
    permissions: PermissionMode | None = None
    drive: Drive | None = None


@dataclass(frozen=True, slots=True)
class _Checked:
    project: Project
    agent: str
    drive: Drive
    runtime: str
    issue: Issue | None
    base: str
    base_commit: str
    grant: Grant


async def spawn(engine: Engine, caller: Caller, wish: Wish, ticket: Ticket) -> Session:
    """Start a worker. With a key that was used before, this is the session it started."""
    if ticket.subject is not None:
        return await _repeated(engine, caller, wish, session_id(ticket.subject))
    if not wish.issue and not (wish.prompt or "").strip():
        raise BadRequest("There is nothing to do.", hint="Give `issue`, `prompt`, or both.")
    checked = await _check(engine, caller, wish)
    session = await _reserve(engine, checked, wish, ticket)
    engine.grants[session.id] = checked.grant
    return await engine.detached(lambda: carry_out(engine, session.id, checked.project))


async def _repeated(engine: Engine, caller: Caller, wish: Wish, id: SessionId) -> Session:
    """What an earlier call under the same key started; where it could not, this one does."""
    session = await settled(engine, id)
    if not _never_ran(session):
        return await started(engine, id)
    checked = await _check(engine, caller, wish)
    engine.grants[id] = checked.grant
    intent = engine.intents.beginning(IntentKind.SPAWN, id, "1")
    await engine.records.update(SESSION, id, lambda now: _anew(engine, now, intent))
    return await engine.detached(lambda: carry_out(engine, id, checked.project, redo=True))


def _never_ran(session: Session) -> bool:
    failed = session.facts.reason is SessionReason.ERROR_IN_PROCESS
    return failed and session.generation == 1 and session.run.handle is None


def _anew(engine: Engine, session: Session, intent: Put[Intent]) -> Step | None:
    if not _never_ran(session):  # somebody was faster
        return None
    now = engine.clock.now()
    facts = SessionFacts(SessionState.NOT_STARTED, SessionReason.SPAWN_REQUESTED, now)
    return Step(replace(session, facts=facts), (_announced(session),), (intent,))


# -- check ---------------------------------------------------------------------------------------


async def _check(engine: Engine, caller: Caller, wish: Wish) -> _Checked:
    """Look at everything that could fail, and tell all of it at once."""
    project = await engine.projects.for_caller(caller, wish.project)
    named = wish.agent or project.settings.agent or await engine.projects.first_agent(caller)
    agent = _Check(lambda: _agent(engine, caller, project, named))
    held = _Check(lambda: _held(engine, project, named, wish.drive or project.settings.drive))
    issue = _Check(lambda: _issue(project, wish))
    base = _Check(lambda: _base(project, wish))
    checks = (agent, held, issue, base)
    async with anyio.create_task_group() as tasks:
        for check in checks:
            tasks.start_soon(check.run)
    raise_all([check.problem for check in checks if check.problem])
    name, (drive, runtime) = agent.found[0], held.found[0]
    grant = await engine.projects.grant(project, await engine.projects.agent(project, name), caller)
    return _Checked(project, name, drive, runtime, issue.found[0], *base.found[0], grant)


@dataclass(slots=True)
class _Check(Generic[T]):
    """One thing that is looked at, and what was found there."""

    look: Callable[[], Awaitable[T]]
    found: list[T] = field(default_factory=list[T])
    problem: AoError | None = None

    async def run(self) -> None:
        try:
            self.found.append(await self.look())
        except AoError as exc:
            self.problem = exc


def driven(agent: Agent[Any], wanted: Drive | None) -> Drive:
    """How an agent is driven: as asked for, else as it prefers."""
    speaks = isinstance(agent, Conversable)
    if wanted is Drive.PROTOCOL and not speaks:
        raise BadRequest(
            f"Agent {agent.name} does not speak the Agent Client Protocol.",
            hint="Use `drive: terminal`.",
        )
    return wanted or (agent.preferred if speaks else Drive.TERMINAL)


async def _held(
    engine: Engine, project: Project, name: str | None, wanted: Drive | None
) -> tuple[Drive, str]:
    """How the agent is driven, and by which runtime, which can be used here."""
    try:
        agent = await engine.projects.agent(project, name or "")
    except AoError:  # the agent's own check tells of it
        drive = wanted or Drive.TERMINAL
    else:
        drive = driven(agent, wanted)
    runtime = await engine.projects.runtime_for(project, drive)
    await engine.projects.runnable(project, runtime)
    return drive, runtime


async def _agent(engine: Engine, caller: Caller, project: Project, name: str | None) -> str:
    if name is None:
        raise NotInstalled(
            "No agent is configured, and none was found.",
            hint="Name one with `agent`, or set `agent:` in agent-orchestrator.yaml.",
        )
    await engine.projects.agent_found(project, name, caller)
    return name


async def _issue(project: Project, wish: Wish) -> Issue | None:
    if wish.issue is None:
        return None
    issue = await project.tracker.get(wish.issue)
    if issue is None:
        raise Unknown(
            f"Issue {ascii(wish.issue)[:60]} does not exist.", hint="`list_issues` shows them."
        )
    return issue


async def _base(project: Project, wish: Wish) -> tuple[str, str]:
    git = git_for(project, project.repository)
    await git.usable()
    base = wish.base or project.branch
    commit = await git.branch_tip(branch_name(base))
    if commit is None:
        raise BadRequest(
            f"The base {ascii(base)[:60]} is not a branch of {project.repository}.",
            hint="Name a branch that exists with `base`, or set `default_branch`.",
        )
    return base, commit


# -- reserve -------------------------------------------------------------------------------------


async def _reserve(engine: Engine, checked: _Checked, wish: Wish, ticket: Ticket) -> Session:
    for _ in range(_ATTEMPTS):
        counter = await engine.records.store.read(COUNTER, checked.project.prefix)
        number = counter.value.value + 1 if counter else 1
        session = _session(engine, checked, wish, number)
        count = Put(
            COUNTER, checked.project.prefix, Counter(checked.project.prefix, number),
            counter.revision if counter else 0,
        )  # fmt: skip
        intent = engine.intents.beginning(IntentKind.SPAWN, session.id, "1")
        create = Put(SESSION, session.id, session, 0)
        changes = [create, count, intent, *ticket.used_for(session.id)]
        try:
            await engine.records.commit(changes, [_announced(session)])
        except Conflict:
            continue
        return session
    raise Conflict("Too many sessions are being started at once.", hint="Try again.")


def _session(engine: Engine, checked: _Checked, wish: Wish, number: int) -> Session:
    project, issue = checked.project, checked.issue
    id = session_id(f"{project.prefix}-{number}")
    hint = wish.branch or (issue.branch_name if issue else None)
    now = engine.clock.now()
    return Session(
        id=id,
        project=project.id,
        created_at=now,
        title=_title(wish, issue),
        agent=checked.agent,
        runtime=checked.runtime,
        workspace=project.workspace.name,
        facts=SessionFacts(SessionState.NOT_STARTED, SessionReason.SPAWN_REQUESTED, now),
        issue=issue.id if issue else None,
        prompt=wish.prompt,
        model=wish.model or project.settings.model,
        drive=checked.drive,
        permissions=wish.permissions or project.settings.permissions,
        branch=new_branch(id, hint),
        base=checked.base,
        base_commit=checked.base_commit,
        generation=1,
        credentials=checked.grant.credentials,
    )


def _title(wish: Wish, issue: Issue | None) -> str:
    text = issue.title if issue else (wish.prompt or "").strip().splitlines()[0]
    return visible(text, 80)


def _announced(session: Session) -> NewEvent:
    body = Started(session.title, session.agent, session.issue, session.branch)
    return NewEvent(EventKind.SESSION_SPAWN_STARTED, body, session.project, session.id)


# -- carry out -----------------------------------------------------------------------------------


async def carry_out(
    engine: Engine, id: SessionId, project: Project, *, redo: bool = False
) -> Session:
    """Bring a reserved session up, or end it with the reason."""
    intent = f"{IntentKind.SPAWN}/{id}/1"
    async with engine.alone(id):
        try:
            session = await bring_up(engine, id, project, resume=False, redo=redo)
        except Exception as exc:
            await failed(engine, id, exc, intent)
            raise
        end = engine.intents.end
        await engine.noted(lambda: end(intent, Outcome.DONE), f"the start of {id} is noted")
    return session


async def failed(engine: Engine, id: SessionId, exc: Exception, intent: str) -> None:
    """The session ends where it could not begin."""
    kind = type(exc).__name__

    async def note() -> None:
        await _over(engine, id, exc)
        await engine.intents.end(intent, Outcome.FAILED, kind)

    await engine.noted(note, f"the failed start of {id} is noted")


async def _over(engine: Engine, id: SessionId, exc: Exception) -> None:
    reason = exc.message if isinstance(exc, AoError) else "an internal error; see the engine's log"

    def over(session: Session) -> Step | None:
        if is_terminal(session):  # it was killed meanwhile
            return None
        now = engine.clock.now()
        why = SessionReason.ERROR_IN_PROCESS
        after, _ = ended(session, why, now, EventKind.SESSION_ERRORED)
        noted = replace(after, facts=replace(after.facts, note=visible(reason, 500)))
        kind = EventKind.SESSION_SPAWN_FAILED
        event = NewEvent(kind, Said(visible(reason, 500)), session.project, session.id)
        return Step(noted, (event,))

    await engine.records.update(SESSION, id, over)


async def started(engine: Engine, id: SessionId) -> Session:
    """Wait until the spawn of this session, begun by an earlier call, has ended."""

    session = await settled(engine, id)
    if session.facts.reason is SessionReason.ERROR_IN_PROCESS:
        raise AoError(f"{id} could not be started: {session.facts.note}", hint="Spawn it again.")
    return session


async def settled(engine: Engine, id: SessionId) -> Session:
    """Wait until a start has ended; it cannot have, for long, where nobody is at it any more."""

    def over() -> Session | None:
        session = engine.session(id)
        return None if session.facts.state is SessionState.NOT_STARTED else session

    lock = engine.alone(id)
    while True:
        async with lock:
            pass
        with anyio.move_on_after(_NOTING):
            return await engine.records.until(over)
        if not lock.locked():
            message = f"What became of the start of {id} cannot be written down."
            raise StoreUnavailable(message, hint="Free some space, then repeat the call.")
