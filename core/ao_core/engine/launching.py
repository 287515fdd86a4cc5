"""Bringing a session's agent up: workspace, prompts, hooks, process. For spawn and restore."""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import anyio

from ao_core import prompt
from ao_core.engine import committing, environment, ports, wrappers
from ao_core.engine.conversations import OPENING_DEADLINE
from ao_core.engine.engine import Engine
from ao_core.engine.housing import Effort, made, placed
from ao_core.engine.moves import moved
from ao_core.engine.origins import harmless
from ao_core.engine.preparing import prepare
from ao_core.engine.project import Project
from ao_core.engine.records import Step
from ao_core.engine.saga import Saga
from ao_core.engine.upstream import spelled
from ao_core.errors import BadRequest, PluginError
from ao_core.files import write_atomic
from ao_core.ids import SessionId
from ao_core.model.event import EventKind, NewEvent, Started
from ao_core.model.session import (
    Drive,
    RuntimeFacts,
    RuntimeHandle,
    RuntimeReason,
    RuntimeState,
    Session,
    SessionFacts,
    SessionReason,
    SessionState,
)
from ao_core.model.work import Issue
from ao_core.redact import visible
from ao_core.slots.agent import Agent, Conversable, Launch, Resumable
from ao_core.slots.runtime import Command, Mourning, Start
from ao_core.store.records import SESSION, Message

_log = logging.getLogger(__name__)
_COMPLAINTS = 5  # lines
_GO_ON = "You were interrupted. Go on with your task from where you stopped."


async def bring_up(
    engine: Engine, id: SessionId, project: Project, *, resume: bool, redo: bool = False
) -> Session:
    """Take every step, or undo those taken. The project is as the caller's environment has it."""
    session = engine.session(id)
    agent = await engine.projects.agent(project, session.agent)
    effort = Effort(engine, project, agent, session, resume, redo)
    if redo or resume:
        effort.touched.set()
    given = await _given(effort)
    async with Saga() as saga:
        checkout = await made(effort, saga)
        session = await engine.records.update(
            SESSION, id, lambda now: placed(now, checkout, resume=resume)
        )
        session = await ports.assigned(engine, project, session)
        effort = replace(effort, session=session)
        again = effort.touched.is_set()
        if project.settings.post_create:  # what its commands make is saved, too
            effort.touched.set()
        await prepare(engine, project, session, again=again)
        if not resume:
            saga.undo("its folders", lambda: _forget(project, session))
        launch = await _launch(effort, given)
        engine.spools.add(session.id, launch.spool)
        saga.undo("the hooks' folder", lambda: _unwatch(engine, session.id))
        await effort.agent.prepare(launch)
        continuing = await _continuing(effort, launch)
        command = _command(effort, launch, continuing)
        handle = await _start(effort, command, saga)
        first = await _ready(effort, handle, anew=continuing is None)
        session = await _up(effort, handle, first)
    await _afterwards(effort, launch)
    return session


async def _unwatch(engine: Engine, session: SessionId) -> None:
    engine.spools.remove(session)


async def _forget(project: Project, session: Session) -> None:
    """Remove the prompts and the spool of an agent that never ran."""

    def remove() -> None:
        shutil.rmtree(project.home.prompts(session.id), ignore_errors=True)
        shutil.rmtree(project.home.spool(session.id), ignore_errors=True)

    await anyio.to_thread.run_sync(remove)


# -- what it is started with ---------------------------------------------------------------------


async def _launch(effort: Effort, given: Mapping[str, str]) -> Launch:
    project, session = effort.project, effort.session
    folder = project.home.prompts(session.id)
    spool = project.home.spool(session.id)
    issue = await _issue(effort)
    context = prompt.Worker(
        session=session.id,
        project=project.id,
        branch=session.branch,
        base=spelled(project, session.base),
        rules=project.settings.rules,
        repository_rules=prompt.repository_rules(project.repository),
        remote=project.scm.remote,
    )
    described = project.tracker.describe(issue) if issue else None
    system = prompt.system_prompt(context)
    task = harmless(prompt.task_prompt(session.prompt, described))
    write_atomic(folder / "system.md", system)
    write_atomic(folder / "task.md", task)
    return Launch(
        session=session.id,
        project=project.id,
        workspace=Path(session.path),
        spool=spool,
        prompt=task,
        prompt_file=folder / "task.md",
        system_prompt=folder / "system.md",
        issue=session.issue,
        model=session.model,
        permissions=session.permissions,
        native_id=session.native_id,
        generation=session.generation,
        environment=_environment(effort, given, spool),
        face=effort.engine.worker_command,
        drive=session.drive,
    )


