"""Merges by rebase on GitLab: a new head, which nobody else may have pushed."""

from typing import Any

import pytest

from ao_core.errors import Conflict, Unauthorized, Unavailable, WrongState
from ao_core.model.work import Landing, MergeMethod, Pull
from ao_plugins.scm.gitlab import GitLabScm
from plugins.scm.gitlab_there import Simple

MERGE, REBASE = MergeMethod.MERGE, MergeMethod.REBASE


class TestRebase(Simple):
    async def test_it_gets_a_new_head_and_is_merged(self, scm: GitLabScm) -> None:
        self.project.merge_method = "ff"
        pull = await self.seen(scm)
        main = self.world.commit("acme/app", "main", {"other": "x"})
        able = await scm.mergeability(pull, MERGE)
        assert (able.mergeable, able.behind, able.waiting) == (False, True, False)
        assert "by rebase" in able.blockers[0]
        assert (await scm.mergeability(pull, REBASE)).mergeable
        landed = await scm.merge(pull, REBASE)
        assert landed.landing is Landing.LANDED
        assert landed.commit != pull.head
        assert [*self.project.bare.commit(landed.commit or "").parents] == [main]
        assert (await scm.merge(pull, REBASE)).landing is Landing.ALREADY

    async def test_what_is_up_to_date_is_not_rebased(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        await scm.merge(pull, REBASE)
        assert "merge_requests/rebase" not in self.calls()

    async def test_it_is_waited_for(self, scm: GitLabScm) -> None:
        pull = await self._behind(scm)
        self.world.rebasing_for = 8
        assert (await scm.merge(pull, REBASE)).landing is Landing.LANDED

    async def test_it_is_not_waited_for_without_end(self, scm: GitLabScm) -> None:
        pull = await self._behind(scm)
        self.world.rebasing_for = 1_000
        with pytest.raises(Unavailable, match="in time"):
            await scm.merge(pull, REBASE)
        assert self.there(pull).state == "opened"

    async def test_one_that_fails_is_told(self, scm: GitLabScm) -> None:
        pull = await self._behind(scm)
        self.world.unknown_for = 1
        there = self.there(pull)
        self.world.rebase, done = _failing(there), self.world.rebase
        landed = await scm.merge(pull, REBASE)
        self.world.rebase = done
        assert landed.landing is Landing.READY
        assert "by hand" in landed.blockers[0]
        assert there.state == "opened"

    async def test_nothing_is_merged_if_somebody_pushes_meanwhile(self, scm: GitLabScm) -> None:
        pull = await self._behind(scm)
        self.world.rebasing_for = 3
        self._push_during_rebase(pull)
        with pytest.raises(Conflict, match="while it was rebased"):
            await scm.merge(pull, REBASE)
        assert self.there(pull).state == "opened"

    async def test_an_answer_that_is_lost_does_no_harm(self, scm: GitLabScm) -> None:
        pull = await self._behind(scm)
        self.world.rebasing_for = 3
        self.gitlab.faults.next("merge_requests/rebase", "lost reply")
        assert (await scm.merge(pull, REBASE)).landing is Landing.LANDED

    async def test_a_pipeline_that_has_to_run_first_is_told(self, scm: GitLabScm) -> None:
        self.project.pipeline_must_succeed = True
        pull = await self._behind(scm)
        self.world.pipeline(self.there(pull), {"test": "success"})
        landed = await scm.merge(pull, REBASE)
        assert landed.landing is Landing.READY
        assert landed.blockers == ("a pipeline must pass before it",)
        moved = await self.numbered(scm, 1)
        assert moved.head != pull.head
        self.world.pipeline(self.there(pull), {"test": "success"})
        assert (await scm.merge(moved, REBASE)).landing is Landing.LANDED

    async def test_it_takes_leave_to_push(self, scm: GitLabScm) -> None:
        pull = await self._behind(scm)
        self.project.merge_level = 20
        self.project.members[self.world.person] = 20
        with pytest.raises(Unauthorized, match="may not rebase"):
            await scm.merge(pull, REBASE)

    async def test_catching_up_is_a_rebase(self, scm: GitLabScm) -> None:
        pull = await self._behind(scm)
        with pytest.raises(WrongState, match="GitLab can rebase"):
            await scm.catch_up(pull)
        after = await scm.catch_up(pull, rebase=True)
        assert after.head != pull.head
        with pytest.raises(Conflict):
            await scm.catch_up(pull, rebase=True)

    async def _behind(self, scm: GitLabScm) -> Pull:
        pull = await self.seen(scm)
        self.world.commit("acme/app", "main", {"other": "x"})
        return pull

    def _push_during_rebase(self, pull: Pull) -> None:
        rebase = self.world.rebase

        def pushed(one: Any, by: Any = None) -> None:
            rebase(one, by)
            self.world.commit("acme/app", pull.branch, {"sneaked": "in"})

        self.world.rebase = pushed


def _failing(there: Any) -> Any:
    def rebase(one: Any, by: Any = None) -> None:
        there.merge_error = "Rebase failed: Rebase locally"

    return rebase
