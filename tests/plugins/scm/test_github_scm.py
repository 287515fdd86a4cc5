"""Pull requests on a GitHub that keeps to its published descriptions: found, judged and merged."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ao_core.model.work import CheckState
from ao_core.plugin import Scope
from ao_core.slots.scm import WorkRef
from ao_core.testing.repository import Sample, sample
from ao_core.testing.scm import ScmContract
from ao_plugins.scm.github import GitHubScm, GitHubScmConfig
from standins.github import GitHub, hosted

METHODS = {"merge", "squash", "rebase"}


class OnGitHub:
    """A project whose origin is there."""

    @pytest.fixture
    def github(self, tmp_path: Path) -> Iterator[GitHub]:
        with hosted(tmp_path / "host") as host:
            yield host

    @pytest.fixture
    async def repository(self, tmp_path: Path, github: GitHub) -> Sample:
        made = await sample(tmp_path / "project")
        await made.git("remote", "add", "origin", github.remote())
        await made.git("push", "-q", "--force", "origin", "main")
        await made.git("checkout", "-q", "-b", "elsewhere")
        return made

    @pytest.fixture
    def scope(self, tmp_path: Path, repository: Sample, github: GitHub) -> Scope:
        return Scope(
            state=tmp_path / "scm", project="demo", repository=repository.path, home="0a1b2c3d",
            environment={"GH_ENTERPRISE_TOKEN": github.token},
        )  # fmt: skip

    @pytest.fixture
    def config(self, github: GitHub) -> GitHubScmConfig:
        return GitHubScmConfig(api=f"{github.url}/api/v3")


class TestGitHubScm(OnGitHub, ScmContract):
    @pytest.fixture(autouse=True)
    def _there(self, github: GitHub) -> None:
        self.there = github

    def make(self, scope: Scope) -> GitHubScm:
        config = GitHubScmConfig(api=f"{self.there.url}/api/v3", checks_within=0)
        return GitHubScm(config, scope)

    async def show(self, repository: Sample, work: WorkRef) -> None:
        await repository.git("push", "-q", "origin", work.branch)
        at = self.there.world.named("acme/app")
        if not any(one.head == work.branch for one in at.pulls.values()):
            self.there.world.pull("acme/app", work.branch, title=work.title)

    async def test_a_check_that_fails_is_seen_with_its_step_and_the_end_of_its_log(
        self, scm: GitHubScm, repository: Sample, github: GitHub
    ) -> None:
        work = await self.work(repository)
        pull = await scm.find(work)
        assert pull
        before = (await scm.judge([pull]))[pull.number]
        assert before.checks == ()
        there = github.world.named("acme/app").pulls[pull.number]
        github.world.job(there, "lint", "failure", log="2026-01-01T00:00:00.0Z ##[error]too long\n")
        await scm.observe([work])
        after = (await scm.judge([pull]))[pull.number]
        (check,) = after.checks
        assert (check.name, check.state) == ("ci / lint", CheckState.FAILED)
        assert "too long" in (check.detail or "")

    async def test_one_that_was_taken_over_is_nobody_elses_until_another_takes_it_over(
        self, scm: GitHubScm, github: GitHub
    ) -> None:
        head = github.world.commit("acme/app", "theirs", {"a": "b"})
        number = github.world.pull("acme/app", "theirs").number
        first = WorkRef("app-8", "theirs", "main", "", "", "", (head,), number)
        second = replace(first, session="app-9")
        for work in (first, second):
            found = await scm.find(work)
            assert found
            assert found.number == number
        assert await scm.find(first) is None
        assert await scm.find(second)