async def _issue(effort: Effort) -> Issue | None:
    if effort.session.issue is None:
        return None
    return await effort.project.tracker.get(effort.session.issue)


async def _given(effort: Effort) -> Mapping[str, str]:
    """What its project, its client and git's own configuration give the worker."""
    engine, session = effort.engine, effort.session
    granted = engine.granted(session.id)
    layers = environment.layered(effort.project.settings.env, granted, engine.login())
    environment.require(session.credentials, layers)
    return await committing.variables(engine.home, effort.project, layers)


def _environment(effort: Effort, given: Mapping[str, str], spool: Path) -> Mapping[str, str]:
    engine, session = effort.engine, effort.session
    return environment.identity(
        {**given, **ports.variables(session)},
        session=session.id,
        project=effort.project.id,
        issue=session.issue,
        spool=spool,
        socket=engine.socket,
        token=engine.token(session),
        wrappers=wrappers.on_path(engine.home, given),
    )


def launch_of(engine: Engine, project: Project, session: Session) -> Launch:
    """A running session's launch, for looking at it; its environment is left out."""
    folder = project.home.prompts(session.id)
    return Launch(
        session=session.id,
        project=project.id,
        workspace=Path(session.path),
        spool=project.home.spool(session.id),
        prompt="",
        prompt_file=folder / "task.md",
        system_prompt=folder / "system.md",
        issue=session.issue,
        model=session.model,
        permissions=session.permissions,
        native_id=session.native_id,
        generation=session.generation,
        drive=session.drive,
    )


async def _continuing(effort: Effort, launch: Launch) -> Command | None:
    """The command that continues what was said in its terminal, if anything ever was."""
    typed = effort.session.drive is not Drive.PROTOCOL
    if not (typed and effort.resume and isinstance(effort.agent, Resumable)):
        return None
    return await effort.agent.resume(launch)


def _command(effort: Effort, launch: Launch, continuing: Command | None) -> Command:
    agent = effort.agent
    spoken = effort.session.drive is Drive.PROTOCOL
    command = spoken_to(agent, launch) if spoken else continuing or agent.launch(launch)
    env = {**launch.environment, **agent.environment(launch), **command.env}
    return Command(command.argv, env)


# -- the process ---------------------------------------------------------------------------------


async def _start(effort: Effort, command: Command, saga: Saga) -> RuntimeHandle:
    session, piped = effort.session, effort.session.drive is Drive.PROTOCOL
    effort.touched.set()
    runtime = await effort.engine.runtime_of(session)
    handle = await runtime.create(Start(session.id, Path(session.path), command, piped=piped))
    saga.undo("the agent", lambda: runtime.destroy(handle))
    return handle


async def adopt(
    engine: Engine, project: Project, session: Session, handle: RuntimeHandle, *, resume: bool
) -> Session:
    """Take an agent for the session's that runs under its name already."""
    agent = await engine.agent_of(session)
    effort = Effort(engine, project, agent, session, resume)
    continuing = await _continuing(effort, launch_of(engine, project, session))
    first = await _ready(effort, handle, anew=continuing is None)
    session = await _up(effort, handle, first)
    engine.deliver(session.id)
    engine.nudge(session.id)
    return session


def spoken_to(agent: Agent[Any], launch: Launch) -> Command:
    """The command that starts an agent to be driven by protocol."""
    command = agent.converse(launch) if isinstance(agent, Conversable) else None
    if command is None:
        raise BadRequest(
            f"Agent {agent.name} does not speak the Agent Client Protocol as it is set up.",
            hint="Use `drive: terminal`, or give its `protocol` command.",
        )
    return command


