"""Spawn: check everything, reserve a name, bring the agent up, or leave nothing behind.

Where there is no room, or the work of others has to be done first, the session waits in the queue.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic, TypeVar

import anyio

from ao_core.engine.adopting import adopted
from ao_core.engine.caller import Caller
from ao_core.engine.engine import Engine
from ao_core.engine.keys import Ticket
from ao_core.engine.pausing import allow_start
from ao_core.engine.project import Project
from ao_core.engine.queue import requeued
from ao_core.engine.records import Step
from ao_core.engine.reserving import Checked, Wish, in_line, reserve
from ao_core.engine.room import team_of
from ao_core.engine.side import git_for
from ao_core.engine.starting import carry_out, settled, started
from ao_core.engine.taking_over import taking_over, task_of
from ao_core.engine.waiting import by_number
from ao_core.errors import (
    AoError,
    BadRequest,
    NotInstalled,
    Unknown,
    WrongState,
    raise_all,
)
from ao_core.ids import SessionId, session_id
from ao_core.model.session import (
    Drive,
    Session,
    SessionFacts,
    SessionReason,
    SessionState,
    is_waiting,
)
from ao_core.model.work import Issue
from ao_core.slots.agent import Agent, Conversable
from ao_core.store.records import SESSION

__all__ = ["Wish", "driven", "spawn", "spawn_all"]

T = TypeVar("T")


async def spawn(engine: Engine, caller: Caller, wish: Wish, ticket: Ticket) -> Session:
    """Start a worker, or queue it. With a key that was used before, this is what it started."""
    return (await spawn_all(engine, caller, wish, ticket))[0]


async def spawn_all(
    engine: Engine, caller: Caller, wish: Wish, ticket: Ticket
) -> Sequence[Session]:
    """The same with all copies. One that cannot be started does not keep the others from it."""
    if ticket.subject is not None:
        ids = _copies(engine, session_id(ticket.subject))
        return await _each(ids, lambda id: _repeated(engine, caller, wish, id))
    wish = replace(wish, prompt=task_of(wish))
    if not wish.issue and not (wish.prompt or "").strip():
        raise BadRequest("There is nothing to do.", hint="Give `issue`, `prompt`, or both.")
    allow_start(engine)
    checked = await _check(engine, caller, wish)
    made = await reserve(engine, checked, wish, ticket)
    ids = [session.id for session in made]
    return await engine.detached(lambda: _each(ids, lambda id: _begun(engine, id, checked.project)))


def _copies(engine: Engine, first: SessionId) -> Sequence[SessionId]:
    session = engine.session(first)
    others = team_of(engine.records).copies(session)
    return [one.id for one in sorted([session, *others], key=by_number)]


async def _each(
    ids: Sequence[SessionId], start: Callable[[SessionId], Awaitable[Session]]
) -> Sequence[Session]:
    """Those that were started, or the first one's error if none was."""
    if len(ids) == 1:
        return [await start(ids[0])]
    checks = [_Check(partial(start, id)) for id in ids]
    async with anyio.create_task_group() as tasks:
        for check in checks:
            tasks.start_soon(check.run)
    found = [session for check in checks for session in check.found]
    if not found:
        raise_all([check.problem for check in checks[:1] if check.problem])
    return found


async def _begun(engine: Engine, id: SessionId, project: Project) -> Session:
    session = engine.session(id)
    return session if is_waiting(session) else await carry_out(engine, id, project)


async def _repeated(engine: Engine, caller: Caller, wish: Wish, id: SessionId) -> Session:
    """What an earlier call under the same key started; where it could not, this one does."""
    session = await settled(engine, id)
    waits = is_waiting(session)
    if waits and engine.granted(id) is not None:
        return session
    if not waits and not _never_ran(session):
        return await started(engine, id)
    checked = await _check(engine, caller, replace(wish, after=()))
    step = partial(_anew, engine)
    return await requeued(engine, checked.project, id, checked.grant, step)


def _never_ran(session: Session) -> bool:
    failed = session.facts.reason is SessionReason.ERROR_IN_PROCESS
    return failed and session.generation == 1 and session.run.handle is None


def _anew(engine: Engine, session: Session) -> Step | None:
    """Put it at the end of the queue, which lets it in at once where there is room."""
    if not _never_ran(session):  # it waits, or somebody was faster
        return None
    facts = SessionFacts(SessionState.NOT_STARTED, SessionReason.QUEUED, engine.clock.now())
    team = team_of(engine.records)
    after = replace(session, facts=facts, queued=team.next_number())
    return Step(after, (in_line(team, engine.room.limits, after),))


# -- check ---------------------------------------------------------------------------------------


async def _check(engine: Engine, caller: Caller, wish: Wish) -> Checked:
    """Look at everything that could fail, and tell all of it at once."""
    project = await engine.projects.for_caller(caller, wish.project)
    wish = await taking_over(engine, project, wish)
    named = wish.agent or project.settings.agent or await engine.projects.first_agent(caller)
    agent = _Check(lambda: _agent(engine, caller, project, named))
    held = _Check(lambda: _held(engine, project, named, wish.drive or project.settings.drive))
    issue = _Check(lambda: _issue(project, wish))
    base = _Check(lambda: _base(engine, project, wish))
    after = _Check(lambda: _after(engine, wish))
    target, hint = wish.base or project.branch, wish.branch
    taken = _Check(lambda: adopted(engine, project, hint, target, copies=wish.copies))
    checks = (agent, held, issue, base, after, taken)
    async with anyio.create_task_group() as tasks:
        for check in checks:
            tasks.start_soon(check.run)
    raise_all([check.problem for check in checks if check.problem])
    name, (drive, runtime) = agent.found[0], held.found[0]
    grant = await engine.projects.grant(project, await engine.projects.agent(project, name), caller)
    (target, commit), known = base.found[0], taken.found[0]
    commit = known.base_commit if known else commit
    return Checked(project, name, drive, runtime, issue.found[0], target, commit, grant, known)


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


async def _base(engine: Engine, project: Project, wish: Wish) -> tuple[str, str]:
    await git_for(project, project.repository).usable()
    base = wish.base or project.branch
    commit = await engine.upstream.tip(project, base, engine.clock)
    if commit is None:
        raise BadRequest(
            f"The base {ascii(base)[:60]} is not a branch of {project.repository}.",
            hint="Name a branch that exists with `base`, or set `default_branch`.",
        )
    return base, commit


async def _after(engine: Engine, wish: Wish) -> None:
    """Only sessions that exist can be waited for: so nobody ever waits for itself in a circle."""
    team = team_of(engine.records)
    for id in wish.after:
        session = engine.records.find(SESSION, id)
        if session is None:
            raise Unknown(f"There is no session {id} to wait for.", hint="`list` shows them.")
        if team.never(id):
            raise WrongState(
                f"{id} has ended before its work was done: nothing would ever start after it.",
                hint="Bring it back with `restore` first, or leave it out of `after`.",
            )
