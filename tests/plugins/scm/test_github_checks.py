"""What ran for the head of a pull request on GitHub."""

from typing import Any

import pytest

from ao_core.errors import Unavailable
from ao_core.model.work import Check, ChecksSummary, CheckState, MergeMethod
from ao_plugins._github.checks import CheckRollup, CheckRun, latest
from ao_plugins._unchecked import UNCHECKED
from ao_plugins.scm.github import GitHubScm
from plugins.scm.github_there import APP, OnGitHub

ENDS = {
    "success": CheckState.PASSED,
    "neutral": CheckState.SKIPPED,
    "skipped": CheckState.SKIPPED,
    "failure": CheckState.FAILED,
    "stale": CheckState.FAILED,
    "cancelled": CheckState.FAILED,
    "timed_out": CheckState.FAILED,
    "action_required": CheckState.FAILED,
    "startup_failure": CheckState.FAILED,
}


def states(checks: tuple[Check, ...]) -> dict[str, CheckState]:
    return {one.name: one.state for one in checks}


def a_run(number: int, conclusion: str | None, **fields: Any) -> CheckRun:
    workflow = {"id": fields.pop("workflow", "W_1"), "name": "ci"}
    run = {"event": fields.pop("event", "pull_request"), "workflow": workflow}
    suite = {"id": fields.pop("suite", "CS_1"), "workflowRun": run}
    return CheckRun.model_validate({
        "__typename": "CheckRun", "databaseId": number, "name": "test", "status": "COMPLETED",
        "conclusion": conclusion, **fields,
        "checkSuite": {"app": {"slug": "github-actions"}, **suite},
    })  # fmt: skip


