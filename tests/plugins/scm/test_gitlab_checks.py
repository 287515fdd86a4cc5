"""What ran for the head of a merge request on GitLab, and why it failed."""

from typing import Any

import pytest

from ao_core.model.work import Check, ChecksSummary, CheckState, MergeMethod, Pull
from ao_core.slots.scm import WorkRef
from ao_plugins.scm.gitlab import GitLabScm
from plugins.scm.gitlab_there import Simple
from standins.gitlab.records import Pipeline


def states(checks: tuple[Check, ...]) -> dict[str, CheckState]:
    return {one.name: one.state for one in checks}


class TestChecks(Simple):
    async def test_each_job_is_one(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        jobs = {
            "a": "success", "b": "running", "c": "pending", "d": "skipped", "e": "canceled",
            "f": "created", "g": "failed", "h": "manual", "i": "scheduled",
        }  # fmt: skip
        self.world.pipeline(self.there(pull), jobs)
        assert states(await scm.checks(pull)) == {
            "a": CheckState.PASSED, "b": CheckState.RUNNING, "c": CheckState.PENDING,
            "d": CheckState.SKIPPED, "e": CheckState.FAILED, "f": CheckState.PENDING,
            "g": CheckState.FAILED, "h": CheckState.SKIPPED, "i": CheckState.PENDING,
        }  # fmt: skip

    async def test_without_a_pipeline_there_are_none(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        assert await scm.checks(pull) == ()
        assert await scm.checks_summary(pull) is ChecksSummary.NONE

    @pytest.mark.parametrize("status", ["failed", "running", "pending", "canceled"])
    async def test_what_may_fail_decides_nothing(self, scm: GitLabScm, status: str) -> None:
        pull = await self.seen(scm)
        run = self.world.pipeline(self.there(pull), {"test": "success"})
        self.world.job(run, "lint", status, allow_failure=True)
        assert states(await scm.checks(pull))["lint"] is CheckState.SKIPPED
        assert await scm.checks_summary(pull) is ChecksSummary.PASSING

    async def test_a_job_that_ran_again_counts_once(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        run = self.world.pipeline(self.there(pull), {"test": "failed"})
        self.world.conclude(self.world.retry(run.jobs[0]), "success")
        assert states(await scm.checks(pull)) == {"test": CheckState.PASSED}

    async def test_pages_are_read_to_the_end(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self.world.pipeline(self.there(pull), {f"job {n:03}": "success" for n in range(230)})
        assert len(await scm.checks(pull)) == 230

    async def test_what_others_wrote_counts_too(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self.world.pipeline(self.there(pull), {"test": "success"})
        told = {"description": "2 gates failed", "target_url": "https://ci.example.com/jobs/12"}
        self.world.commit_status("acme/app", pull.head, "quality", "failed", **told)
        found = await scm.checks(pull)
        assert found == (
            Check("quality", CheckState.FAILED, told["target_url"], told["description"]),
            Check("test", CheckState.PASSED, found[1].url),
        )

    async def test_jobs_of_a_second_pipeline_of_the_commit_are_not_others(
        self, scm: GitLabScm
    ) -> None:
        pull = await self.seen(scm)
        self.world.pipeline("acme/app", {"old": "failed"}, sha=pull.head, ref=pull.branch)
        self.world.pipeline(self.there(pull), {"test": "success"})
        assert states(await scm.checks(pull)) == {"test": CheckState.PASSED}


class TestThePipelineItself(Simple):
    """It may have failed, or be about to begin, without any job that says so."""

    @pytest.mark.parametrize("status", ["failed", "canceled"])
    async def test_one_that_failed_without_jobs_has_failed(
        self, scm: GitLabScm, status: str
    ) -> None:
        pull = await self.seen(scm)
        run = self.world.pipeline(self.there(pull), status=status)
        page = f"{self.gitlab.url}/acme/app/-/pipelines/{run.id}"
        why = f"the pipeline {status}, and no job of it says why"
        assert await scm.checks(pull) == (Check("pipeline", CheckState.FAILED, page, why),)
        assert not (await scm.mergeability(pull, MergeMethod.MERGE)).mergeable

    async def test_what_is_wrong_with_its_file_is_told(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        run = self.world.pipeline(self.there(pull), status="failed")
        run.yaml_errors = "jobs:test config should implement the script keyword"
        (check,) = await scm.checks(pull)
        assert str(check.detail).endswith(f"says why: {run.yaml_errors}")

    async def test_jobs_that_may_fail_do_not_explain_it(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        run = self.world.pipeline(self.there(pull), {"test": "success"}, status="failed")
        self.world.job(run, "lint", "failed", allow_failure=True)
        assert states(await scm.checks(pull))["pipeline"] is CheckState.FAILED

    async def test_a_job_or_a_status_that_failed_explains_it(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        run = self.world.pipeline(self.there(pull), {"test": "failed"}, status="failed")
        assert states(await scm.checks(pull)) == {"test": CheckState.FAILED}
        run.jobs.clear()
        self.world.commit_status("acme/app", pull.head, "quality", "failed")
        assert states(await scm.checks(pull)) == {"quality": CheckState.FAILED}

    @pytest.mark.parametrize(
        "status", ["created", "pending", "running", "waiting_for_resource", "preparing"]
    )
    async def test_one_without_jobs_yet_is_waited_for(self, scm: GitLabScm, status: str) -> None:
        pull = await self.seen(scm)
        self.world.pipeline(self.there(pull), status=status)
        assert (await scm.checks(pull))[0].name == "pipeline"
        assert await scm.checks_summary(pull) is ChecksSummary.PENDING

    async def test_one_that_was_skipped_is_no_check(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self.world.pipeline(self.there(pull), status="skipped")
        assert await scm.checks(pull) == ()


class TestForks(Simple):
    """The pipelines of a fork's branch are in the fork."""

    async def test_one_that_was_taken_over_is_judged(self, scm: GitLabScm) -> None:
        pull, run = await self._taken_over(scm, {"test": "failed", "lint": "success"})
        run.jobs[0].trace = "why"
        self.world.commit_status("somebody/app", pull.head, "quality", "success")
        found = {one.name: one for one in await scm.checks(pull)}
        assert states(tuple(found.values())) == {
            "test": CheckState.FAILED, "lint": CheckState.PASSED, "quality": CheckState.PASSED,
        }  # fmt: skip
        assert "why" in str(found["test"].detail)
        assert found["test"].url == f"{self.gitlab.url}/somebody/app/-/jobs/{run.jobs[0].id}"

    async def test_where_nobody_may_look_the_pipeline_is_one_check(self, scm: GitLabScm) -> None:
        pull, run = await self._taken_over(scm, {"test": "success"})
        self.world.member("somebody/app", "root", 0)
        page = f"{self.gitlab.url}/somebody/app/-/pipelines/{run.id}"
        assert await scm.checks(pull) == (Check("pipeline", CheckState.PASSED, page),)
        self.world.conclude(run.jobs[0], "failed")
        assert states(await scm.checks(pull)) == {"pipeline": CheckState.FAILED}

    async def test_a_pass_sees_what_becomes_of_it(self, scm: GitLabScm) -> None:
        pull, run = await self._taken_over(scm, {"test": "success"})
        judged = (await scm.judge([pull]))[pull.number]
        assert states(judged.checks) == {"test": CheckState.PASSED}
        self.world.conclude(run.jobs[0], "failed")
        judged = (await scm.judge([pull]))[pull.number]
        assert states(judged.checks) == {"test": CheckState.FAILED}

    async def _taken_over(self, scm: GitLabScm, jobs: dict[str, str]) -> tuple[Pull, Pipeline]:
        fork = self.world.fork("acme/app", "somebody")
        self.world.commit("somebody/app", "theirs", {"a": "b"})
        self.world.merge_request("acme/app", "theirs", origin=fork)
        run = self.world.pipeline("somebody/app", jobs, ref="theirs")
        return await self.of(scm, WorkRef("app-1", "ao/app-1", "main", "", "", "", (), 1)), run


class TestWhichPipeline(Simple):
    async def test_that_of_the_head_before_is_no_word_on_this_one(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self.world.pipeline(self.there(pull), {"test": "success"})
        assert await scm.checks_summary(pull) is ChecksSummary.PASSING
        self.world.commit("acme/app", pull.branch, {"more": "more"})
        assert await scm.checks(pull) == ()

    async def test_one_for_the_merged_result_is_of_the_head_in_it(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        together = self._together(pull)
        ref = f"refs/merge-requests/{pull.number}/merge"
        self.world.pipeline(self.there(pull), {"test": "success"}, sha=together, ref=ref)
        assert await scm.checks_summary(pull) is ChecksSummary.PASSING
        self.world.commit("acme/app", pull.branch, {"more": "more"})
        assert await scm.checks_summary(pull) is ChecksSummary.NONE

    def _together(self, pull: Pull) -> str:
        bare = self.project.bare
        main = bare.heads()["main"]
        return bare.record(bare.joined(main, pull.head) or "", [main, pull.head], "together")


class TestDownstream(Simple):
    async def test_jobs_of_children_are_named_by_the_way_to_them(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        run = self.world.pipeline(self.there(pull), {"lint": "success"})
        child = self._below(pull, run, "build", {"unit": "failed"})
        self._below(pull, child, "deeper", {"slow": "running"})
        assert states(await scm.checks(pull)) == {
            "lint": CheckState.PASSED,
            "build / unit": CheckState.FAILED,
            "build / deeper / slow": CheckState.RUNNING,
        }

    async def test_a_child_that_may_fail_decides_nothing(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        run = self.world.pipeline(self.there(pull), {"lint": "success"})
        self._below(pull, run, "extra", {"unit": "failed"}, allow_failure=True)
        assert await scm.checks_summary(pull) is ChecksSummary.PASSING

    async def test_a_child_that_failed_without_jobs_has_failed(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        run = self.world.pipeline(self.there(pull), {"lint": "success"})
        self._below(pull, run, "build", {}).given = "failed"
        assert states(await scm.checks(pull)) == {
            "lint": CheckState.PASSED, "build / pipeline": CheckState.FAILED,
        }  # fmt: skip

    async def test_another_projects_pipeline_is_one_check(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self.world.project("acme/deploy")
        other = self.world.pipeline(
            "acme/deploy", {"a": "failed", "b": "success"}, source="pipeline"
        )
        run = self.world.pipeline(self.there(pull))
        self.world.bridge(run, "deploy", "success", downstream=other)
        (check,) = await scm.checks(pull)
        assert (check.name, check.state) == ("deploy", CheckState.FAILED)
        assert check.url == f"{self.gitlab.url}/acme/deploy/-/pipelines/{other.id}"

    async def test_one_that_could_not_be_started_failed(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        run = self.world.pipeline(self.there(pull))
        self.world.bridge(run, "deploy", "failed")
        assert states(await scm.checks(pull)) == {"deploy": CheckState.FAILED}

    def _below(
        self, pull: Pull, run: Pipeline, name: str, jobs: dict[str, str], **more: Any
    ) -> Pipeline:
        child: Pipeline = self.world.pipeline(self.there(pull), jobs, source="parent_pipeline")
        self.project.pipelines.remove(child)
        self.project.pipelines.insert(0, child)  # it is no head pipeline
        self.world.bridge(run, name, "success", downstream=child, **more)
        return child


class TestWhy(Simple):
    async def test_the_stage_the_reason_and_the_end_of_the_trace(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        run = self.world.pipeline(self.there(pull))
        trace = "noise\n\x1b[31;1mERROR: Job failed: exit code 1\x1b[0m\n"
        self.world.job(run, "test", "failed", stage="verify", trace=trace)
        (check,) = await scm.checks(pull)
        assert check.detail == (
            "failed in stage verify (script failure)\nnoise\nERROR: Job failed: exit code 1"
        )
        assert check.url == f"{self.gitlab.url}/acme/app/-/jobs/{run.jobs[0].id}"

    async def test_a_trace_is_read_once_and_of_five(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self.world.pipeline(self.there(pull), {f"job {n}": "failed" for n in range(8)})
        await scm.checks(pull)
        assert self.calls()["jobs/trace"] == 5
        await scm.checks(pull)
        assert "jobs/trace" not in self.calls()

    async def test_without_a_trace_it_has_failed_all_the_same(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        self.world.pipeline(self.there(pull), {"test": "failed"})
        self.gitlab.faults.next("jobs/trace", "server error", times=4)
        (check,) = await scm.checks(pull)
        assert check.state is CheckState.FAILED
        assert check.detail == "failed in stage test (script failure)"
        self.there(pull).project.pipelines[0].jobs[0].trace = "why"
        assert "why" in str((await scm.checks(pull))[0].detail)
