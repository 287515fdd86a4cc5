"""Keeps workspaces ready for projects whose files take long to write, while nobody is started.

A project has some once a worker of it was started; they follow its main branch, and go where the
configuration wants none. What somebody has done in one is left alone, and told of.
"""

import logging
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from ao_core.engine.engine import Engine
from ao_core.engine.project import Project
from ao_core.engine.side import gently, moved_from, run_in
from ao_core.errors import AoError, WrongState
from ao_core.git.repository import Git
from ao_core.ids import ProjectId, SessionId
from ao_core.model.event import EventKind, NewEvent, Said
from ao_core.model.session import Session, SessionState, is_terminal, is_waiting
from ao_core.process import Run
from ao_core.redact import visible
from ao_core.slots.workspace import Spare, Warm, spares_beside
from ao_core.store.records import PROJECT, SESSION

_log = logging.getLogger(__name__)
_TICK = 2.0
_SAME_SECOND = 1.1  # by then the files are older than the index, and need not be read again
_DEADLINE = 900.0
_AGAIN, _DAY = 30.0, 86_400.0  # after what came to nothing, at first and at most
_SOON = 30.0
_MOST = 4  # those that are left alone included
LARGE = 5_000  # files; fewer are written while a worker's agent starts


@dataclass(frozen=True, slots=True)
class _Shelf:
    """Where the spares of one project are kept."""

    project: Project
    warm: Warm
    root: Path
    repository: Path
    run: Run

    @property
    def git(self) -> Git:
        """Git in the project's repository, behind everything else that runs."""
        return Git(self.run, self.repository)


