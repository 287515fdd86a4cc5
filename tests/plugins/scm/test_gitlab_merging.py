"""Merges on GitLab: exactly one head, once, by the project's rules, and never by force."""

from dataclasses import replace
from typing import Any

import pytest

from ao_core.errors import Conflict, NotFound, Unauthorized, Unavailable, WrongState
from ao_core.model.work import Landing, MergeMethod, Pull, PullState
from ao_core.plugin import Scope
from ao_plugins._gitlab.blockers import own_word
from ao_plugins._gitlab.seen import Seen
from ao_plugins._unchecked import UNCHECKED
from ao_plugins.scm.gitlab import GitLabScm
from plugins.scm.gitlab_there import Simple
from standins.gitlab.things import MERGE_STATUS

MERGE, SQUASH, REBASE = MergeMethod.MERGE, MergeMethod.SQUASH, MergeMethod.REBASE


class TestBeginning(Simple):
    @pytest.mark.parametrize("auto_merge", [False, True])
    async def test_nothing_is_merged_before_checks_could_begin(
        self, scope: Scope, *, auto_merge: bool
    ) -> None:
        work = self.opened()
        async with self.made(scope, checks_within=30, auto_merge=auto_merge) as scm:
            pull = await self.of(scm, work)
            able = await scm.mergeability(pull, MERGE)
            assert (able.mergeable, able.waiting) == (False, True)
            assert able.blockers == (UNCHECKED,)
            await scm.observe([work])
            assert not (await scm.judge([pull]))[pull.number].mergeable
            await scope.clock.sleep(30)
            assert (await scm.mergeability(pull, MERGE)).mergeable
            assert (await scm.judge([pull]))[pull.number].mergeable

    @pytest.mark.parametrize(
        ("state", "blockers"), [("success", (UNCHECKED,)), ("failed", ("checks fail",))]
    )
    async def test_nor_when_the_first_of_them_has_ended(
        self, scope: Scope, state: str, blockers: tuple[str, ...]
    ) -> None:
        work = self.opened()
        self.project.pipeline_must_succeed = False
        self.world.pipeline(self.project.merge_requests[1], {"test": state})
        async with self.made(scope, checks_within=30) as scm:
            pull = await self.of(scm, work)
            assert (await scm.mergeability(pull, MERGE)).blockers == blockers
            await scope.clock.sleep(30)
            assert (await scm.mergeability(pull, MERGE)).mergeable is (state == "success")

    async def test_an_old_head_is_not_new_to_a_new_engine(self, scope: Scope) -> None:
        work = self.opened()
        await scope.clock.sleep(100)
        async with self.made(scope, checks_within=30) as scm:
            assert (await scm.mergeability(await self.of(scm, work), MERGE)).mergeable


