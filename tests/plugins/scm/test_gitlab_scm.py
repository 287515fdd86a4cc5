"""Merge requests on a GitLab that keeps to its own rules: the contract, and whose each is."""

from dataclasses import replace
from pathlib import Path

import pytest

from ao_core.errors import ConfigError, Unavailable
from ao_core.model.work import PullState
from ao_core.plugin import Scope
from ao_core.slots.scm import WorkRef
from ao_core.testing.scm import ScmContract
from ao_plugins._gitlab.looking import Looks
from ao_plugins.scm.gitlab import GitLabScm, GitLabScmConfig
from plugins.scm.gitlab_there import OnGitLab, Simple


class TestGitLabScm(OnGitLab, ScmContract):
    """The contract, with a repository that pushes there."""


class TestWhose(Simple):
    async def test_one_from_a_fork_is_nobodys(self, scm: GitLabScm) -> None:
        work = self.opened()
        fork = self.world.project("somebody/app")
        fork.bare.fetch(self.project.bare, work.commits[0], "refs/heads/ao/app-2")
        self.world.merge_request("acme/app", "ao/app-2", origin=fork)
        forked = WorkRef("app-2", "ao/app-2", "main", "", "", "", work.commits)
        assert await scm.find(forked) is None
        assert (await self.numbered(scm, 2)).foreign

    async def test_a_claim_outlives_a_force_push_and_a_restart(
        self, scm: GitLabScm, scope: Scope
    ) -> None:
        work = self.opened()
        first = await self.of(scm, work)
        self.world.commit("acme/app", work.branch, {"x": "y"}, onto="main")
        assert (await self.of(scm, work)).head != first.head
        async with self.make(scope) as again:
            assert (await self.of(again, work)).number == 1

    async def test_an_open_one_counts_before_those_that_ended(self, scm: GitLabScm) -> None:
        work = self.opened()
        assert await scm.find(work)
        self.world.close(self.there(1))
        self.world.merge_request("acme/app", work.branch)
        assert (await self.of(scm, work)).number == 2
        self.world.close(self.there(2))
        found = await self.of(scm, work)
        assert (found.number, found.state) == (2, PullState.CLOSED)

    async def test_an_ended_one_that_was_never_seen_open_is_found(self, scm: GitLabScm) -> None:
        work = self.opened()
        self.world.merge(self.there(1))
        assert (await self.of(scm, work)).state is PullState.MERGED

    async def test_a_session_never_gets_anothers(self, scm: GitLabScm) -> None:
        work = self.opened()
        assert await scm.find(work)
        assert await scm.find(replace(work, session="app-2")) is None

    async def test_one_can_be_taken_over(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        other = self.world.commit("acme/app", "theirs", {"a": "b"})
        self.world.merge_request("acme/app", "theirs")
        mine = WorkRef("app-9", "ao/app-9", "main", "", "", "", (), 2)
        assert (await self.of(scm, mine)).head == other
        assert await self.of(scm, replace(mine, session="app-10"))
        assert await scm.find(mine) is None  # it does not take it back
        assert scm.ref_of(pull) == "refs/merge-requests/1/head"

    async def test_its_number_is_the_one_that_people_see(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        assert pull.number == 1 != self.there(1).id
        assert await scm.get(self.there(1).id) is None
        assert pull.url == f"{self.gitlab.url}/acme/app/-/merge_requests/1"

    async def test_what_could_not_be_looked_at_is_left_out(
        self, scm: GitLabScm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        work = self.opened()
        lost = WorkRef("app-2", "ao/app-2", "main", "", "", "", ())

        async def fail(*_: object) -> None:
            raise Unavailable("not now")

        monkeypatch.setattr(Looks, "on", fail)
        assert (await scm.observe([work, lost])).keys() == {"app-1"}
        with pytest.raises(Unavailable, match="ao/app-2"):
            await scm.find(lost)
        monkeypatch.undo()
        assert (await scm.observe([work, lost])).keys() == {"app-1", "app-2"}
        monkeypatch.setattr(Looks, "changed", fail)
        assert (await scm.observe([work, lost])).keys() == {"app-1"}

    async def test_a_host_that_is_down_is_no_answer(self, scm: GitLabScm) -> None:
        work = self.opened()
        self.gitlab.faults.next("merge_requests/list", "server error", times=4)
        with pytest.raises(Unavailable):
            await scm.find(work)


class TestWithoutOne(Simple):
    """Sessions that have no merge request, or none any more."""

    async def test_ten_cost_two_lists_in_a_later_pass(self, scm: GitLabScm) -> None:
        works = self._works(10)
        await scm.observe(works)
        assert self.calls() == {"merge_requests/list": 12}
        for _ in range(3):
            assert await scm.observe(works) == dict.fromkeys(f"app-{n}" for n in range(10))
            assert self.calls() == {"merge_requests/list": 2}
        self.opened(20)
        self.world.merge(self.there(1))
        await scm.observe(works)
        assert self.calls() == {"merge_requests/list": 2}

    async def test_those_whose_one_has_ended_cost_no_more(self, scm: GitLabScm) -> None:
        works = [self.opened(n) for n in range(1, 5)]
        await scm.observe(works)
        for n in range(1, 5):
            self.world.close(self.there(n))
        for _ in range(2):
            found = await scm.observe(works)
            assert {pull and pull.state for pull in found.values()} == {PullState.CLOSED}
        self.calls()
        await scm.observe(works)
        assert self.calls() == {"merge_requests/list": 2}

    async def test_one_that_came_and_ended_between_two_passes_is_found(
        self, scm: GitLabScm
    ) -> None:
        await scm.observe(self._works(3))
        await scm.observe(self._works(3))
        work = self.opened(2)
        self.world.merge(self.there(1))
        pull = (await scm.observe([*self._works(2), work]))["app-2"]
        assert pull
        assert pull.state is PullState.MERGED

    async def test_it_may_be_known_only_later_that_a_commit_is_the_sessions(
        self, scm: GitLabScm
    ) -> None:
        await scm.observe(self._works(3))
        work = self.opened(2)
        self.world.merge(self.there(1))
        assert not (await scm.observe(self._works(3)))["app-2"]
        assert (await scm.observe([work]))["app-2"]

    async def test_one_that_was_deleted_is_there_no_more(self, scm: GitLabScm) -> None:
        work = self.opened()
        assert (await scm.observe([work]))["app-1"]
        del self.project.merge_requests[1]
        assert await scm.observe([work]) == {"app-1": None}

    async def test_a_restart_finds_what_was_its_own(self, scm: GitLabScm, scope: Scope) -> None:
        work = self.opened()
        assert await scm.find(work)
        self.world.commit("acme/app", work.branch, {"x": "y"}, onto="main")
        self.world.close(self.there(1))
        self.project.merge_requests[1].source_branch = "renamed"
        async with self.make(scope) as again:
            assert await again.find(work)

    def _works(self, count: int) -> list[WorkRef]:
        return [WorkRef(f"app-{n}", f"ao/app-{n}", "main", "", "", "", ()) for n in range(count)]


class TestWhere(Simple):
    async def test_groups_within_groups(self, scope: Scope) -> None:
        self.world.project("acme/team/tools/app")
        self.world.commit("acme/team/tools/app", "b", {"a": "b"})
        self.world.merge_request("acme/team/tools/app", "b")
        async with self.made(scope, repo="acme/team/tools/app") as scm:
            pull = await scm.get(1)
        assert pull
        assert pull.url == f"{self.gitlab.url}/acme/team/tools/app/-/merge_requests/1"

    async def test_a_project_must_be_named_or_cloned(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="which project"):
            async with GitLabScm(GitLabScmConfig(), Scope(state=tmp_path)):
                pass