class TestChecks(OnGitHub):
    @pytest.mark.parametrize("conclusion", ENDS)
    async def test_how_one_ended(self, scm: GitHubScm, conclusion: str) -> None:
        pull = await self.seen(scm)
        self.world.check_run(self.there(pull), "test", conclusion, app="other")
        assert states(await scm.checks(pull)) == {"test": ENDS[conclusion]}

    async def test_what_has_not_ended(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        for name in ("queued", "in_progress", "waiting", "pending"):
            self.world.check_run(self.there(pull), name, None, status=name)
        found = states(await scm.checks(pull))
        assert found.pop("in_progress") is CheckState.RUNNING
        assert set(found.values()) == {CheckState.PENDING}
        assert len(found) == 3

    async def test_statuses_count_too(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        url = "https://ci.example.com/1"
        self.world.status(self.there(pull), "a", "pending")
        self.world.status(self.there(pull), "b", "error", description="broken", target_url=url)
        self.world.status(self.there(pull), "c", "failure")
        self.world.status(self.there(pull), "d", "failure")
        self.world.status(self.there(pull), "d", "success")
        found = await scm.checks(pull)
        assert states(found) == {
            "a": CheckState.PENDING, "b": CheckState.FAILED, "c": CheckState.FAILED,
            "d": CheckState.PASSED,
        }  # fmt: skip
        assert found[1] == Check("b", CheckState.FAILED, url, "broken")

    async def test_a_status_and_a_check_of_one_name_are_two(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.world.check_run(self.there(pull), "build", "success", app="other")
        self.world.status(self.there(pull), "build", "failure")
        found = await scm.checks(pull)
        assert [one.name for one in found] == ["build", "build"]
        assert await scm.checks_summary(pull) is ChecksSummary.FAILING

    async def test_pages_are_read_to_the_end(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        for n in range(149):
            self.world.check_run(self.there(pull), f"job {n:03}")
        self.world.check_run(self.there(pull), "the last", "failure", app="other")
        assert await scm.checks_summary(pull) is ChecksSummary.FAILING
        assert len(await scm.checks(pull)) == 150

    async def test_a_page_that_fails_is_no_word_on_the_whole(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        for n in range(150):
            self.world.check_run(self.there(pull), f"job {n:03}")
        head = self.app.bare.write("refs/heads/x", {"x": "x"}, "x", pull.head, 0.0)
        for n in range(150):
            self.world.check_run(self.app, f"job {n:03}", sha=head)
        world, there, asked = self.world, self.there(pull), list[int]()

        def moved() -> None:  # while its pages are read
            asked.append(1)
            if len(asked) == 2:
                there.head_sha = head

        between = world.between_requests
        world.between_requests = lambda: (between(), moved())[0]  # type: ignore[method-assign]
        with pytest.raises(Unavailable, match="what is made of"):
            await scm.checks(pull)

    async def test_names_tell_the_workflow(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.world.job(self.there(pull), "test", workflow="nightly")
        assert states(await scm.checks(pull)) == {"nightly / test": CheckState.PASSED}

    async def test_what_an_app_says_of_its_failure_is_told(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.world.check_run(
            self.there(pull), "scan", "failure", app="scanner", title="2 holes", summary="\x1b[31mA"
        )
        assert [one.detail for one in await scm.checks(pull)] == ["2 holes\nA"]

    async def test_those_of_the_head_before_are_no_word_on_this_one(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.world.job(self.there(pull), "test", "failure")
        assert await scm.checks_summary(pull) is ChecksSummary.FAILING
        self.world.commit(APP, pull.branch, {"more": "more"})
        assert await scm.checks_summary(pull) is ChecksSummary.NONE


class TestAgain(OnGitHub):
    async def test_a_run_again_that_succeeds_takes_the_failure_away(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        job = self.world.job(self.there(pull), "test", "failure", log="##[error]no\n")
        assert await scm.checks_summary(pull) is ChecksSummary.FAILING
        self.world.conclude(job.check, "success")
        assert await scm.checks_summary(pull) is ChecksSummary.PASSING

    def test_of_those_that_ran_again_the_last_counts(self) -> None:
        cancelled, passed = a_run(1, "CANCELLED"), a_run(2, "SUCCESS")
        assert latest([cancelled, passed]) == latest([passed, cancelled]) == (passed,)

    async def test_workflows_of_one_name_are_two(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.world.job(self.there(pull), "build", "failure", workflow="CI", file="a.yml")
        self.world.job(self.there(pull), "build", "success", workflow="CI", file="b.yml")
        found = await scm.checks(pull)
        assert [one.name for one in found] == ["CI / build", "CI / build"]
        assert await scm.checks_summary(pull) is ChecksSummary.FAILING

    async def test_a_failure_that_github_alone_counts_is_told(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.world.job(self.there(pull), "build", "success")
        self.world.rollup = lambda *_: "FAILURE"  # type: ignore[method-assign]
        found = states(await scm.checks(pull))
        assert found == {"ci / build": CheckState.PASSED, "all checks together": CheckState.FAILED}
        assert not (await scm.mergeability(pull, MergeMethod.MERGE)).mergeable

    @pytest.mark.parametrize("suite", ["CS_1", "CS_2"])
    def test_that_of_what_ran_again_in_another_suite_is_known(self, suite: str) -> None:
        failed, passed = a_run(1, "FAILURE"), a_run(2, "SUCCESS", suite=suite)
        page = {"hasNextPage": False}
        rollup = CheckRollup.model_validate(
            {"state": "FAILURE", "contexts": {"pageInfo": page, "nodes": []}}
        )
        told = rollup.told([failed, passed], rollup.contexts.page_info)
        assert told.contexts.nodes == (passed,)
        assert bool(told.untold) is (suite == "CS_1")

    def test_the_same_name_in_another_event_is_another(self) -> None:
        pushed, proposed = a_run(1, "FAILURE", event="push"), a_run(2, "SUCCESS")
        assert latest([pushed, proposed]) == (pushed, proposed)


class TestBeginning(OnGitHub):
    async def test_nothing_is_merged_before_checks_could_begin(
        self, host: object, scope: Any
    ) -> None:
        work = self.opened()
        async with self.made(scope, checks_within=30) as scm:
            pull = await self.of(scm, work)
            able = await scm.mergeability(pull, MergeMethod.MERGE)
            assert (able.mergeable, able.waiting) == (False, True)
            assert able.blockers == (UNCHECKED,)
            await self.clock.sleep(30)
            assert (await scm.mergeability(pull, MergeMethod.MERGE)).mergeable

    async def test_nor_when_the_first_of_them_has_passed(self, host: object, scope: Any) -> None:
        work = self.opened()
        self.world.status(self.app.pulls[1], "cla")
        async with self.made(scope, checks_within=30) as scm:
            pull = await self.of(scm, work)
            assert (await scm.mergeability(pull, MergeMethod.MERGE)).blockers == (UNCHECKED,)
            assert not (await scm.judge([pull]))[pull.number].mergeable
            await self.clock.sleep(30)
            assert (await scm.judge([pull]))[pull.number].mergeable

    async def test_what_fails_is_told_as_that(self, host: object, scope: Any) -> None:
        work = self.opened()
        self.world.check_run(self.app.pulls[1], "lint", "failure")
        async with self.made(scope, checks_within=30) as scm:
            able = await scm.mergeability(await self.of(scm, work), MergeMethod.MERGE)
            assert able.blockers == ("checks fail",)

    async def test_an_old_head_is_not_new_to_a_new_engine(self, host: object, scope: Any) -> None:
        work = self.opened()
        await self.clock.sleep(100)
        async with self.made(scope, checks_within=30) as scm:
            pull = await self.of(scm, work)
            assert (await scm.mergeability(pull, MergeMethod.MERGE)).mergeable
