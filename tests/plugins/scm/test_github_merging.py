"""Merges on GitHub: exactly one head, once, and what stands in its way in plain words."""

from dataclasses import replace
from typing import Any

import pytest

from ao_core.errors import Conflict, RateLimited, Unavailable, WrongState
from ao_core.model.work import Landing, MergeMethod, PullState
from ao_plugins.scm.github import GitHubScm
from plugins.scm.github_there import APP, OnGitHub

MERGE = "pulls/merge"
SQUASH = MergeMethod.SQUASH


class TestBlockers(OnGitHub):
    async def blockers(self, scm: GitHubScm, **fields: Any) -> tuple[str, ...]:
        pull = await scm.get(1) or await self.seen(scm, **fields)
        able = await scm.mergeability(pull, SQUASH)
        assert able.mergeable is not bool(able.blockers)
        return able.blockers

    async def test_all_of_them_are_told(self, scm: GitHubScm) -> None:
        self.world.protect(APP, reviews=1)
        pull = await self.seen(scm, draft=True)
        self.world.job(self.there(pull), "test", "failure", log="no")
        self.world.review(self.there(pull), "CHANGES_REQUESTED", "no")
        assert await self.blockers(scm) == (
            "it is a draft", "checks fail", "a review asks for changes"
        )  # fmt: skip

    async def test_a_review_that_is_missing(self, scm: GitHubScm) -> None:
        self.world.protect(APP, reviews=1)
        assert await self.blockers(scm) == ("a review that it needs is missing",)

    async def test_a_rule_that_we_do_not_know(self, scm: GitHubScm) -> None:
        self.world.protect(APP, conversations=True)
        pull = await self.seen(scm)
        self.world.thread(self.there(pull), "file-1.txt", 1, "Why?")
        assert await self.blockers(scm) == ("the rules of its target are not met",)

    async def test_a_target_that_has_moved_on(self, scm: GitHubScm) -> None:
        self.world.protect(APP, up_to_date=True)
        pull = await self.seen(scm)
        self.world.commit(APP, "main", {"new": "new"})
        able = await scm.mergeability(pull, SQUASH)
        assert (able.mergeable, able.waiting, able.behind) == (False, True, True)
        newer = await scm.catch_up(pull)
        assert newer.head != pull.head
        assert self.app.bare.holds(newer.head, self.app.bare.heads()["main"])
        assert (await scm.mergeability(newer, SQUASH)).mergeable

    @pytest.mark.parametrize("rebase", [False, True])
    async def test_nobody_elses_push_is_brought_up_to_date(
        self, scm: GitHubScm, rebase: bool
    ) -> None:
        pull = await self.seen(scm)
        self.world.commit(APP, "main", {"new": "new"})
        head = self.world.commit(APP, pull.branch, {"more": "more"})
        with pytest.raises(Conflict):
            await scm.catch_up(pull, rebase=rebase)
        assert self.there(pull).head_sha == head
        newer = await scm.catch_up(replace(pull, head=head), rebase=rebase)
        assert self.app.bare.holds(newer.head, head) is not rebase

    async def test_a_push_while_it_is_brought_up_to_date_is_not_taken_for_it(
        self, scm: GitHubScm
    ) -> None:
        pull = await self.seen(scm)
        self.world.commit(APP, "main", {"new": "new"})
        update = self.world.update_branch

        def pushed(*args: Any, **fields: Any) -> None:
            update(*args, **fields)
            self.world.commit(APP, pull.branch, {"more": "more"})

        self.world.update_branch = pushed  # type: ignore[method-assign]
        with pytest.raises(Conflict, match="moved on"):
            await scm.catch_up(pull)

    async def test_what_is_not_known_yet_is_looked_at_again(self, scm: GitHubScm) -> None:
        self.world.unknown_for = 3
        pull = await self.seen(scm)
        able = await scm.mergeability(pull, SQUASH)
        assert (able.mergeable, able.conflicts) == (True, False)

    async def test_what_stays_unknown_is_no_conflict(self, scm: GitHubScm) -> None:
        self.world.unknown_for = 100
        pull = await self.seen(scm)
        able = await scm.mergeability(pull, SQUASH)
        assert (able.mergeable, able.conflicts, able.waiting) == (False, None, True)
        assert "has not found out yet" in able.blockers[0]
        (judgement,) = (await scm.judge([pull])).values()
        assert (judgement.conflicts, judgement.mergeable) == (None, False)

    async def test_what_it_was_while_the_target_moved_is_not_remembered(
        self, scm: GitHubScm
    ) -> None:
        work = self.opened()
        pull = await self.of(scm, work)
        await scm.mergeability(pull, SQUASH)
        await scm.observe([work])  # it is known that they go together; now the target moves
        self.world.commit(APP, "main", {"new": "new"})
        assert (await scm.judge([pull]))[pull.number].conflicts is False
        await scm.observe([work])
        await scm.observe([work])
        found = (await scm.judge([pull]))[pull.number]
        assert (found.conflicts, found.mergeable) == (False, True)

    async def test_what_was_said_of_another_head_is_not_remembered(self, scm: GitHubScm) -> None:
        work = self.opened()
        pull = await self.of(scm, work)
        other = self.app.bare.write("refs/heads/x", {"x": "x"}, "x", pull.head, 0.0)
        self.there(pull).head_sha = other  # between two looks, and back again
        assert (await scm.judge([pull]))[pull.number].head == other
        self.there(pull).head_sha = pull.head
        await scm.observe([work])
        assert (await scm.judge([pull]))[pull.number].head == pull.head

    async def test_of_one_that_ended_that_alone_is_told(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        await scm.close(pull)
        assert await self.blockers(scm) == ("it is closed already",)
        with pytest.raises(WrongState):
            await scm.merge(pull, SQUASH)


class TestMerge(OnGitHub):
    async def test_its_branch_is_deleted(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        landed = await scm.merge(pull, SQUASH, message="Title\n\nText\n\nmore\n")
        assert (landed.landing, landed.commit) == (Landing.LANDED, self.app.bare.heads()["main"])
        assert pull.branch not in self.app.bare.heads()
        commit = self.app.bare.commit(landed.commit or "")
        assert commit.message.strip() == "Title\n\nText\n\nmore"

    async def test_the_branch_of_what_is_merged_already_is_deleted(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.world.merge(self.there(pull))
        assert pull.branch in self.app.bare.heads()
        assert (await scm.merge(pull, MergeMethod.MERGE)).landing is Landing.ALREADY
        assert pull.branch not in self.app.bare.heads()

    async def test_or_stays_where_that_is_wanted(self, host: object, scope: Any) -> None:
        work = self.opened()
        async with self.made(scope, delete_branch=False) as scm:
            pull = await self.of(scm, work)
            await scm.merge(pull, SQUASH)
        assert pull.branch in self.app.bare.heads()

    async def test_or_where_another_pull_request_needs_it(self, scm: GitHubScm) -> None:
        self.world.commit(APP, "release", {"r": "r"})
        pull = await self.seen(scm)
        other = self.world.pull(APP, pull.branch, "release")
        await scm.merge(pull, SQUASH)
        assert pull.branch in self.app.bare.heads()
        assert other.state == "open"

    async def test_or_where_another_is_to_be_merged_into_it(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        upper = self.work(2, onto=f"refs/heads/{pull.branch}")
        above = self.world.pull(APP, upper.branch, pull.branch)
        assert (await scm.merge(pull, SQUASH)).landing is Landing.LANDED
        assert pull.branch in self.app.bare.heads()
        assert (above.state, above.base) == ("open", pull.branch)

    async def test_or_where_github_does_not_say_who_needs_it(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        fork = self.world.fork(APP, "stranger")
        self.world.commit("stranger/app", pull.branch, {"s": "s"})
        for n in range(11):
            self.app.bare.point(f"refs/heads/release-{n}", "refs/heads/main")
            self.world.pull(APP, pull.branch, f"release-{n}", origin=fork)
        await scm.merge(pull, SQUASH)
        assert pull.branch in self.app.bare.heads()

    async def test_or_where_a_person_began_it(self, scm: GitHubScm) -> None:
        pull = await self.of(scm, replace(self.opened(), claimed=1))
        for landing in (Landing.LANDED, Landing.ALREADY):
            assert (await scm.merge(pull, SQUASH)).landing is landing
            assert pull.branch in self.app.bare.heads()

    async def test_or_where_somebody_pushes_to_it_at_the_last_moment(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        known = self.world.known

        def moved(*args: Any) -> Any:  # it is looked up to be deleted
            if self.app.pulls[1].state != "open":
                self.world.commit(APP, pull.branch, {"more": "more"})
            return known(*args)

        self.world.known = moved  # type: ignore[method-assign]
        assert (await scm.merge(pull, SQUASH)).landing is Landing.LANDED
        assert self.app.bare.heads()[pull.branch] != pull.head

    async def test_or_where_somebody_has_pushed_to_it_meanwhile(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        merge, more = self.world.merge, list[str]()

        def merged(*args: Any, **fields: Any) -> str:
            landed = merge(*args, **fields)
            more.append(self.world.commit(APP, pull.branch, {"more": "more"}))
            return landed

        self.world.merge = merged  # type: ignore[method-assign]
        assert (await scm.merge(pull, SQUASH)).landing is Landing.LANDED
        assert self.app.bare.heads()[pull.branch] == more[0]

    async def test_a_forks_branch_is_left_alone(self, scm: GitHubScm) -> None:
        fork = self.world.fork(APP, "stranger")
        head = self.world.commit("stranger/app", "patch", {"p": "p"})
        number = self.world.pull(APP, "patch", origin=fork).number
        self.app.bare.point("refs/heads/patch", head)
        pull = await scm.get(number)
        assert pull
        await scm.merge(pull, SQUASH)
        assert "patch" in fork.bare.heads()
        assert "patch" in self.app.bare.heads()

    async def test_only_the_head_that_was_looked_at(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.world.commit(APP, pull.branch, {"more": "more"})
        able = await scm.mergeability(pull, SQUASH)
        assert "moved on" in able.blockers[0]
        with pytest.raises(Conflict, match="moved on"):
            await scm.merge(pull, SQUASH)
        assert await scm.state(pull.number) is PullState.OPEN

    async def test_a_push_at_the_last_moment_is_not_merged(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        merge = self.world.merge

        def moved(*args: Any, **fields: Any) -> str:
            self.world.commit(APP, pull.branch, {"more": "more"})
            return merge(*args, **fields)

        self.world.merge = moved  # type: ignore[method-assign]
        with pytest.raises(Conflict, match="moved on"):
            await scm.merge(pull, SQUASH)
        assert await scm.state(pull.number) is PullState.OPEN

    async def test_a_method_that_is_not_allowed_is_told(self, scm: GitHubScm) -> None:
        self.app.methods = ["merge"]  # type: ignore[assignment]
        landed = await scm.merge(await self.seen(scm), SQUASH)
        assert landed.landing is Landing.READY
        assert landed.blockers == ("Squash merges are not allowed on this repository.",)

    async def test_what_its_rules_refuse_is_told(self, scm: GitHubScm) -> None:
        self.world.protect(APP, reviews=1)
        landed = await scm.merge(await self.seen(scm), SQUASH)
        assert landed.landing is Landing.READY
        assert landed.blockers == ("a review that it needs is missing",)

    @pytest.mark.parametrize("queue", [False, True])
    async def test_what_came_up_since_it_was_looked_at_is_told(
        self, scm: GitHubScm, queue: bool
    ) -> None:
        self.world.protect(APP, queue=queue)
        pull = await self.seen(scm)
        assert (await scm.mergeability(pull, SQUASH)).mergeable
        self.world.check_run(self.there(pull), "test", "failure")
        self.world.review(self.there(pull), "CHANGES_REQUESTED", "no")
        landed = await scm.merge(pull, SQUASH)
        assert landed.landing is Landing.READY
        assert landed.blockers == ("checks fail", "a review asks for changes")
        assert (self.there(pull).state, self.there(pull).queued) == ("open", None)

    @pytest.mark.parametrize("times", [1, 5])
    async def test_if_githubs_word_is_lost_it_is_merged_once(
        self, scm: GitHubScm, times: int
    ) -> None:
        pull = await self.seen(scm)
        self.github.faults.next(MERGE, "lost reply", times=min(times, 4))
        landed = await scm.merge(pull, SQUASH)
        assert (landed.landing, landed.commit) == (Landing.LANDED, self.app.bare.heads()["main"])
        assert pull.branch not in self.app.bare.heads()

    async def test_if_it_never_arrives_nothing_is_claimed(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.github.faults.next(MERGE, "dropped", times=4)
        with pytest.raises(Unavailable):
            await scm.merge(pull, SQUASH)
        assert await scm.state(pull.number) is PullState.OPEN

    async def test_too_much_at_once_is_told_with_the_time_to_wait(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.github.faults.next(MERGE, "secondary limit", retry_after=90)
        with pytest.raises(RateLimited) as told:
            await scm.merge(pull, SQUASH)
        assert told.value.retry_after == pytest.approx(90, abs=5)
        assert self.there(pull).state == "open"
        await self.clock.sleep(91)
        assert (await scm.merge(pull, SQUASH)).landing is Landing.LANDED


class TestQueue(OnGitHub):
    async def test_it_is_put_in_line_and_lands_in_its_turn(self, scm: GitHubScm) -> None:
        self.world.protect(APP, queue=True)
        pull = await self.seen(scm)
        for _ in range(2):
            landed = await scm.merge(pull, MergeMethod.MERGE)
            assert landed.landing is Landing.READY
            assert "merge queue" in landed.blockers[0]
            assert landed.promised
        assert self.github.called(MERGE) == []
        able = await scm.mergeability(pull, MergeMethod.MERGE)
        assert (able.mergeable, able.promised) == (False, True)
        self.world.land(self.there(pull))
        assert (await scm.merge(pull, MergeMethod.MERGE)).landing is Landing.ALREADY

    async def test_if_githubs_word_is_lost_it_is_in_line_all_the_same(self, scm: GitHubScm) -> None:
        self.world.protect(APP, queue=True)
        pull = await self.seen(scm)
        opinions = self.world.opinions

        def looked(*args: Any) -> Any:  # the last look before it is put in line
            self.github.faults.next("graphql", "lost reply")
            return opinions(*args)

        self.world.opinions = looked  # type: ignore[method-assign]
        landed = await scm.merge(pull, MergeMethod.MERGE)
        assert "merge queue" in landed.blockers[0]
        assert self.there(pull).queued

    async def test_what_it_does_not_take_is_told(self, scm: GitHubScm) -> None:
        self.world.protect(APP, queue=True)
        pull = await self.seen(scm)
        self.github.world.enqueue = self._refused  # type: ignore[method-assign]
        landed = await scm.merge(pull, MergeMethod.MERGE)
        assert (landed.blockers, landed.promised) == (("The merge queue is closed",), False)

    def _refused(self, *args: Any) -> Any:
        from standins.github.state import Refused

        raise Refused(422, "The merge queue is closed")


class TestAutoMerge(OnGitHub):
    @pytest.fixture(autouse=True)
    def _protected(self, host: object) -> None:
        self.app.auto_merge_allowed = True
        self.world.protect(APP, checks=["test"])

    async def test_what_waits_for_checks_is_handed_over(self, host: object, scope: Any) -> None:
        work = self.opened()
        check = self.world.check_run(self.app.pulls[1], "test", None)
        async with self.made(scope, auto_merge=True) as scm:
            pull = await self.of(scm, work)
            assert (await scm.mergeability(pull, SQUASH)).mergeable
            for _ in range(2):
                landed = await scm.merge(pull, SQUASH, message="Title\n\nText")
                assert landed.landing is Landing.READY
                assert "as soon as" in landed.blockers[0]
                assert landed.promised
            wish = self.there(pull).auto_merge
            assert wish
            assert (wish.method, wish.title, wish.message) == ("squash", "Title", "Text")
            self.world.conclude(check, "success")
            assert await scm.state(pull.number) is PullState.MERGED

    async def test_unless_that_is_asked_for_it_is_waited_for(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.world.check_run(self.there(pull), "test", None)
        able = await scm.mergeability(pull, SQUASH)
        assert (able.mergeable, able.waiting) == (False, True)

    async def test_what_github_would_not_wait_for_is_waited_for_here(
        self, host: object, scope: Any
    ) -> None:
        self.world.protect(APP, checks=[])
        work = self.opened()
        self.world.check_run(self.app.pulls[1], "other", None)
        async with self.made(scope, auto_merge=True) as scm:
            able = await scm.mergeability(await self.of(scm, work), SQUASH)
            assert (able.mergeable, able.waiting) == (False, True)

    async def test_what_is_behind_is_brought_up_to_date_first(
        self, host: object, scope: Any
    ) -> None:
        self.world.protect(APP, checks=["test"], up_to_date=True)
        work = self.opened()
        self.world.check_run(self.app.pulls[1], "test")
        self.world.commit(APP, "main", {"new": "new"})
        async with self.made(scope, auto_merge=True) as scm:
            able = await scm.mergeability(await self.of(scm, work), SQUASH)
            assert (able.mergeable, able.waiting, able.behind) == (False, True, True)

    async def test_what_the_repository_does_not_allow_is_told(
        self, host: object, scope: Any
    ) -> None:
        self.app.auto_merge_allowed = False
        work = self.opened()
        self.world.check_run(self.app.pulls[1], "test", None)
        async with self.made(scope, auto_merge=True) as scm:
            landed = await scm.merge(await self.of(scm, work), SQUASH)
        assert landed.blockers == (
            "checks have not ended", "Auto merge is not allowed for this repository"
        )  # fmt: skip
