"""Kill: end the agent, save what is not saved elsewhere, then clear away."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import anyio

from ao_core.engine.engine import Engine
from ao_core.engine.evidence import halt
from ao_core.engine.housing import plan_of
from ao_core.engine.keepsake import keep
from ao_core.engine.keys import Ticket
from ao_core.engine.moves import ended
from ao_core.engine.project import Project
from ao_core.engine.records import Step
from ao_core.engine.side import collected, git_for, run_in
from ao_core.engine.standing import place_of
from ao_core.engine.timekeeping import reckon
from ao_core.errors import AoError
from ao_core.git.salvage import Saved, archive_of, salvage
from ao_core.git.salvage import has_unsaved as unsaved
from ao_core.ids import HomeId, SessionId
from ao_core.model import event
from ao_core.model.event import Ended, EventKind, NewEvent
from ao_core.model.session import RuntimeReason, RuntimeState, Session, SessionReason, is_terminal
from ao_core.redact import visible
from ao_core.slots.workspace import Checkout, leaving
from ao_core.store.records import SESSION, Intent, IntentKind, Outcome

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Killed:
    """What became of it: where unsaved work is now, and whether the workspace was removed."""

    session: Session
    saved: str | None
    archive: str | None
    removed: bool
    kept_because: str | None = None


_CLEANUP = (SessionReason.PR_MERGED, SessionReason.AUTO_CLEANUP)


def _always(session: Session) -> bool:
    return True


async def kill(
    engine: Engine, id: SessionId, *, reason: SessionReason, ticket: Ticket | None = None,
    still: Callable[[Session], bool] = _always,
) -> Killed:  # fmt: skip
    """End a session for good, as far as its work allows. A second call finds nothing to do.

    Whether it is `still` to be ended is asked once nobody else starts or ends it.
    """
    session, ticket = engine.session(id), ticket or Ticket()
    this = str(session.generation)
    if (is_terminal(session) and session.workspace_gone) or ticket.subject not in (None, this):
        return await _before(engine, session)
    intent = engine.intents.beginning(IntentKind.KILL, id, this, reason)
    await engine.records.commit([intent, *ticket.used_for(this)])
    return await engine.detached(lambda: _carried_out(engine, intent.value, reason, still))


async def _before(engine: Engine, session: Session) -> Killed:
    """What an earlier call has done already."""
    saved = session.salvage[-1] if session.salvage else None
    project = await engine.project_of(session)
    commit = await git_for(project, project.repository).resolve(saved) if saved else None
    archive = archive_of(project.home.archive, commit) if commit else None
    kept = str(archive) if archive and await anyio.Path(archive).exists() else None
    return Killed(session, saved, kept, session.workspace_gone)


async def _carried_out(
    engine: Engine, intent: Intent, reason: SessionReason, still: Callable[[Session], bool]
) -> Killed:
    try:
        killed = await _kill(engine, engine.session(intent.session).id, reason, still)
    except AoError as exc:
        await engine.intents.end(intent.id, Outcome.FAILED, exc.code)
        raise
    await engine.intents.end(intent.id, Outcome.DONE)
    return killed


async def _kill(
    engine: Engine, id: SessionId, reason: SessionReason, still: Callable[[Session], bool]
) -> Killed:
    if not still(engine.session(id)):
        return await _before(engine, engine.session(id))
    with engine.ending(id):  # from here on, so that a start under way gives up, too
        return await _ended(engine, id, reason, still)


async def _ended(
    engine: Engine, id: SessionId, reason: SessionReason, still: Callable[[Session], bool]
) -> Killed:
    async with engine.alone(id):
        session = engine.session(id)
        over = is_terminal(session) and session.workspace_gone
        if over or not still(session):  # somebody was faster
            return await _before(engine, session)
        await halt(engine, id)
        project = await engine.project_of(session)
        await end_agent(engine, project, session)
        try:
            saved = await _save(engine, project, session, reason)
        except AoError:  # nobody works there any more; another call goes on from here
            await _told(engine, id, reason, None)
            raise
        session = await _told(engine, id, reason, saved)
        kept = await _remove(project, session, saved)
        if kept is None:
            session = await engine.records.update(SESSION, id, lambda now: _gone(now, reason))
    if saved is None:
        return replace(await _before(engine, session), kept_because=kept)
    archive = str(saved.archive) if saved.archive else None
    return Killed(session, saved.ref, archive, kept is None, kept)


async def has_unsaved(engine: Engine, id: SessionId) -> bool:
    """Whether its workspace holds something that is saved nowhere else; a kill would save it."""
    session = engine.session(id)
    project = await engine.project_of(session)
    path = await place_of(project, session)
    if not session.path or not await project.workspace.exists(path, run_in(project, path)):
        return False
    return await unsaved(run_in(project, path), path, repository=project.repository)


async def released(engine: Engine, id: SessionId, why: str) -> None:
    """After its end nobody is kept waiting: for a permission of its, or for a message to it."""
    await engine.permissions.expire(id, why)
    engine.deliver(id)


async def end_agent(engine: Engine, project: Project, session: Session) -> None:
    """End the process and everything it started."""
    runtime = await engine.projects.runtime(project, session.runtime)
    handle = session.run.handle or await runtime.find(session.id)
    await keep(engine, project, session)
    if handle is not None:
        await runtime.destroy(handle)
    engine.spools.remove(session.id)
    engine.grants.pop(session.id, None)
    engine.room.views.pop(session.id, None)


async def _save(
    engine: Engine, project: Project, session: Session, reason: SessionReason
) -> Saved | None:
    path = await place_of(project, session)
    if not session.path or not await project.workspace.exists(path, run_in(project, path)):
        return None
    await collected(project, session)
    return await salvage(
        run_in(project, path), path, HomeId(engine.home.id), session.id, str(reason),
        archive=project.home.archive, repository=project.repository,
    )  # fmt: skip


async def _told(
    engine: Engine, id: SessionId, reason: SessionReason, saved: Saved | None
) -> Session:
    await reckon(engine)
    session = await engine.records.update(
        SESSION, id, lambda now: _over(engine, now, reason, saved)
    )
    await released(engine, id, "the session ended")
    return session


def _over(engine: Engine, session: Session, reason: SessionReason, saved: Saved | None) -> Step:
    now = engine.clock.now()
    events: tuple[NewEvent, ...] = ()
    if saved is not None:
        archive = str(saved.archive) if saved.archive else None
        body = event.Saved(saved.ref, saved.commit, archive)
        events = (NewEvent(EventKind.SESSION_SALVAGED, body, session.project, session.id),)
        refs = [ref for ref in session.salvage if ref != saved.ref]
        session = replace(session, salvage=(*refs, saved.ref), kept=saved.ref)
    if not is_terminal(session):
        session, over = ended(session, reason, now, EventKind.SESSION_KILLED)
        events += over
    why = RuntimeReason.KILL_REQUESTED
    run = replace(session.run, state=RuntimeState.EXITED, reason=why, observed_at=now)
    return Step(replace(session, run=run), events)


def _gone(session: Session, reason: SessionReason) -> Step:
    """Nothing is left of its workspace; where nobody had asked for that, it is told."""
    told = Ended(reason, salvage=session.kept)
    event = NewEvent(EventKind.SESSION_CLEANED_UP, told, session.project, session.id)
    return Step(replace(session, workspace_gone=True), (event,) if reason in _CLEANUP else ())


async def _remove(project: Project, session: Session, saved: Saved | None) -> str | None:
    """Remove the workspace, and what an earlier try left of it; None when it is gone, else why."""
    path = Path(session.path)
    if session.path and (there := await place_of(project, session)) != path:
        return f"it was moved to {there}, and is left there"
    places = (path, leaving(path)) if session.path else ()
    if not any([await anyio.Path(place).exists() for place in places]):
        return None
    plan = plan_of(project, session)
    checkout = Checkout(path, session.branch, session.id, plan.project)
    run = run_in(project, project.repository)
    try:
        await project.workspace.destroy(checkout, run, saved=saved.commit if saved else None)
    except AoError as exc:
        _log.warning("the workspace of %s stays: %s", session.id, exc.message)
        return exc.message + _too_big(saved)
    return None


def _too_big(saved: Saved | None) -> str:
    """What of it could not be saved, and what helps."""
    if saved is None or not saved.left_out:
        return ""
    names = visible(", ".join(saved.left_out), 300)
    return f": too big for an archive: {names}. Move it elsewhere, and kill it again"
