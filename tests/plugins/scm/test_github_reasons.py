"""Why a job on GitHub failed: its step, and the end of its log."""

import pytest

from ao_core.model.work import CheckState
from ao_plugins._github.logs import tail
from ao_plugins.scm.github import GitHubScm
from plugins.scm.github_there import OnGitHub
from standins.server import Reply, Request, Server

LOG = "GET /repos/{owner}/{repo}/actions/jobs/{job_id}/logs"
STAMP = "2026-01-01T00:00:00.0000000Z "


def logged(*lines: str) -> str:
    return "\ufeff" + "".join(f"{STAMP}{line}\n" for line in lines)


class TestTail:
    def test_colours_groups_and_times_are_left_out(self) -> None:
        log = logged(
            "##[group]Run make", "\x1b[36;1mmake\x1b[0m", "##[endgroup]", "", "\x1b[31mno\x1b[0m",
            "##[error]Process completed with exit code 2.", "Post job cleanup.",
        )  # fmt: skip
        assert tail(log) == ["make", "no", "Process completed with exit code 2."]

    def test_without_an_error_it_is_the_end(self) -> None:
        assert tail(logged("one", "two")) == ["one", "two"]
        assert tail("") == []

    def test_it_is_the_way_to_the_last_error(self) -> None:
        log = logged("##[error]first", "more", "##[error]second", "cleaning", "up")
        assert tail(log) == ["first", "more", "second"]

    def test_it_is_cut_to_what_helps(self) -> None:
        found = tail(logged(*[f"{n} {'x' * 1_000}" for n in range(500)]))
        assert found[-1].startswith("499 ")
        assert len("\n".join(found)) < 3_100
        assert len(tail(logged(*map(str, range(500))))) == 40


class TestWhy(OnGitHub):
    async def test_a_log_of_five_megabytes_is_its_end(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        log = logged(*["x" * 100] * 40_000, "##[error]too long")
        self.world.job(self.there(pull), "lint", "failure", log=log)
        (check,) = await scm.checks(pull)
        assert check.detail is not None
        assert check.detail.endswith("\ntoo long")
        assert len(check.detail) < 3_100

    async def test_it_is_read_once_and_of_five(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        for n in range(8):
            self.world.job(self.there(pull), f"job {n}", "failure", log=logged("##[error]no"))
        self.calls()
        await scm.checks(pull)
        assert self.calls()["actions/download-job-logs-for-workflow-run"] == 5
        await scm.checks(pull)
        assert self.calls().keys() == {"graphql"}

    async def test_one_that_comes_late_is_looked_for_again(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.world.job(self.there(pull), "lint", "failure", log=logged("##[error]no"))
        self.github.faults.next(LOG, "server error", times=4)
        for _ in range(2):
            (check,) = await scm.checks(pull)
            assert (check.state, check.detail) == (CheckState.FAILED, None)
        await self.clock.sleep(60)
        assert [one.detail for one in await scm.checks(pull)] == ["no"]

    async def test_one_that_is_not_there_yet_is_looked_for_again(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        job = self.world.job(self.there(pull), "lint", "failure")
        assert [one.detail for one in await scm.checks(pull)] == [None]
        job.log = logged("##[error]no")
        assert [one.detail for one in await scm.checks(pull)] == ["no"]

    async def test_one_that_never_comes_is_given_up(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.world.job(self.there(pull), "lint", "failure", log="")
        for _ in range(7):
            assert [one.detail for one in await scm.checks(pull)] == [None]
        assert self.calls()["actions/download-job-logs-for-workflow-run"] == 5

    @pytest.mark.parametrize("status", [404, 410])
    async def test_one_that_has_expired_is_no_fault(self, scm: GitHubScm, status: int) -> None:
        pull = await self.seen(scm)
        self.world.job(self.there(pull), "lint", "failure", log="gone")
        with Server(lambda request: Reply(status)) as gone:
            self.github.logs_at(gone.url)
            (check,) = await scm.checks(pull)
        assert (check.state, check.detail) == (CheckState.FAILED, None)

    async def test_where_it_is_kept_nobody_hears_of_the_token(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.world.job(self.there(pull), "lint", "failure", log="elsewhere")
        heard = list[Request]()

        def told(request: Request) -> Reply:
            heard.append(request)
            return Reply(200, {"content-type": "text/plain"}, b"##[error]from there\n")

        with Server(told) as elsewhere:
            self.github.logs_at(elsewhere.url)
            assert [one.detail for one in await scm.checks(pull)] == ["from there"]
        (request,) = heard
        assert "authorization" not in request.headers
        assert self.github.token not in str(request)

    @pytest.mark.parametrize(
        ("steps", "named"),
        [
            (("success", "failure", "skipped"), "step 1"),
            (("success", "cancelled"), "step 1"),
            (("cancelled", "failure"), "step 1"),
        ],
    )
    async def test_the_step_is_named(
        self, scm: GitHubScm, steps: tuple[str, ...], named: str
    ) -> None:
        pull = await self.seen(scm)
        job = self.world.job(self.there(pull), "lint", "failure", log=logged("##[error]no"))
        job.steps = [(f"step {n}", one) for n, one in enumerate(steps)]
        assert [one.detail for one in await scm.checks(pull)] == [f"failed step: {named}\nno"]
