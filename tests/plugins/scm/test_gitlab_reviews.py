"""What people and programs make of a merge request on GitLab, and how many calls that takes."""

from dataclasses import replace
from typing import Any

import pytest

from ao_core.model.work import ChecksSummary, PullState, ReviewDecision, ReviewState, summarise
from ao_core.slots.scm import WorkRef
from ao_plugins.scm.gitlab import GitLabScm
from plugins.scm.gitlab_there import Simple

IDLE = {"merge_requests/list": 1, "pipelines/list": 1}


class TestDecision(Simple):
    async def test_nobody_asked_and_nothing_said_is_none(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        assert await scm.decision(pull) is ReviewDecision.NONE

    async def test_a_rule_waits_for_all_of_its_approvals(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self.world.rule("acme/app", 2)
        others = [self.world.member("acme/app", name) for name in ("ann", "bob")]
        assert await scm.decision(pull) is ReviewDecision.PENDING
        self.world.approve(self.there(pull), others[0])
        assert await scm.decision(pull) is ReviewDecision.PENDING
        self.world.approve(self.there(pull), others[1])
        assert await scm.decision(pull) is ReviewDecision.APPROVED
        assert [one.author for one in await scm.reviews(pull)] == ["ann", "bob"]

    async def test_what_else_stands_in_the_way_hides_no_rule(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self.world.rule("acme/app", 2)
        self.there(pull).title = "Draft: Do"  # of which alone GitLab then speaks
        self.world.approve(self.there(pull), self.world.member("acme/app", "ann"))
        assert await scm.decision(pull) is ReviewDecision.PENDING

    async def test_a_rule_that_asks_for_nothing_more_is_no_approval(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self.world.rule("acme/app", 1, "nobody left")
        self.there(pull).project.rules[0].required = 0
        assert await scm.decision(pull) is ReviewDecision.NONE

    async def test_without_rules_one_approval_is_enough(self, scm: GitLabScm) -> None:
        self.project.tier = "free"
        pull = await self.seen(scm)
        self.world.approve(self.there(pull))
        assert await scm.decision(pull) is ReviewDecision.APPROVED

    async def test_a_reviewer_who_has_said_nothing_is_waited_for(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm, reviewers=[self.world.reviewer])
        assert await scm.decision(pull) is ReviewDecision.PENDING
        assert await scm.reviews(pull) == ()

    @pytest.mark.parametrize("tier", ["free", "premium"])
    async def test_who_requests_changes_outweighs_who_approves(
        self, scm: GitLabScm, tier: Any
    ) -> None:
        self.project.tier = tier
        pull = await self.seen(scm)
        self.world.approve(self.there(pull), self.world.member("acme/app", "ann"))
        self.world.review(self.there(pull), "requested_changes", "Name it.")
        assert await scm.decision(pull) is ReviewDecision.CHANGES_REQUESTED
        said = {one.author: one.state for one in await scm.reviews(pull)}
        assert said == {
            "ann": ReviewState.APPROVED, "reviewer": ReviewState.CHANGES_REQUESTED,
        }  # fmt: skip

    async def test_the_last_word_of_each_counts(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self.world.review(self.there(pull), "requested_changes")
        self.world.review(self.there(pull), "approved")
        assert await scm.decision(pull) is ReviewDecision.APPROVED
        assert [one.state for one in await scm.reviews(pull)] == [ReviewState.APPROVED]


class TestThreads(Simple):
    async def test_a_thread_is_told_whole_with_its_place(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        at = {"new_path": "file-1.txt", "old_path": "file-1.txt", "new_line": 1, "old_line": None}
        note = self._about(pull, "Why one?", **at)
        self.world.reply(self.there(pull).discussions[0], "Because.", self.world.person)
        (remark,) = await scm.pending_comments(pull)
        assert (remark.author, remark.path, remark.line) == ("reviewer", "file-1.txt", 1)
        assert remark.body == "Why one?\nroot: Because."
        assert remark.id == self.there(pull).discussions[0].id
        assert remark.url == f"{pull.url}#note_{note.id}"

    async def test_settled_ones_and_mere_notes_are_none(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self._about(pull, "Settled")
        self.world.resolve(self.there(pull).discussions[0])
        self.world.note(self.there(pull), "By the way", self.world.reviewer)
        assert await scm.pending_comments(pull) == ()

    @pytest.mark.parametrize(
        "name", ["project_7_bot", "group_12_bot_4ffca233d8298ea1", "review-ai"]
    )
    async def test_programs_are_told_apart(self, scm: GitLabScm, name: str) -> None:
        pull = await self.seen(scm)
        bot = self.world.user(name, bot=True)
        self.world.discussion(self.there(pull), "I am a program", bot)
        self.world.discussion(self.there(pull), "I am not", self.world.reviewer)
        assert [one.author for one in await scm.automated_comments(pull)] == [name]
        assert [one.author for one in await scm.pending_comments(pull)] == ["reviewer"]

    async def test_a_tokens_bot_is_known_by_its_name(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self.world.discussion(self.there(pull), "Hm", self.world.user("project_7_bot", bot=True))
        self.calls()
        assert await scm.automated_comments(pull)
        assert "users/get" not in self.calls()

    async def test_a_person_with_a_name_like_a_bots_is_one(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self.world.discussion(self.there(pull), "Hello", self.world.user("bot-lover"))
        assert len(await scm.pending_comments(pull)) == 1
        self.calls()
        await scm.pending_comments(pull)
        assert "users/get" not in self.calls()

    async def test_the_settings_may_name_programs(self, scope: Any) -> None:
        async with self.made(scope, bots=("linter",)) as scm:
            pull = await self.seen(scm)
            self.world.discussion(self.there(pull), "Style", self.world.user("linter"))
            assert len(await scm.automated_comments(pull)) == 1

    async def test_they_can_be_answered_and_settled(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self._about(pull, "Why?")
        (remark,) = await scm.pending_comments(pull)
        await scm.reply(pull, remark.id, "So.\n/close")
        assert self.there(pull).discussions[0].notes[-1].body == "So.\n\\/close"
        assert self.there(pull).state == "opened"
        await scm.resolve(pull, remark.id)
        assert await scm.pending_comments(pull) == ()

    async def test_what_others_add_is_news_and_what_is_answered_here_is_none(
        self, scm: GitLabScm
    ) -> None:
        pull = await self.seen(scm)
        self._about(pull, "Why?")
        (first,) = await scm.pending_comments(pull)
        await scm.reply(pull, first.id, "Done.")
        (answered,) = await scm.pending_comments(pull)
        assert (answered.body, answered.last) == ("Why?\nroot: Done.", first.last)
        thread = self.there(pull).discussions[0]
        note = self.world.reply(thread, "No, still wrong.", self.world.reviewer)
        self.calls()
        (more,) = await scm.pending_comments(pull)
        assert "user/get" not in self.calls()
        assert (more.id, more.last) == (first.id, str(note.id))
        assert more.body.endswith("reviewer: No, still wrong.")

    async def test_an_answer_whose_reply_is_lost_is_given_once(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self._about(pull, "Why?")
        (remark,) = await scm.pending_comments(pull)
        self.gitlab.faults.next("discussions/reply", "lost reply")
        await scm.reply(pull, remark.id, "So.")
        assert len(self.there(pull).discussions[0].notes) == 2

    def _about(self, pull: Any, body: str, **position: Any) -> Any:
        shas = dict.fromkeys(("base_sha", "start_sha", "head_sha"), pull.head)
        at = {**shas, "position_type": "text", "line_range": None, **position}
        told = {"position": at} if position else {}
        return self.world.discussion(self.there(pull), body, self.world.reviewer, **told)


class TestPasses(Simple):
    async def test_fifty_that_nothing_happened_to_cost_two_calls(self, scm: GitLabScm) -> None:
        works = [self.opened(n) for n in range(50)]
        await self._pass(scm, works)
        self.calls()
        assert len(await self._pass(scm, works)) == 50
        assert self.calls() == IDLE
        self.world.commit("acme/app", "main", {"all": "of them are to be checked again"})
        for _ in range(3):
            await self._pass(scm, works)
            assert self.calls() == IDLE

    async def test_a_first_look_costs_what_there_is_to_know(self, scm: GitLabScm) -> None:
        work = self.opened()
        self.world.pipeline(self.there(1), {"test": "success"})
        self.calls()
        await self._pass(scm, [work])
        assert self.calls() == {
            **IDLE, "approvals/get": 1, "merge_requests/get": 1,
            "pipelines/jobs": 1, "pipelines/bridges": 1, "statuses/list": 1,
        }  # fmt: skip

    async def test_an_approval_is_seen_though_lists_are_kept(self, scm: GitLabScm) -> None:
        works = [self.opened(n) for n in (1, 2)]
        self.world.rule("acme/app", 1)
        await self._pass(scm, works)
        assert (await self._pass(scm, works))[1].decision is ReviewDecision.PENDING
        self.calls()
        there = self.there(1)
        before = there.updated_at
        self.world.approve(there)
        there.updated_at = before  # even if the host had not touched it
        assert (await self._pass(scm, works))[1].decision is ReviewDecision.APPROVED
        assert self.calls() == {**IDLE, "approvals/get": 1}

    async def test_a_job_that_ends_is_seen_and_others_are_left_alone(self, scm: GitLabScm) -> None:
        works = [self.opened(n) for n in (1, 2)]
        runs = [self.world.pipeline(self.there(n), {"test": "success"}) for n in (1, 2)]
        await self._pass(scm, works)
        self.calls()
        again = self.world.retry(runs[0].jobs[0])
        found = await self._pass(scm, works)
        assert summarise(found[1].checks) is ChecksSummary.PENDING
        expected = {
            **IDLE, "merge_requests/get": 1, "pipelines/jobs": 1, "pipelines/bridges": 1,
            "statuses/list": 1,
        }  # fmt: skip
        assert self.calls() == expected
        again.status = "failed"  # while the rest runs, a pipeline may tell nothing
        assert summarise((await self._pass(scm, works))[1].checks) is ChecksSummary.FAILING
        assert self.calls() == {**expected, "jobs/trace": 1}

    async def test_news_of_a_pipeline_wait_for_whoever_asks_next(self, scm: GitLabScm) -> None:
        works = [self.opened(n) for n in (1, 2)]
        await self._pass(scm, works)
        self.world.pipeline(self.there(1), {"test": "failed"})
        await self._pass(scm, works[1:])
        found = await self._pass(scm, works)
        assert summarise(found[1].checks) is ChecksSummary.FAILING

    async def test_a_thread_that_is_settled_is_seen_though_nothing_else_changes(
        self, scm: GitLabScm
    ) -> None:
        works = [self.opened(n) for n in (1, 2)]
        self.world.discussion(self.there(1), "Why?", self.world.reviewer)
        assert len((await self._pass(scm, works))[1].comments) == 1
        self.calls()
        self.world.resolve(self.there(1).discussions[0])
        assert (await self._pass(scm, works))[1].comments == ()
        assert self.calls() == {**IDLE, "approvals/get": 1, "discussions/list": 1}
        await self._pass(scm, works)
        assert self.calls() == IDLE

    async def test_a_new_thread_is_seen(self, scm: GitLabScm) -> None:
        works = [self.opened(n) for n in (1, 2)]
        for _ in range(2):
            await self._pass(scm, works)
        self.calls()
        self.world.discussion(self.there(2), "Why?", self.world.reviewer)
        found = await self._pass(scm, works)
        assert [len(found[n].comments) for n in (1, 2)] == [0, 1]
        assert self.calls() == {
            **IDLE, "approvals/get": 1, "discussions/list": 1, "users/get": 1,
        }  # fmt: skip

    async def test_of_many_with_threads_ten_are_asked_by_turns(self, scm: GitLabScm) -> None:
        works = [self.opened(n) for n in range(25)]
        for there in self.project.merge_requests.values():
            self.world.discussion(there, "Why?", self.world.reviewer)
        await self._pass(scm, works)
        for there in self.project.merge_requests.values():
            self.world.resolve(there.discussions[0])
        left: list[int] = []
        for _ in range(3):
            self.calls()
            found = await self._pass(scm, works)
            assert self.calls()["discussions/list"] <= 10
            left.append(sum(bool(one.comments) for one in found.values()))
        assert left == [15, 5, 0]

    async def test_a_push_is_judged_by_itself(self, scm: GitLabScm) -> None:
        work = self.opened()
        self.world.pipeline(self.there(1), {"test": "failed"})
        await self._pass(scm, [work])
        head = self.world.commit("acme/app", work.branch, {"more": "more"})
        found = await self._pass(scm, [replace(work, commits=(*work.commits, head))])
        assert (found[1].head, found[1].checks) == (head, ())

    async def test_a_conflict_that_is_not_known_yet_is_none(self, scm: GitLabScm) -> None:
        work = self.opened()
        self.world.unknown_for = 3
        self.world.commit("acme/app", "main", {"file-1.txt": "other\n"})
        known = [(await self._pass(scm, [work]))[1].conflicts for _ in range(3)]
        assert known[0] is None
        assert known[-1] is True

    async def test_one_that_cannot_be_asked_about_is_left_out_and_asked_again(
        self, scm: GitLabScm
    ) -> None:
        works = [self.opened(n) for n in (1, 2)]
        pulls = [pull for pull in (await scm.observe(works)).values() if pull]
        path = "GET /projects/{id}/merge_requests/{merge_request_iid}/approvals"
        self.gitlab.faults.next(path, "server error", times=4)
        assert await scm.judge(pulls[:1]) == {}
        assert (await scm.judge(pulls)).keys() == {1, 2}

    async def test_a_project_without_pipelines_is_judged(self, scm: GitLabScm) -> None:
        work = self.opened()
        self.gitlab.faults.next("pipelines/list", "server error", status=503, times=4)
        with pytest.raises(Exception, match="503"):
            await self._pass(scm, [work])
        assert (await self._pass(scm, [work]))[1].mergeable

    async def _pass(self, scm: GitLabScm, works: list[WorkRef]) -> Any:
        """What the engine does once a minute."""
        pulls = (await scm.observe(works)).values()
        return await scm.judge([one for one in pulls if one and one.state is PullState.OPEN])