class Stocking:
    """Looks, now and then, whether something is missing or too much."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._pool = engine, engine.pool
        self._tips: dict[ProjectId, str] = {}
        self._not_before: dict[ProjectId, float] = {}
        self._failed: dict[ProjectId, int] = {}
        self._told: set[tuple[Path, str]] = set()
        self._touched: dict[ProjectId, int] = {}

    async def run(self) -> None:
        """Until cancelled."""
        await self._recall()
        while True:
            await self._engine.clock.sleep(_TICK)
            await self.look()

    async def look(self) -> None:
        """One pass."""
        for id in sorted(self._pool.used):
            project, now = self._engine.projects.at_hand(id), self._engine.clock.monotonic()
            if project is None or self._is_busy() or self._not_before.get(id, 0.0) > now:
                continue
            try:
                with anyio.fail_after(_DEADLINE):
                    await self._one(project)
                self._failed.pop(id, None)
            except AoError as exc:
                _log.warning("no workspace is kept ready for %s: %s", id, exc.message)
                self._not_before[id] = now + self._pause(id)
            except Exception:  # a worker starts without one, too
                _log.exception("no workspace is kept ready for %s", id)
                self._not_before[id] = now + self._pause(id)

    def _pause(self, id: ProjectId) -> float:
        """Longer each time: what never comes to anything is not written all day."""
        failed = self._failed.get(id, 0)
        self._failed[id] = failed + 1
        return min(_AGAIN * 2**failed, _DAY)

    async def _recall(self) -> None:
        """Open the projects for which an earlier engine kept some."""
        async for row in self._engine.records.store.scan(PROJECT):
            folder = spares_beside(self._engine.home.project(row.value.folder).worktrees)
            if not await anyio.Path(folder).is_dir():
                continue
            try:
                self._pool.expect((await self._engine.projects.by_id(ProjectId(row.id))).id)
            except AoError as exc:
                _log.warning("the workspaces kept ready for %s stay: %s", row.id, exc.message)

    def _is_busy(self) -> bool:
        """Whether somebody is being started: that goes first."""
        every = self._engine.records.all(SESSION)
        return any(_begins(one) for one in every)

    # -- one project -----------------------------------------------------------------------------

    async def _one(self, project: Project) -> None:
        if not isinstance(project.workspace, Warm):
            return
        run = gently(run_in(project, project.repository))
        root, warm = project.home.worktrees, project.workspace
        shelf = _Shelf(project, warm, root, project.repository, run)
        if project.id in self._pool.doubted and not await self._look_through(shelf):
            return
        wanted = await self._wanted(shelf)
        while len(self._pool.ready(project.id)) > wanted:
            await self._drop(shelf)
        if wanted:
            tip = await self._tip(shelf)
            await self._bring_up_to_date(shelf, tip)
            ready = len(self._pool.ready(project.id))
            if ready < wanted and ready + self._touched.get(project.id, 0) < _MOST:
                await self._add(shelf, tip)

    async def _look_through(self, shelf: _Shelf) -> bool:
        """See what is there, and put away what a crash has left; whether all is known now."""
        id, doubted = shelf.project.id, self._pool.doubted
        doubted.discard(id)
        if not await anyio.Path(spares_beside(shelf.root)).is_dir():
            return True
        try:
            found = await shelf.warm.spares(shelf.root, shelf.repository, shelf.run)
            if id in doubted:  # somebody took one meanwhile
                return False
            self._pool.found(id, found)
            self._touched[id] = sum(one.touched is not None for one in found)
            for spare in found:
                if not (spare.ready or self._pool.is_held(spare)):
                    await self._put_away(shelf, spare)
        except BaseException:  # cancelled, too: what was half seen is looked through again
            doubted.add(id)
            raise
        return id not in doubted

    async def _put_away(self, shelf: _Shelf, spare: Spare) -> None:
        if spare.touched:
            await self._tell(shelf, spare, spare.touched)
            return
        session = self._engine.records.find(SESSION, spare.session or "")
        if session is None:
            await shelf.warm.discard(shelf.root, shelf.repository, spare, shelf.run)
        else:
            await self._clear(shelf, spare, session.id)

    async def _clear(self, shelf: _Shelf, spare: Spare, id: SessionId) -> None:
        """Remove what is no workspace yet, unless the start it is for goes on, or may again."""
        lock, project = self._engine.alone(id), shelf.project.id
        if lock.locked() or not is_terminal(self._engine.session(id)):
            self._pool.doubted.add(project)
            self._not_before[project] = self._engine.clock.monotonic() + _SOON
            return
        async with lock:
            session = self._engine.session(id)
            if not is_terminal(session):
                return
            await shelf.warm.discard(shelf.root, shelf.repository, spare, shelf.run)
            if not session.adopted and not session.path:
                await shelf.git.drop_branch(session.branch, spare.commit)

    async def _wanted(self, shelf: _Shelf) -> int:
        project = shelf.project
        wanted = project.settings.warm_worktrees
        if wanted is None:
            index = project.common_dir / "index"
            wanted = int(await anyio.to_thread.run_sync(_entries, index) >= LARGE)
        return wanted

    async def _tip(self, shelf: _Shelf) -> str:
        """The commit of the main branch; git is asked only where its files have changed."""
        project = shelf.project
        known = self._tips.get(project.id)
        if known is None or await moved_from(project.common_dir, project.branch, known):
            known = await shelf.git.line("rev-parse", f"refs/heads/{project.branch}^{{commit}}")
            self._tips[project.id] = known
        return known

    # -- one spare -------------------------------------------------------------------------------

    async def _add(self, shelf: _Shelf, tip: str) -> None:
        if await _is_sparse(shelf.git):
            raise WrongState("its checkout is sparse", hint="Set `warm_worktrees: 0`.")
        self._pool.doubted.add(shelf.project.id)  # for as long as it is not among the others
        spare = await shelf.warm.stock(shelf.root, shelf.repository, tip, shelf.run)
        await self._engine.clock.sleep(_SAME_SECOND)
        self._pool.put(shelf.project.id, await shelf.warm.refresh(spare, tip, shelf.run))
        self._pool.doubted.discard(shelf.project.id)

    async def _bring_up_to_date(self, shelf: _Shelf, tip: str) -> None:
        id = shelf.project.id
        for _ in self._pool.ready(id):
            with self._pool.claimed(id, lambda one: one.commit != tip) as spare, _left_alone(spare):
                if spare is not None:
                    self._pool.put(id, await shelf.warm.refresh(spare, tip, shelf.run))

    async def _drop(self, shelf: _Shelf) -> None:
        with self._pool.claimed(shelf.project.id) as spare, _left_alone(spare):
            if spare is not None:
                await shelf.warm.discard(shelf.root, shelf.repository, spare, shelf.run)

    async def _tell(self, shelf: _Shelf, spare: Spare, why: str) -> None:
        if (spare.path, why) in self._told:
            return
        self._told.add((spare.path, why))
        text = f"{spare.path}, kept ready for a worker, is left alone from now on: {why}"
        event = NewEvent(EventKind.SPARE_TOUCHED, Said(visible(text, 500)), shelf.project.id)
        await self._engine.records.commit([], [event])


@contextmanager
def _left_alone(spare: Spare | None) -> Generator[None]:
    """What cannot be done with a spare is no reason to stop; what it is now is looked at again."""
    try:
        yield
    except AoError as exc:
        _log.warning("%s is not ready any more: %s", spare and spare.path, exc.message)


def _begins(session: Session) -> bool:
    return session.facts.state is SessionState.NOT_STARTED and not is_waiting(session)


def _entries(index: Path) -> int:
    """How many files the main checkout has, by the beginning of git's own list of them."""
    with suppress(OSError), index.open("rb") as file:
        head = file.read(12)
        return int.from_bytes(head[8:]) if head.startswith(b"DIRC") and len(head) == 12 else 0
    return 0


async def _is_sparse(git: Git) -> bool:
    """Whether a work tree has but a choice of the files, which may be another one by tomorrow."""
    done = await git.call("config", "--bool", "core.sparseCheckout", ok=(0, 1))
    return done.text.strip() == "true"
