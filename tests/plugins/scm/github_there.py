"""A repository on a GitHub of the tests, and a plugin that looks at it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from ao_core.model.work import Pull
from ao_core.plugin import Scope
from ao_core.slots.scm import WorkRef
from ao_plugins.scm.github import GitHubScm, GitHubScmConfig
from plugins.scm.hasty import Hasty
from standins.github import GitHub, hosted
from standins.github.records import Pull as There
from standins.github.records import Repository
from standins.github.world import World

APP = "acme/app"


class OnGitHub:
    """`self.github` is the host; `acme/app` is where it all happens."""

    github: GitHub
    clock: Hasty

    @pytest.fixture(autouse=True)
    def host(self, tmp_path: Path) -> Iterator[GitHub]:
        self.clock = Hasty()
        with hosted(tmp_path / "host") as host:
            host.world.now = lambda: self.clock.now().timestamp()
            self.github = host
            yield host

    @pytest.fixture
    def scope(self, tmp_path: Path, host: GitHub) -> Scope:
        return Scope(state=tmp_path / "scm", project="demo", repo=APP, clock=self.clock)

    @pytest.fixture
    async def scm(self, scope: Scope) -> AsyncIterator[GitHubScm]:
        async with self.made(scope) as scm:
            yield scm

    def made(self, scope: Scope, **settings: Any) -> GitHubScm:
        """With these settings."""
        given: dict[str, Any] = {"token": self.github.token, "checks_within": 0, **settings}
        return GitHubScm(GitHubScmConfig(api=f"{self.github.url}/api/v3", **given), scope)

    @property
    def world(self) -> World:
        return self.github.world

    @property
    def app(self) -> Repository:
        return self.world.named(APP)

    def work(self, n: int = 1, **fields: Any) -> WorkRef:
        """A session with one commit on a branch of its own, pushed."""
        branch = f"ao/app-{n}"
        head = self.world.commit(APP, branch, {f"file-{n}.txt": f"{n}\n"}, **fields)
        return WorkRef(f"app-{n}", branch, "main", "", f"Do {n}", "", (head,))

    def opened(self, n: int = 1, **fields: Any) -> WorkRef:
        """The same with a pull request."""
        work = self.work(n)
        self.world.pull(APP, work.branch, title=work.title, **fields)
        return work

    async def seen(self, scm: GitHubScm, n: int = 1, **fields: Any) -> Pull:
        """The same, as the plugin sees it."""
        return await self.of(scm, self.opened(n, **fields))

    async def of(self, scm: GitHubScm, work: WorkRef) -> Pull:
        """The pull request of this work, which there must be."""
        pull = await scm.find(work)
        assert pull
        return pull

    def there(self, pull: Pull) -> There:
        """The host's own record of it."""
        return self.app.pulls[pull.number]

    def calls(self) -> dict[str, int]:
        """What was asked since last asked, by operation."""
        asked = [call.operation for call in self.github.calls]
        self.github.calls.clear()
        return {name: asked.count(name) for name in dict.fromkeys(asked)}
