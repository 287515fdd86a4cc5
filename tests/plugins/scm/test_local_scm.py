"""Pull requests without a forge: read from git, whoever merged, and never somebody else's."""

from dataclasses import replace
from pathlib import Path

import pytest

from ao_core.errors import ConfigError, Conflict, Corrupt, WrongState
from ao_core.model.work import ChecksSummary, Landing, MergeMethod, PullState, ReviewDecision
from ao_core.plugin import Scope
from ao_core.testing.repository import Recorder, Sample
from ao_core.testing.scm import ScmContract
from ao_plugins.scm.local import LocalScm, LocalScmConfig


class TestLocalScm(ScmContract):
    def make(self, scope: Scope) -> LocalScm:
        return LocalScm(LocalScmConfig(), scope)

    async def test_a_branch_without_work_is_no_pull_request(
        self, scm: LocalScm, repository: Sample
    ) -> None:
        work = await self.work(repository)
        await repository.git("branch", "ao/app-5-x", "main")
        fresh = replace(work, session="app-5", branch="ao/app-5-x", commits=())
        assert await scm.find(fresh) is None
        await repository.git("branch", "-f", "main", work.branch)
        assert await scm.find(fresh) is None
        await repository.git("branch", "-f", "ao/app-5-x", "main")
        assert await scm.find(fresh) is None

    async def test_merging_by_hand_counts(self, scm: LocalScm, repository: Sample) -> None:
        work = await self.work(repository)
        await scm.find(work)
        await repository.git("checkout", "-q", "main")
        await repository.git("merge", "-q", "--no-ff", "-m", "by hand", work.branch)
        seen = await scm.find(work)
        assert seen
        assert seen.state is PullState.MERGED

    async def test_merged_by_hand_and_branch_deleted_is_merged(
        self, scm: LocalScm, repository: Sample
    ) -> None:
        work = await self.work(repository)
        await scm.find(work)
        await repository.git("worktree", "remove", "--force", work.path)
        await repository.git("branch", "-f", "main", work.branch)
        await repository.git("branch", "-D", work.branch)
        seen = await scm.find(work)
        assert seen
        assert seen.state is PullState.MERGED

    async def test_a_branch_deleted_unmerged_is_closed(
        self, scm: LocalScm, repository: Sample
    ) -> None:
        work = await self.work(repository)
        await scm.find(work)
        await repository.git("worktree", "remove", "--force", work.path)
        await repository.git("branch", "-D", work.branch)
        seen = await scm.find(work)
        assert seen
        assert seen.state is PullState.CLOSED

    async def test_a_branch_set_back_to_its_base_is_not_merged(
        self, scm: LocalScm, repository: Sample
    ) -> None:
        work = await self.work(repository)
        pull = await scm.find(work)
        assert pull
        await repository.at(Path(work.path)).git("reset", "-q", "--hard", "main")
        assert await scm.find(work) == pull
        with pytest.raises(Conflict):
            await scm.merge(pull, MergeMethod.MERGE)

    async def test_work_after_a_merge_is_a_new_pull_request(
        self, scm: LocalScm, repository: Sample
    ) -> None:
        work = await self.work(repository)
        first = await scm.find(work)
        assert first
        await scm.merge(first, MergeMethod.MERGE)
        more = await self.again(repository, work, "more.txt")
        second = await scm.find(more)
        assert second
        assert (second.number, second.state) == (first.number + 1, PullState.OPEN)
        assert await scm.state(first.number) is PullState.MERGED

    @pytest.mark.parametrize("method", list(MergeMethod))
    async def test_a_result_that_waits_counts_as_merged_once_it_is_taken(
        self, scm: LocalScm, repository: Sample, method: MergeMethod
    ) -> None:
        work = await self.work(repository, 1, "README.md")
        pull = await scm.find(work)
        assert pull
        await repository.git("checkout", "-q", "main")
        (repository.path / "README.md").write_text("mine")
        landed = await scm.merge(pull, method)
        assert landed.landing is Landing.READY
        assert landed.ref
        assert await scm.state(pull.number) is PullState.OPEN
        await repository.git("checkout", "-q", "README.md")
        await repository.git("merge", "-q", "--ff-only", landed.ref)
        assert await scm.state(pull.number) is PullState.MERGED

    async def test_nothing_is_claimed_that_is_not_there(
        self, scm: LocalScm, repository: Sample
    ) -> None:
        pull = await scm.find(await self.work(repository))
        assert pull
        assert await scm.checks(pull) == ()
        assert await scm.checks_summary(pull) is ChecksSummary.NONE
        assert await scm.decision(pull) is ReviewDecision.NONE
        assert (pull.additions, pull.deletions) == (1, 0)

    async def test_records_outlive_the_engine(
        self, scm: LocalScm, scope: Scope, repository: Sample
    ) -> None:
        work = await self.work(repository)
        pull = await scm.find(work)
        assert pull
        await scm.merge(pull, MergeMethod.SQUASH)
        async with self.make(scope) as later:
            seen = await later.get(pull.number)
            assert seen
            assert seen.state is PullState.MERGED
            assert await later.find(work) == seen

    async def test_the_calls_of_a_look_do_not_grow_with_idle_sessions(
        self, scope: Scope, repository: Sample
    ) -> None:
        recorder = Recorder()
        scm = self.make(replace(scope, run=recorder))
        works = [await self.work(repository, n) for n in range(1, 9)]
        await scm.observe(works)
        counts: list[int] = []
        for some in (works[:1], works):
            recorder.argvs.clear()
            assert len(await scm.observe(some)) == len(some)
            counts.append(len(recorder.argvs))
        assert counts == [2, 2]

    async def test_a_closed_one_is_not_merged(self, scm: LocalScm, repository: Sample) -> None:
        pull = await scm.find(await self.work(repository))
        assert pull
        await scm.close(pull)
        with pytest.raises(WrongState):
            await scm.merge(pull, MergeMethod.MERGE)

    async def test_a_missing_base_is_a_blocker(self, scm: LocalScm, repository: Sample) -> None:
        pull = await scm.find(await self.work(repository))
        assert pull
        await repository.git("branch", "-m", "main", "trunk")
        able = await scm.mergeability(pull, MergeMethod.MERGE)
        assert (able.mergeable, able.conflicts) == (False, None)
        assert able.blockers == ("there is no branch main",)

    async def test_a_broken_record_is_named(
        self, scm: LocalScm, scope: Scope, repository: Sample
    ) -> None:
        (scope.state / "pulls").mkdir(parents=True)
        (scope.state / "pulls" / "1.json").write_text("{")
        with pytest.raises(Corrupt, match=r"1\.json"):
            await scm.get(1)

    async def test_without_a_repository_the_remedy_is_said(self, scope: Scope) -> None:
        scm = self.make(replace(scope, repository=None))
        with pytest.raises(ConfigError):
            await scm.observe([])
