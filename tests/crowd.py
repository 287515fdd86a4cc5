"""Many sessions in one store, made up but for their agents and work trees, which are real."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import anyio

from ao_core.engine.engine import Engine
from ao_core.engine.project import Project
from ao_core.model.session import (
    PrFacts,
    PrReason,
    PrState,
    RuntimeFacts,
    RuntimeReason,
    RuntimeState,
    Session,
)
from ao_core.model.session import SessionReason as R
from ao_core.model.session import SessionState as S
from ao_core.slots.runtime import Command, Start
from ao_core.store.contract import Put
from ao_core.store.records import SESSION
from ao_mcp.app import engine_on
from books import a_session, over
from inside import a_person, settled
from team import git


@dataclass
class Crowd:
    """An engine that knows many sessions."""

    engine: Engine
    project: Project
    folder: Path
    count: int = 0

    async def alive(self, count: int, state: S = S.IDLE, reason: R = R.TURN_ENDED) -> list[str]:
        """So many more, each with an agent that does nothing in a work tree of its own."""
        made = [await self._one(state, reason) for _ in range(count)]
        await self._keep(made)
        for one in made:
            self.engine.spools.add(one.id, self.project.home.spool(one.id))
        return [one.id for one in made]

    async def ended(self, count: int) -> None:
        """So many more that are over."""
        await self._keep([over(self._named(S.IDLE, R.TURN_ENDED)) for _ in range(count)])

    async def left(self, count: int) -> None:
        """So many more that are over, each with a work tree, and with work that nobody merged."""
        tree = ("commit-tree", "-p", "main", "-m", "work", "main^{tree}")
        tip = await anyio.to_thread.run_sync(git, self.project.repository, *tree)
        made = [over(self._named(S.IDLE, R.TURN_ENDED)) for _ in range(count)]
        for one in made:
            branch = ("branch", one.branch, tip)
            await anyio.to_thread.run_sync(git, self.project.repository, *branch)
        pr = PrFacts(PrState.OPEN, PrReason.IN_PROGRESS)
        await self._keep([replace(one, pr=pr, path=str(self.folder / one.id)) for one in made])

    async def end(self) -> None:
        runtime = await self.engine.projects.runtime(self.project, "tmux")
        for session in self.engine.live():
            if session.run.handle:
                await runtime.destroy(session.run.handle)

    def _named(self, state: S, reason: R) -> Session:
        self.count += 1
        now = self.engine.clock.now()
        made = a_session(
            f"{self.project.prefix}-{self.count}", state, reason, project=self.project.id,
            created_at=now, agent="command", runtime="tmux", run=RuntimeFacts(), report="done",
            question="?" if state is S.NEEDS_INPUT else None, generation=1,
            branch=f"ao/{self.project.prefix}-{self.count}-abcdef", base="main",
        )  # fmt: skip
        return replace(made, facts=replace(made.facts, since=now))

    async def _one(self, state: S, reason: R) -> Session:
        session = self._named(state, reason)
        path = self.folder / session.id
        add = ("worktree", "add", "-q", "-b", session.branch, str(path), "main")
        await anyio.to_thread.run_sync(git, self.project.repository, *add)
        runtime = await self.engine.projects.runtime(self.project, "tmux")
        command = Command(("sleep", "1000"), {"PATH": "/usr/bin:/bin"})
        handle = await runtime.create(Start(session.id, path, command))
        run = RuntimeFacts(RuntimeState.ALIVE, RuntimeReason.PROCESS_RUNNING, handle)
        tip = git(path, "rev-parse", "HEAD")
        return replace(session, path=str(path), run=run, base_commit=tip)

    async def _keep(self, sessions: Sequence[Session]) -> None:
        await self.engine.records.commit([Put(SESSION, one.id, one, 0) for one in sessions])


@asynccontextmanager
async def crowd_at(home: Path, folder: Path) -> AsyncGenerator[Crowd]:
    repository = folder / "sample"
    async with engine_on(settled(home, repository)) as engine:
        project = await engine.projects.for_caller(a_person(repository), None)
        crowd = Crowd(engine, project, folder / "trees")
        crowd.folder.mkdir()
        try:
            yield crowd
        finally:
            with anyio.CancelScope(shield=True):
                await crowd.end()