class TestMethods(Simple):
    async def test_a_merge_is_one_commit_with_two_parents(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        landed = await scm.merge(pull, MERGE, message="Do 1\n\nAO-Session: app-1\n")
        made = self._commit(landed.commit)
        assert (landed.landing, made.parents[1]) == (Landing.LANDED, pull.head)
        assert "AO-Session: app-1" in made.message

    async def test_a_squash_has_the_message(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        await scm.merge(pull, SQUASH, message="One thing")
        squashed = self.there(pull).squash_commit_sha
        assert self._commit(squashed).message.strip() == "One thing"
        assert "One thing" not in self._commit(self.there(pull).merge_commit_sha).message

    @pytest.mark.parametrize("method", [MERGE, REBASE])
    async def test_a_wish_to_squash_is_taken_back(
        self, scm: GitLabScm, method: MergeMethod
    ) -> None:
        pull = await self.seen(scm, squash=True)
        await scm.merge(pull, method)
        assert self.there(pull).squash_commit_sha is None

    async def test_a_fast_forward_is_its_own_commit(self, scm: GitLabScm) -> None:
        self.project.merge_method = "ff"
        pull = await self.seen(scm)
        landed = await scm.merge(pull, MERGE)
        assert landed.commit == pull.head == self.project.bare.heads()["main"]
        assert (await self.numbered(scm, 1)).merged_as == pull.head

    @pytest.mark.parametrize(
        ("option", "method", "told"),
        [("never", SQUASH, "forbids"), ("always", MERGE, "wants"), ("always", REBASE, "wants")],
    )
    async def test_what_the_project_forbids_is_a_blocker(
        self, scm: GitLabScm, option: Any, method: MergeMethod, told: str
    ) -> None:
        self.project.squash_option = option
        pull = await self.seen(scm)
        able = await scm.mergeability(pull, method)
        assert not able.mergeable
        assert told in able.blockers[0]
        landed = await scm.merge(pull, method)
        assert (landed.landing, landed.blockers) == (Landing.READY, able.blockers)
        assert self.there(pull).state == "opened"

    @pytest.mark.parametrize("delete", [True, False])
    async def test_the_branch_goes_as_the_settings_want_it(
        self, scope: Scope, delete: bool
    ) -> None:
        async with self.made(scope, delete_branch=delete) as scm:
            pull = await self.seen(scm, remove_source=not delete)
            await scm.merge(pull, MERGE)
        assert (pull.branch in self.project.bare.heads()) is not delete

    @pytest.mark.parametrize("gitlabs", [True, False])
    async def test_that_of_one_that_was_taken_over_goes_as_gitlab_has_it(
        self, scm: GitLabScm, gitlabs: bool
    ) -> None:
        work = self.opened(remove_source=gitlabs)
        pull = await self.of(scm, replace(work, claimed=1))
        assert (await scm.merge(pull, MERGE)).landing is Landing.LANDED
        assert (pull.branch in self.project.bare.heads()) is not gitlabs

    def _commit(self, sha: str | None) -> Any:
        return self.project.bare.commit(sha or "")


class TestExactlyThisHead(Simple):
    async def test_one_that_moved_is_not_merged(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self.world.commit("acme/app", pull.branch, {"more": "more"})
        assert "moved on" in (await scm.mergeability(pull, MERGE)).blockers[0]
        with pytest.raises(Conflict, match="moved on"):
            await scm.merge(pull, MERGE)
        assert self.there(pull).state == "opened"

    async def test_one_that_moves_at_the_last_moment_is_not_either(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        merge = self.world.merge

        def late(one: Any, *how: Any) -> None:
            self.world.merge = merge
            self.world.commit("acme/app", pull.branch, {"more": "more"})
            merge(one, *how)

        self.world.merge = late
        with pytest.raises(Conflict, match="moved on"):
            await scm.merge(pull, MERGE)
        assert self.there(pull).state == "opened"

    async def test_one_that_is_closed_or_gone_is_told(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        await scm.close(pull)
        with pytest.raises(WrongState, match="closed"):
            await scm.merge(pull, MERGE)
        del self.project.merge_requests[1]
        with pytest.raises(NotFound):
            await scm.merge(pull, MERGE)


class TestOnce(Simple):
    @pytest.mark.parametrize("kind", ["lost reply", "truncated", "not JSON"])
    async def test_an_answer_that_is_lost_is_looked_for(self, scm: GitLabScm, kind: Any) -> None:
        pull = await self.seen(scm)
        self.gitlab.faults.next("merge_requests/merge", kind)
        landed = await scm.merge(pull, MERGE)
        assert landed.landing is Landing.LANDED
        assert landed.commit == self.there(pull).merge_commit_sha
        assert len(self.project.bare.commits(pull.head, "main")) == 1

    async def test_a_host_that_goes_down_is_no_answer(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self.gitlab.faults.next("merge_requests/merge", "server error", times=4)
        with pytest.raises(Unavailable):
            await scm.merge(pull, MERGE)
        assert self.there(pull).state == "opened"

    async def test_what_went_wrong_there_is_told(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self.world.merging_fails = True
        landed = await scm.merge(pull, MERGE)
        assert (landed.landing, landed.blockers) == (Landing.READY, ("Branch cannot be merged",))

    async def test_who_may_not_merge_is_told_so(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self.project.merge_level = 50
        with pytest.raises(Unauthorized, match="may not merge into main"):
            await scm.merge(pull, MERGE)

    async def test_closing_twice_is_closing_once(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self.gitlab.faults.next("merge_requests/update", "lost reply")
        await scm.close(pull)
        await scm.close(pull)
        assert await scm.state(1) is PullState.CLOSED
        assert pull.branch in self.project.bare.heads()


class TestBlockers(Simple):
    async def test_all_that_is_known_is_told_at_once(self, scm: GitLabScm) -> None:
        self.project.discussions_must_be_resolved = True
        self.world.rule("acme/app", 1)
        pull = await self.seen(scm, reviewers=[self.world.reviewer])
        there = self.there(pull)
        there.title = "Draft: work"
        self.world.pipeline(there, {"test": "failed"})
        self.world.discussion(there, "Why?", self.world.reviewer)
        able = await scm.mergeability(pull, MERGE)
        assert able.blockers == (
            "it is a draft", "checks fail", "an approval that it needs is missing",
        )  # fmt: skip
        there.title = "work"
        able = await scm.mergeability(pull, MERGE)
        assert "a thread is not settled" in able.blockers
        assert (await scm.merge(pull, MERGE)).blockers == able.blockers

    @pytest.mark.parametrize("auto_merge", [False, True])
    @pytest.mark.parametrize("trains", [False, True])
    async def test_what_came_up_since_it_was_looked_at_is_told(
        self, scope: Scope, auto_merge: bool, trains: bool
    ) -> None:
        self.project.merge_trains = trains
        async with self.made(scope, auto_merge=auto_merge) as scm:
            pull = await self.seen(scm)
            assert (await scm.mergeability(pull, MERGE)).mergeable
            self.world.pipeline(self.there(pull), {"test": "failed"})
            landed = await scm.merge(pull, MERGE)
        assert (landed.landing, landed.blockers) == (Landing.READY, ("checks fail",))
        assert (self.there(pull).state, self.there(pull).train) == ("opened", None)

    async def test_what_is_being_checked_is_waited_for(self, scm: GitLabScm) -> None:
        self.world.unknown_for = 4
        pull = await self.seen(scm)
        able = await scm.mergeability(pull, MERGE)
        assert (able.mergeable, able.conflicts, able.blockers) == (True, False, ())

    async def test_a_branch_that_is_gone_is_no_conflict(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self.project.bare.drop(f"refs/heads/{pull.branch}")
        await self._is_gone_or_empty(scm, pull)

    async def test_a_branch_without_commits_is_none_either(self, scm: GitLabScm) -> None:
        self.world.commit("acme/app", "more", {"a": "b"})
        self.world.merge_request("acme/app", "main", "more")
        await self._is_gone_or_empty(scm, await self.numbered(scm, 1))

    async def _is_gone_or_empty(self, scm: GitLabScm, pull: Pull) -> None:
        able = await scm.mergeability(pull, MERGE)
        assert self.world.conflicts(self.there(pull))  # as GitLab has it
        assert (able.mergeable, able.conflicts, able.files) == (False, False, ())
        assert able.blockers == ("its branch is gone or has no commits",)

    def test_broken_may_be_a_conflict_or_not(self) -> None:
        broken = {"detailed_merge_status": "broken_status", "has_conflicts": True}
        assert _seen(**broken, merge_status="cannot_be_merged").conflicts is None

        assert _seen(**broken, merge_status="can_be_merged").conflicts is False

    async def test_what_stays_unknown_is_no_conflict(self, scm: GitLabScm) -> None:
        self.world.unknown_for = 1_000
        pull = await self.seen(scm)
        able = await scm.mergeability(pull, MERGE)
        assert (able.mergeable, able.conflicts, able.waiting) == (False, None, True)
        assert able.blockers == ("GitLab has not found out yet whether it conflicts",)

    async def test_checks_that_run_only_take_time(self, scm: GitLabScm) -> None:
        self.project.pipeline_must_succeed = True
        pull = await self.seen(scm)
        self.world.pipeline(self.there(pull), {"test": "running"})
        able = await scm.mergeability(pull, MERGE)
        assert (able.mergeable, able.waiting) == (False, True)
        assert able.blockers == ("checks have not ended",)

    @pytest.mark.parametrize("word", MERGE_STATUS.split("|"))
    def test_each_word_of_gitlab_has_plain_ones(self, word: str) -> None:
        told = own_word(_seen(detailed_merge_status=word))
        if word in ("mergeable", "not_open"):
            assert told is None
        else:
            assert told
            assert "_" not in told
            assert not told.startswith("GitLab says")

    def test_a_word_that_is_new_is_told_as_it_is(self) -> None:
        assert own_word(_seen(detailed_merge_status="moon_phase")) == "GitLab says moon phase"

    @pytest.mark.parametrize("word", ["checking", "unchecked", "preparing"])
    def test_unknown_is_never_a_conflict(self, word: str) -> None:
        assert _seen(detailed_merge_status=word).conflicts is None
        assert _seen(merge_status="cannot_be_merged_recheck").conflicts is None
        assert _seen(detailed_merge_status="conflict", has_conflicts=True).conflicts is True


class TestLater(Simple):
    async def test_a_train_takes_it_along(self, scm: GitLabScm) -> None:
        self.project.merge_trains = True
        pull = await self.seen(scm)
        landed = await scm.merge(pull, SQUASH)
        assert landed.landing is Landing.READY
        assert "merge train" in landed.blockers[0]
        assert landed.promised
        assert self.there(pull).train
        assert "merge_requests/merge" not in self.calls()

    async def test_an_answer_of_the_train_that_is_lost_is_looked_for(self, scm: GitLabScm) -> None:
        self.project.merge_trains = True
        pull = await self.seen(scm)
        self.gitlab.faults.next("merge_trains/add", "lost reply")
        assert "merge train" in (await scm.merge(pull, MERGE)).blockers[0]

    async def test_what_may_not_board_is_told(self, scm: GitLabScm) -> None:
        self.project.merge_trains = True
        self.world.rule("acme/app", 1)
        pull = await self.seen(scm)
        landed = await scm.merge(pull, MERGE)
        assert landed.blockers == ("an approval that it needs is missing",)

    async def test_gitlab_merges_by_itself_only_where_it_is_asked_to(self, scope: Scope) -> None:
        self.project.pipeline_must_succeed = True
        async with self.made(scope, auto_merge=True) as scm:
            pull = await self.seen(scm)
            self.world.pipeline(self.there(pull), {"test": "running"})
            assert (await scm.mergeability(pull, MERGE)).mergeable
            landed = await scm.merge(pull, MERGE)
        assert landed.blockers == ("GitLab merges it as soon as its checks and reviews allow",)
        assert landed.promised
        assert self.there(pull).auto_merge

    async def test_without_it_is_refused(self, scm: GitLabScm) -> None:
        self.project.pipeline_must_succeed = True
        pull = await self.seen(scm)
        self.world.pipeline(self.there(pull), {"test": "running"})
        assert (await scm.merge(pull, MERGE)).blockers == ("checks have not ended",)
        assert self.there(pull).auto_merge is None


def _seen(**fields: Any) -> Seen:
    at = "2026-01-01T00:00:00Z"
    told: dict[str, Any] = {
        "iid": 1, "title": "t", "web_url": "", "state": "opened", "source_branch": "b",
        "target_branch": "main", "merge_status": "can_be_merged", "created_at": at,
        "updated_at": at, "detailed_merge_status": "mergeable", **fields,
    }  # fmt: skip
    return Seen.model_validate(told)
