"""What every source host must do. Inheritors say how work reaches it."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ao_core.model.work import Landing, MergeMethod, PullState
from ao_core.plugin import Scope
from ao_core.slots.scm import BatchObservable, Judging, Scm, WorkRef
from ao_core.testing.repository import Sample, sample


class ScmContract(ABC):
    """Inherit, and say how the plugin is made and how work is shown to it."""

    @abstractmethod
    def make(self, scope: Scope) -> Scm[Any]:
        """A plugin that has not been entered."""

    async def show(self, repository: Sample, work: WorkRef) -> None:
        """Bring the branch where the host sees it, as a pull request where it needs telling."""

    @pytest.fixture
    async def repository(self, tmp_path: Path) -> Sample:
        """A project whose `main` is checked out nowhere."""
        made = await sample(tmp_path / "project")
        await made.git("checkout", "-q", "-b", "elsewhere")
        return made

    @pytest.fixture
    def scope(self, tmp_path: Path, repository: Sample) -> Scope:
        return Scope(
            state=tmp_path / "scm", project="demo", repository=repository.path, home="0a1b2c3d"
        )

    @pytest.fixture
    async def scm(self, scope: Scope) -> AsyncIterator[Scm[Any]]:
        async with self.make(scope) as scm:
            yield scm

    async def work(self, repository: Sample, n: int = 1, name: str | None = None) -> WorkRef:
        """A session with one commit on a branch of its own, in a work tree."""
        path = repository.path.parent / f"work-{n}"
        branch = f"ao/app-{n}-abcdef"
        base = await repository.git("rev-parse", "main")
        await repository.git("worktree", "add", "-q", "-b", branch, str(path), "main")
        head = await repository.at(path).commit(name or f"file-{n}.txt", f"{n}\n")
        work = WorkRef(f"app-{n}", branch, "main", base, f"Do {n}", str(path), (head,))
        await self.show(repository, work)
        return work

    async def again(self, repository: Sample, work: WorkRef, name: str) -> WorkRef:
        """One more commit on the same branch."""
        head = await repository.at(Path(work.path)).commit(name)
        more = replace(work, commits=(*work.commits, head))
        await self.show(repository, more)
        return more

    async def test_work_with_a_commit_is_an_open_pull_request(
        self, scm: Scm[Any], repository: Sample
    ) -> None:
        work = await self.work(repository)
        pull = await scm.find(work)
        assert pull
        assert (pull.branch, pull.base, pull.title) == (work.branch, "main", "Do 1")
        assert (pull.head, pull.state) == (work.commits[-1], PullState.OPEN)
        assert await scm.find(work) == await scm.get(pull.number) == pull
        assert await scm.state(pull.number) is PullState.OPEN

    async def test_a_head_that_the_session_never_made_is_not_claimed(
        self, scm: Scm[Any], repository: Sample
    ) -> None:
        work = await self.work(repository)
        assert await scm.find(replace(work, commits=("0" * 40,))) is None

    async def test_what_does_not_exist_is_none(self, scm: Scm[Any], repository: Sample) -> None:
        assert await scm.get(999) is None
        assert await scm.state(999) is None
        nothing = WorkRef("app-9", "ao/app-9-x", "main", "", "Nothing", "", ())
        assert await scm.find(nothing) is None

    @pytest.mark.parametrize("method", list(MergeMethod))
    async def test_merging_lands_the_work_and_is_seen(
        self, scm: Scm[Any], repository: Sample, method: MergeMethod
    ) -> None:
        work = await self.work(repository)
        pull = await scm.find(work)
        assert pull
        able = await scm.mergeability(pull, method)
        assert (able.mergeable, able.conflicts, able.blockers) == (True, False, ())
        landed = await scm.merge(pull, method)
        assert landed.landing is Landing.LANDED
        seen = await scm.find(work)
        assert seen
        assert (seen.state, seen.merged_as) == (PullState.MERGED, landed.commit)
        again = await scm.merge(pull, method)
        assert (again.landing, again.commit) == (Landing.ALREADY, landed.commit)

    async def test_a_conflict_is_a_blocker_and_changes_nothing(
        self, scm: Scm[Any], repository: Sample
    ) -> None:
        one = await self.work(repository, 1, "same.txt")
        two = await self.work(repository, 2, "same.txt")
        first, second = await scm.find(one), await scm.find(two)
        assert first
        assert second
        await scm.merge(first, MergeMethod.MERGE)
        able = await scm.mergeability(second, MergeMethod.MERGE)
        assert (able.mergeable, able.conflicts) == (False, True)
        assert able.files in ((), ("same.txt",))
        assert "same.txt" in able.blockers[0]
        landed = await scm.merge(second, MergeMethod.MERGE)
        assert (landed.landing, landed.conflicts) == (Landing.CONFLICT, ("same.txt",))
        assert await scm.state(second.number) is PullState.OPEN

    async def test_closing_leaves_the_branch(self, scm: Scm[Any], repository: Sample) -> None:
        work = await self.work(repository)
        pull = await scm.find(work)
        assert pull
        await scm.close(pull)
        await scm.close(pull)
        assert await scm.state(pull.number) is PullState.CLOSED
        assert await repository.git("rev-parse", work.branch) == pull.head
        able = await scm.mergeability(pull, MergeMethod.MERGE)
        assert not able.mergeable

    async def test_a_new_commit_moves_the_head(self, scm: Scm[Any], repository: Sample) -> None:
        work = await self.work(repository)
        before = await scm.find(work)
        more = await self.again(repository, work, "more.txt")
        after = await scm.find(more)
        assert before
        assert after
        assert (after.number, after.head) == (before.number, more.commits[-1])

    async def test_what_others_say_is_said_of_the_head_and_as_single_looks_show(
        self, scm: Scm[Any], repository: Sample
    ) -> None:
        if not isinstance(scm, Judging):
            pytest.skip("nobody there says anything by themselves")
        pulls = [await scm.find(await self.work(repository, n)) for n in (1, 2)]
        opened = [pull for pull in pulls if pull]
        found = await scm.judge(opened)
        assert found.keys() == {pull.number for pull in opened}
        for pull in opened:
            judgement = found[pull.number]
            assert judgement.head == pull.head
            assert set(judgement.checks) == set(await scm.checks(pull))
            assert judgement.decision is await scm.decision(pull)

    async def test_one_look_shows_what_single_looks_show(
        self, scm: Scm[Any], repository: Sample
    ) -> None:
        if not isinstance(scm, BatchObservable):
            pytest.skip("it has no batched look")
        works = [await self.work(repository, n) for n in (1, 2, 3)]
        pulls = [await scm.find(work) for work in works]
        assert pulls[0]
        await scm.merge(pulls[0], MergeMethod.MERGE)
        found = await scm.observe(works)
        assert found == {work.session: await scm.find(work) for work in works}
