"""Merges on GitLab: exactly one head, once, by the project's rules, and never by force."""

from typing import Any

import pytest

from ao_core.errors import Conflict, NotFound, Unauthorized, Unavailable, WrongState
from ao_core.model.work import Landing, MergeMethod, Pull, PullState
from ao_core.plugin import Scope
from ao_plugins._gitlab.blockers import own_word
from ao_plugins._gitlab.seen import Seen
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
            assert "no check has begun" in able.blockers[0]
            await scm.observe([work])
            assert not (await scm.judge([pull]))[pull.number].mergeable
            await scope.clock.sleep(30)
            assert (await scm.mergeability(pull, MERGE)).mergeable
            assert (await scm.judge([pull]))[pull.number].mergeable

    async def test_but_once_they_have_passed(self, scope: Scope) -> None:
        work = self.opened()
        self.world.pipeline(self.project.merge_requests[1], {"test": "success"})
        async with self.made(scope, checks_within=30) as scm:
            pull = await self.of(scm, work)
            assert (await scm.mergeability(pull, MERGE)).mergeable


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

    def _commit(self, sha: str | None) -> Any:
        return self.project.bare.commit(sha or "")


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
        assert "a thread is not settled" in (await scm.mergeability(pull, MERGE)).blockers
        assert (await scm.merge(pull, MERGE)).blockers == ("a thread is not settled",)

    async def test_what_is_being_checked_is_waited_for(self, scm: GitLabScm) -> None:
        self.world.unknown_for = 4
        pull = await self.seen(scm)
        able = await scm.mergeability(pull, MERGE)
        assert (able.mergeable, able.conflicts, able.blockers) == (True, False, ())

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
