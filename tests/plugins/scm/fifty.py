"""Fifty sessions of one project on a GitHub of the tests, as an engine looks at their work.

Time is a clock of the test's own, also over there; what has to wait meanwhile waits by it.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import anyio
import pytest

from ao_core.engine.project import Project
from ao_core.engine.pull_looks import Pulls
from ao_core.errors import AoError
from ao_core.ids import SessionId
from ao_core.model.judgement import Judged
from ao_core.model.session import Session
from ao_core.plugin import Scope
from ao_core.store.records import SESSION
from ao_core.testing.clock import FakeClock
from ao_plugins.scm.github import GitHubScm, GitHubScmConfig
from bare_engine import an_engine
from books import Books, a_session, clock_of
from standins.git import Bare
from standins.github import GitHub
from standins.github.records import Pull as There

MANY, REPOSITORY, APART = 50, "acme/app", 55.0
_OF_REFS = frozenset({"rev-parse", "for-each-ref"})
_OF_COMMITS = frozenset({"rev-list", "merge-base", "diff", "show", "merge-tree"})


@dataclass(frozen=True, slots=True)
class Spent:
    """What was asked of the host, and what it came to."""

    requests: int
    points: int
    rest: int


@dataclass
class Fifty:
    """An engine's looks at them. `there` are their pull requests, the first session's first."""

    github: GitHub
    clock: FakeClock
    books: Books
    pulls: Pulls
    project: Project
    there: list[There] = field(default_factory=list[There])

    @property
    def scm(self) -> GitHubScm:
        return cast("GitHubScm", self.project.scm)

    @property
    def ids(self) -> list[SessionId]:
        return [one.id for one in self.books.records.all(SESSION)]

    def session(self, at: int = 0) -> Session:
        return self.books.records.session(self.ids[at])

    def judged(self, at: int = 0) -> Judged:
        """What others made of its pull request."""
        found = self.session(at).pr.judged
        assert found
        return found

    async def look(self) -> Spent:
        """One pass over all of them, however long it has to wait."""
        before, trouble = len(self.github.calls), None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._going_on)
            try:
                await self.pulls.look(self.project, self.ids)
            except AoError as exc:
                trouble = exc
            tasks.cancel_scope.cancel()
        if trouble:
            raise trouble
        asked = self.github.calls[before:]
        points = sum(call.cost for call in asked if call.resource == "graphql")
        rest = sum(call.cost for call in asked if call.resource == "core")
        return Spent(len(asked), points, rest)

    async def settle(self) -> None:
        """Passes until nothing is new any more."""
        for _ in range(3):
            await self.look()
            await self.clock.advance(APART)

    async def working(self, count: int, start: int = 0) -> None:
        """So many more sessions, each with a commit on a branch of its own."""
        for n in range(start + 1, start + count + 1):
            branch = f"ao/app-{n}"
            head = self.github.world.commit(REPOSITORY, branch, {f"file-{n}.txt": f"{n}\n"})
            await self.books.keep(
                a_session(f"app-{n:03}", branch=branch, base="main", title=f"Do {n}",
                          commits=(head,))
            )  # fmt: skip

    async def opened(self, count: int) -> None:
        """The same, with a pull request for each."""
        await self.working(count)
        for n in range(1, count + 1):
            self.there.append(self.github.world.pull(REPOSITORY, f"ao/app-{n}", title=f"Do {n}"))

    def push(self, at: int, text: str) -> None:
        """One more commit on the branch of one of them."""
        one = self.there[at]
        self.github.world.commit(REPOSITORY, one.head, {f"file-{one.number}.txt": text})

    async def _going_on(self) -> None:
        while True:
            await self.clock.until_sleeping()
            await self.clock.advance(1)


def _nothing(*work: object) -> None:
    """Nothing is done on the side."""


@asynccontextmanager
async def fifty(folder: Path, github: GitHub, books: Books) -> AsyncGenerator[Fifty]:
    """An engine that has just started; a second one over the same folder is the next."""
    clock = clock_of(books)
    github.world.now = lambda: clock.now().timestamp()
    token = github.world.token(f"ghp_{uuid4().hex}").token  # whose budget is nobody else's
    scope = Scope(
        state=folder / "scm", project="demo", repo=REPOSITORY, home="0a1b2c3d",
        environment={"GH_TOKEN": token}, clock=clock,
    )  # fmt: skip
    config = GitHubScmConfig(api=f"{github.url}/api/v3", checks_within=0)
    async with GitHubScm(config, scope) as scm:
        project: Any = SimpleNamespace(id="app", scm=scm, workspace=None)
        engine: Any = an_engine(books, project)
        engine.tasks = SimpleNamespace(start_soon=_nothing)
        yield Fifty(github, clock, books, Pulls(engine), project)


def remembering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Git is asked the same only once: of refs until one moves, of commits at all."""
    refs: dict[tuple[Path, tuple[str, ...]], str] = {}
    commits = refs.copy()
    asked = Bare.git

    def git(bare: Bare, *args: str, **more: Any) -> str:
        if more or args[0] not in _OF_REFS | _OF_COMMITS:
            refs.clear()
            return asked(bare, *args, **more)
        known, key = commits if args[0] in _OF_COMMITS else refs, (bare.folder, args)
        if key not in known:
            known[key] = asked(bare, *args)
        return known[key]

    monkeypatch.setattr(Bare, "git", git)
