"""A project whose origin is on a GitLab of the tests, and a plugin that looks at it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from ao_core.model.work import Pull
from ao_core.plugin import Scope
from ao_core.slots.scm import WorkRef
from ao_core.testing.repository import Sample, sample
from ao_plugins.scm.gitlab import GitLabScm, GitLabScmConfig
from plugins.scm.hasty import Hasty
from standins.gitlab import GitLab, hosted
from standins.gitlab.records import MergeRequest, Project


class OnGitLab:
    """`self.gitlab` is the host; `acme/app` is where it all happens."""

    gitlab: GitLab
    clock: Hasty

    @pytest.fixture(autouse=True)
    def host(self, tmp_path: Path) -> Iterator[GitLab]:
        self.clock = Hasty()
        with hosted(tmp_path / "host") as host:
            host.world.now = lambda: self.clock.now().timestamp()
            self.gitlab = host
            yield host

    @pytest.fixture
    async def repository(self, tmp_path: Path, host: GitLab) -> Sample:
        made = await sample(tmp_path / "project")
        await made.git("remote", "add", "origin", host.remote())
        await made.git("push", "-q", "--force", "origin", "main")
        await made.git("checkout", "-q", "-b", "elsewhere")
        return made

    @pytest.fixture
    def scope(self, tmp_path: Path, repository: Sample, host: GitLab) -> Scope:
        return Scope(
            state=tmp_path / "scm", project="demo", repository=repository.path, home="0a1b2c3d",
            environment={"GITLAB_TOKEN": host.token}, clock=self.clock,
        )  # fmt: skip

    @property
    def world(self) -> Any:
        return self.gitlab.world

    @property
    def project(self) -> Project:
        return self.gitlab.world.named("acme/app")

    def make(self, scope: Scope) -> GitLabScm:
        return self.made(scope)

    def made(self, scope: Scope, **settings: Any) -> GitLabScm:
        """With these settings."""
        given: dict[str, Any] = {"checks_within": 0, **settings}
        return GitLabScm(GitLabScmConfig(api=self.gitlab.api, **given), scope)

    async def show(self, repository: Sample, work: WorkRef) -> None:
        await repository.git("push", "-q", "--force", "origin", work.branch)
        if not any(
            one.source_branch == work.branch for one in self.project.merge_requests.values()
        ):
            self.gitlab.world.merge_request("acme/app", work.branch, title=work.title)

    def there(self, pull: Pull | int) -> MergeRequest:
        """The host's own record of it."""
        return self.project.merge_requests[pull if isinstance(pull, int) else pull.number]

    def calls(self) -> dict[str, int]:
        """What was asked since last asked, by operation."""
        asked = [call.operation for call in self.gitlab.calls]
        self.gitlab.calls.clear()
        return {name: asked.count(name) for name in dict.fromkeys(asked)}


class Simple(OnGitLab):
    """Without a repository: its branches are made on the host."""

    @pytest.fixture
    def scope(self, tmp_path: Path, host: GitLab) -> Scope:
        return Scope(
            state=tmp_path / "scm", project="demo", repo="acme/app", home="0a1b2c3d",
            environment={"GITLAB_TOKEN": host.token}, clock=self.clock,
        )  # fmt: skip

    @pytest.fixture
    async def scm(self, scope: Scope) -> AsyncIterator[GitLabScm]:
        async with self.make(scope) as scm:
            yield scm

    def opened(self, n: int = 1, **fields: Any) -> WorkRef:
        """A session with a merge request on a branch of its own."""
        branch = f"ao/app-{n}"
        head = self.world.commit("acme/app", branch, {f"file-{n}.txt": f"{n}\n"})
        self.world.merge_request("acme/app", branch, title=f"Do {n}", **fields)
        return WorkRef(f"app-{n}", branch, "main", "", f"Do {n}", "", (head,))

    async def seen(self, scm: GitLabScm, n: int = 1, **fields: Any) -> Pull:
        """The same, as the plugin sees it."""
        return await self.of(scm, self.opened(n, **fields))

    async def of(self, scm: GitLabScm, work: WorkRef) -> Pull:
        """The merge request of this work, which there must be."""
        pull = await scm.find(work)
        assert pull
        return pull

    async def numbered(self, scm: GitLabScm, number: int) -> Pull:
        """The one of this number, which there must be."""
        pull = await scm.get(number)
        assert pull
        return pull
