"""What ended workers have left on the disk, and its removal: nothing goes that is not saved first.

Branches, saved work and archives stay, whatever their age; so do the workspaces of those that went
down with a stop, a runtime or the machine, which are to go on.
"""

import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import anyio
import anyio.to_thread

from ao_core.engine.down import is_down
from ao_core.engine.engine import Engine
from ao_core.engine.kill import kill
from ao_core.engine.project import Project
from ao_core.engine.side import git_for, run_in
from ao_core.errors import AoError
from ao_core.ids import ProjectId, SessionId
from ao_core.model.session import Session, SessionReason, is_terminal
from ao_core.slots.workspace import Warm, spares_beside
from ao_core.store.records import PROJECT, SESSION

_log = logging.getLogger(__name__)
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Left:
    """The workspace of an ended worker. `stays` says why it is not to go."""

    session: SessionId
    project: ProjectId
    path: Path
    size: int
    stays: str | None = None
    gone: bool = False
    saved: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """Saved work in one repository, and what of it nothing but the saved work holds."""

    project: ProjectId
    snapshots: int
    size: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A workspace that was made before anybody needs it. `touched`: what somebody did in it."""

    project: ProjectId
    path: Path
    size: int
    touched: str | None = None


async def left(engine: Engine, project: ProjectId | None = None) -> Sequence[Left]:
    """Every workspace that stands although its worker has ended."""
    found = [one for one in engine.records.all(SESSION) if _is_left(one, project)]
    sizes = [await anyio.to_thread.run_sync(size_of, Path(one.path)) for one in found]
    every = [
        Left(one.id, one.project, Path(one.path), size, _stays(one))
        for one, size in zip(found, sizes, strict=True)
        if size is not None
    ]
    return sorted(every, key=lambda one: one.size, reverse=True)


def _is_left(session: Session, project: ProjectId | None) -> bool:
    ended = is_terminal(session) and not session.workspace_gone
    return ended and bool(session.path) and project in (None, session.project)


def _stays(session: Session) -> str | None:
    return "`ao start` or `ao restore --all` brings it back" if is_down(session) else None


def size_of(folder: Path) -> int | None:
    """What a folder takes up on the disk, no link followed; None where there is none."""
    if not folder.is_dir():
        return None
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                seen = os.lstat(os.path.join(place, name))
            except OSError:  # gone meanwhile
                continue
            total += int(getattr(seen, "st_blocks", seen.st_size / _BLOCK) * _BLOCK)
    return total


async def clear(
    engine: Engine, every: Sequence[Left], told: Callable[[int, Left], Awaitable[None]]
) -> Sequence[Left]:
    """Take away what is to go, one after the other; each as it came out."""
    done: list[Left] = []
    for count, one in enumerate(every):
        await told(count, one)
        done.append(one if one.stays else await _cleared(engine, one))
    return done


async def _cleared(engine: Engine, one: Left) -> Left:
    def still(now: Session) -> bool:
        return is_terminal(now) and _stays(now) is None

    try:
        killed = await kill(engine, one.session, reason=SessionReason.AUTO_CLEANUP, still=still)
    except AoError as exc:
        _log.warning("the workspace of %s stays: %s", one.session, exc.message)
        return replace(one, stays=exc.message)
    why = None if killed.removed else killed.kept_because or "somebody brought it back"
    return replace(one, stays=why, gone=killed.removed, saved=killed.saved)


async def ready(engine: Engine, project: ProjectId | None = None) -> Sequence[Waiting]:
    """Every workspace that is kept ready, where its project can be reached."""
    found: list[Waiting] = []
    async for row in engine.records.store.scan(PROJECT):
        root = engine.home.project(row.value.folder).worktrees
        if project in (None, row.id) and await anyio.Path(spares_beside(root)).is_dir():
            try:
                found += await _ready(await engine.projects.by_id(ProjectId(row.id)))
            except AoError as exc:
                _log.warning("what is kept ready for %s cannot be looked at: %s", row.id, exc)
    return found


async def _ready(project: Project) -> Sequence[Waiting]:
    workspace, repository = project.workspace, project.repository
    if not isinstance(workspace, Warm):
        return ()
    run = run_in(project, repository)
    spares = await cast("Warm", workspace).spares(project.home.worktrees, repository, run)
    sizes = [await anyio.to_thread.run_sync(size_of, one.path) for one in spares]
    return [
        Waiting(project.id, one.path, size or 0, one.touched)
        for one, size in zip(spares, sizes, strict=True)
    ]


async def saved_work(engine: Engine, project: ProjectId | None = None) -> Sequence[Kept]:
    """What `refs/ao` keeps in each repository that can be reached."""
    ids = [row.id async for row in engine.records.store.scan(PROJECT)]
    found: list[Kept] = []
    for id in ids:
        if project not in (None, id):
            continue
        try:
            found.append(await _kept(engine, await engine.projects.by_id(ProjectId(id))))
        except AoError as exc:
            _log.warning("the saved work of %s cannot be looked at: %s", id, exc.message)
    return found


async def _kept(engine: Engine, project: Project) -> Kept:
    git = git_for(project, project.repository)
    ours = f"refs/ao/{engine.home.id}/"
    refs = (await git.call("for-each-ref", "--format=%(refname)", ours)).text.split()
    if not refs:
        return Kept(project.id, 0, 0)
    how = ("rev-list", "--objects", "--disk-usage", f"--glob={ours}*")
    done = await git.attempt(*how, "--not", "--branches", "--tags", "--remotes")
    size = int(done.text) if done.status == 0 and done.text.strip().isdigit() else None
    return Kept(project.id, len(refs), size)