async def _ready(effort: Effort, handle: RuntimeHandle, *, anew: bool) -> Message | None:
    """Wait until the agent can be told something; the message that is to be its first."""
    engine, session = effort.engine, effort.session
    if session.drive is not Drive.PROTOCOL:
        return await _task(effort) if anew and not effort.agent.prompt_in_command else None
    talk = await engine.conversations.begin(engine, effort.project, session, handle)
    try:
        ledger = await talk.opened(OPENING_DEADLINE)
    except PluginError as exc:
        raise await _with_complaints(effort, handle, exc) from exc
    if not ledger.loaded:
        return await _task(effort)
    told_later = session.paused is not None and session.paused.interrupted
    return await _message(effort, _GO_ON) if session.turn and not told_later else None


async def _with_complaints(effort: Effort, handle: RuntimeHandle, exc: PluginError) -> PluginError:
    """The error, with the end of what the agent complained of."""
    runtime = await effort.engine.runtime_of(effort.session)
    said = visible((await runtime.output(handle, _COMPLAINTS)).strip(), 500)
    return PluginError(f"{exc.message} It said: {said}", hint=exc.hint) if said else exc


async def _task(effort: Effort) -> Message:
    folder = anyio.Path(effort.project.home.prompts(effort.session.id))
    task, agent = await (folder / "task.md").read_text(), effort.agent
    spoken = effort.session.drive is Drive.PROTOCOL and isinstance(agent, Conversable)
    if spoken and not cast("Conversable", agent).instructed:
        task = f"{await (folder / 'system.md').read_text()}\n\n{task}"
    return await _message(effort, task)


async def _message(effort: Effort, text: str) -> Message:
    engine, session = effort.engine, effort.session
    highest = await engine.best_receipt(session)
    return engine.outbox.compose(session, text, "engine", highest=highest, introduced=False)


async def _up(effort: Effort, handle: RuntimeHandle, prompt: Message | None) -> Session:
    engine, runtime = effort.engine, await effort.engine.runtime_of(effort.session)
    now = engine.clock.now()
    if isinstance(runtime, Mourning):
        await cast("Mourning", runtime).watch(handle)

    def up(session: Session) -> Step:
        change, event = engine.outbox.queueing(session, prompt) if prompt else (None, None)
        events = (_started(session, effort.resume), *([event] if event else []))
        after, moves = _resting(effort, _running(session, handle, now), prompt)
        return Step(after, (*events, *moves), (change,) if change else ())

    return await engine.records.update(SESSION, effort.session.id, up)


def _running(session: Session, handle: RuntimeHandle, now: datetime) -> Session:
    facts = session.facts
    if facts.state is SessionState.NOT_STARTED:
        facts = SessionFacts(SessionState.WORKING, SessionReason.SPAWN_REQUESTED, now)
    run = RuntimeFacts(RuntimeState.ALIVE, RuntimeReason.PROCESS_RUNNING, handle, observed_at=now)
    return replace(session, facts=facts, run=run, turn=None)


def _resting(
    effort: Effort, session: Session, prompt: Message | None
) -> tuple[Session, tuple[NewEvent, ...]]:
    """By protocol an agent does nothing unasked: one that is told nothing rests."""
    if session.drive is not Drive.PROTOCOL or prompt is not None:
        return session, ()
    now = effort.engine.clock.now()
    return moved(session, SessionState.IDLE, SessionReason.TURN_ENDED, now)


def _started(session: Session, resume: bool) -> NewEvent:
    kind = EventKind.SESSION_RESTORED if resume else EventKind.SESSION_SPAWNED
    body = Started(
        session.title, session.agent, session.issue, session.branch, session.path,
        session.generation,
    )  # fmt: skip
    return NewEvent(kind, body, session.project, session.id)


async def _afterwards(effort: Effort, launch: Launch) -> None:
    """What may fail without ending the agent."""
    engine, session = effort.engine, effort.session
    try:
        await effort.agent.launched(launch)
    except Exception:  # a plugin of anybody's; the agent runs all the same
        _log.exception("after the start of %s", session.id)
    engine.deliver(session.id)
    engine.nudge(session.id)
