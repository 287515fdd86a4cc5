"""A session's workspace: made, brought back with what was saved of it, or taken away again."""

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import anyio

from ao_core.engine.engine import Engine
from ao_core.engine.preparing import emptied
from ao_core.engine.project import Project
from ao_core.engine.records import Step
from ao_core.engine.saga import Saga
from ao_core.engine.side import collected, git_for, head_of, run_in
from ao_core.errors import AoError, WrongState
from ao_core.git.salvage import Saved, restore_into, salvage
from ao_core.ids import HomeId
from ao_core.model import event
from ao_core.model.event import EventKind, NewEvent
from ao_core.model.session import Session
from ao_core.process import Run
from ao_core.slots.agent import Agent
from ao_core.slots.workspace import Checkout, Plan, Warm
from ao_core.store.records import SESSION

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Effort:
    """One attempt to bring a session up. `touched`: an agent may have been at work in its place."""

    engine: Engine
    project: Project
    agent: Agent[Any]
    session: Session
    resume: bool
    redo: bool = False  # the last engine began it
    touched: anyio.Event = field(default_factory=anyio.Event)


def plan_of(project: Project, session: Session) -> Plan:
    """The workspace a session works in."""
    return Plan(
        session.id,
        project.id,
        project.repository,
        project.home.worktrees,
        session.branch,
        session.base,
    )


async def made(effort: Effort, saga: Saga) -> Checkout:
    """The workspace, as the session needs it; one that was not there before can be undone."""
    project, session = effort.project, effort.session
    plan, run = plan_of(project, session), run_in(project, project.repository)
    if effort.resume:
        return await _again(effort, plan)
    if not session.adopted:
        plan = replace(plan, start=await _start(effort))
    checkout = await _created(effort, plan, run)
    git, base = git_for(project, project.repository), checkout.base_commit
    if not session.adopted:
        saga.undo("the branch", lambda: git.drop_branch(checkout.branch, base))
    saga.undo("the workspace", lambda: _removed(effort, checkout))
    await project.workspace.prepare(checkout, run)
    return checkout


async def _start(effort: Effort) -> str | None:
    """Where its branch begins: as was seen when it was asked for, else as the base is now."""
    engine, session = effort.engine, effort.session
    return session.base_commit or await engine.upstream.tip(
        effort.project, session.base, engine.clock
    )


async def _removed(effort: Effort, checkout: Checkout) -> None:
    """Take a workspace away; what an agent may have done in it is saved, and that is noted."""
    project, run = effort.project, run_in(effort.project, effort.project.repository)
    if effort.touched.is_set():
        await collected(project, effort.engine.session(effort.session.id))
    else:
        await emptied(git_for(project, checkout.path))
    # also what is empty: git may take files that it has just written itself for changed
    saved = await _saved(effort, checkout.path, "its agent could not be started")
    if saved is not None:
        await _note(effort, saved)
    await project.workspace.destroy(checkout, run, saved=saved.commit if saved else None)
    update, id = effort.engine.records.update, effort.session.id
    await effort.engine.noted(lambda: update(SESSION, id, _without), f"the end of {id} is noted")


def _without(session: Session) -> Step:
    """It has no workspace, as if it never had."""
    return Step(replace(session, path=""))


async def _note(effort: Effort, saved: Saved, *, put_back: bool = True) -> None:
    """What was saved is written down; `put_back`: the next restore begins with it."""
    body = event.Saved(saved.ref, saved.commit, str(saved.archive) if saved.archive else None)

    def noted(session: Session) -> Step:
        refs = [ref for ref in session.salvage if ref != saved.ref]
        told = NewEvent(EventKind.SESSION_SALVAGED, body, session.project, session.id)
        kept = saved.ref if put_back else session.kept
        return Step(replace(session, salvage=(*refs, saved.ref), kept=kept), (told,))

    await effort.engine.records.update(SESSION, effort.session.id, noted)


async def _created(effort: Effort, plan: Plan, run: Run) -> Checkout:
    workspace = effort.project.workspace
    if not effort.redo and (checkout := await _made_before(effort, plan, run)):
        return checkout
    if effort.session.adopted:
        return await workspace.restore(plan, run)
    try:
        return await workspace.create(plan, run)
    except WrongState:
        if not effort.redo:
            raise
    return await workspace.restore(plan, run)  # its branch was made, and nothing more


async def _made_before(effort: Effort, plan: Plan, run: Run) -> Checkout | None:
    """One that was made before anybody needed it; None where none is there that can be taken."""
    workspace, pool, id = effort.project.workspace, effort.engine.pool, effort.project.id
    if not isinstance(workspace, Warm):
        return None
    pool.expect(id)
    with pool.claimed(id) as spare:
        if spare is None:
            return None
        try:
            new = not effort.session.adopted
            return await cast("Warm", workspace).take(plan, spare, run, new=new)
        except AoError as exc:  # it is made the usual way, which tells what stands in that way
            _log.warning("%s is not taken for %s: %s", spare.path, plan.session, exc.message)
            return None


async def _again(effort: Effort, plan: Plan) -> Checkout:
    """The workspace of an ended session, with what was saved of it put back."""
    project, session = effort.project, effort.session
    run = run_in(project, project.repository)
    there = await project.workspace.exists(plan.path, run)
    if there and session.workspace_gone:
        await _clear_away(effort, plan)
        there = False
    new = not session.commits and not session.adopted
    gone = not there and await head_of(project, session) is None
    if gone and not new:
        raise _without_branch(session)
    if gone:
        checkout = await project.workspace.create(plan, run)  # nothing was ever committed there
    else:
        checkout = await project.workspace.restore(plan, run)
    if session.kept and not there:
        inside = run_in(project, plan.path)
        await restore_into(
            inside, session.kept, plan.path,
            repository=project.repository, archive=project.home.archive, fresh=True,
        )  # fmt: skip
    return checkout


def _without_branch(session: Session) -> WrongState:
    hint = "`git branch` lists the branches; saved work is under refs/ao."
    if session.commits:
        hint = f"`git branch {session.branch} {session.commits[-1]}` brings it back."
    return WrongState(f"The branch {session.branch} of {session.id} was deleted.", hint=hint)


async def _clear_away(effort: Effort, plan: Plan) -> None:
    """What an interrupted restore left: nobody has worked in it, yet it is saved all the same."""
    project, session = effort.project, effort.session
    saved = await _saved(effort, plan.path, "a restore was interrupted")
    if saved is not None:
        await _note(effort, saved, put_back=False)
    checkout = Checkout(plan.path, session.branch, session.id, plan.project)
    run = run_in(project, project.repository)
    await project.workspace.destroy(checkout, run, saved=saved.commit if saved else None)


async def _saved(effort: Effort, path: Path, why: str) -> Saved | None:
    project = effort.project
    return await salvage(
        run_in(project, path), path, HomeId(effort.engine.home.id), effort.session.id, why,
        archive=project.home.archive, repository=project.repository,
    )  # fmt: skip


def placed(session: Session, checkout: Checkout, *, resume: bool) -> Step:
    """What is known of a session once it has its workspace."""
    base = session.base_commit or checkout.base_commit
    return Step(
        replace(
            session,
            path=str(checkout.path),
            branch=checkout.branch,
            base_commit=base,
            workspace_gone=False,
            kept=None,
            heard=0,  # what its agent says begins anew, also where an attempt came before
            native_id=session.native_id if resume else None,
        )
    )
