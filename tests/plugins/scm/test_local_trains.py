"""Trains and reviews of local pull requests, and what is in their records meanwhile."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ao_core.errors import BadRequest
from ao_core.git.train import Fate, Outcome
from ao_core.ids import session_id
from ao_core.model.work import (
    MergeMethod,
    Pull,
    PullState,
    Review,
    ReviewComment,
    ReviewDecision,
    ReviewState,
)
from ao_core.plugin import Scope
from ao_core.slots.scm import Journey, Rider
from ao_core.testing.repository import Sample
from ao_core.testing.scm import ScmContract
from ao_plugins.scm.local import LocalScm, LocalScmConfig

AT = datetime(2026, 1, 1, tzinfo=UTC)
WANTS, LIKES = ReviewState.CHANGES_REQUESTED, ReviewState.APPROVED


def said(state: ReviewState, by: str = "lead") -> Review:
    return Review(by, state, "so", AT)


class Stopped(Exception):
    """The engine ends here."""


class TestTrains(ScmContract):
    def make(self, scope: Scope) -> LocalScm:
        return LocalScm(LocalScmConfig(), scope)

    async def riders(self, scm: LocalScm, repository: Sample, *names: str) -> list[Rider]:
        found: list[Rider] = []
        for n, name in enumerate(names, 1):
            work = await self.work(repository, n, name)
            pull = await scm.find(work)
            assert pull
            found.append(Rider(session_id(work.session), pull, f"Work {n}"))
        return found

    @pytest.mark.parametrize("method", list(MergeMethod))
    async def test_what_lands_is_merged_as_what_it_became_and_the_rest_stays_open(
        self, scm: LocalScm, repository: Sample, method: MergeMethod
    ) -> None:
        riders = await self.riders(scm, repository, "a.txt", "same.txt", "same.txt")
        result = await scm.ride(riders, Journey(method))
        assert [one.fate for one in result.members] == [Fate.LANDED, Fate.LANDED, Fate.CONFLICT]
        for rider, ride in zip(riders[:2], result.members, strict=False):
            seen = await scm.get(rider.pull.number)
            assert seen
            assert (seen.state, seen.merged_as) == (PullState.MERGED, ride.commit)
        assert await scm.state(riders[2].pull.number) is PullState.OPEN

    @pytest.mark.parametrize("method", list(MergeMethod))
    async def test_what_moved_the_target_and_was_not_heard_of_is_known_afterwards(
        self, scm: LocalScm, scope: Scope, repository: Sample, method: MergeMethod,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        riders = await self.riders(scm, repository, "a.txt", "b.txt")

        def ends(ride: object) -> dict[str, object]:
            raise Stopped

        monkeypatch.setattr("ao_plugins._riding._arrived", ends)
        with pytest.raises(Stopped):
            await scm.ride(riders, Journey(method))
        async with self.make(scope) as later:
            for rider in riders:
                assert await later.state(rider.pull.number) is PullState.MERGED

    async def test_a_dry_run_and_a_train_that_is_stopped_merge_nothing(
        self, scm: LocalScm, repository: Sample
    ) -> None:
        riders = await self.riders(scm, repository, "a.txt", "b.txt")
        foreseen = await scm.ride(riders, Journey(MergeMethod.MERGE, dry_run=True))
        assert [one.fate for one in foreseen.members] == [Fate.READY, Fate.READY]

        async def fails(folder: Path, commit: str) -> str | None:
            return "no" if (folder / "b.txt").exists() else None

        result = await scm.ride(riders, Journey(MergeMethod.MERGE, fails, whole=True))
        assert (result.outcome, result.members[1].unproved) == (Outcome.BLOCKED, True)
        assert [await scm.state(one.pull.number) for one in riders] == [PullState.OPEN] * 2

    async def test_work_committed_while_a_train_is_under_way_stays_open_work(
        self, scm: LocalScm, repository: Sample
    ) -> None:
        work = await self.work(repository)
        pull = await scm.find(work)
        assert pull
        later: list[Pull | None] = []

        async def meanwhile(folder: Path, commit: str) -> str | None:
            more = await self.again(repository, work, "more.txt")
            later.append(await scm.find(more))
            return None

        rider = Rider(session_id(work.session), pull, "Work")
        await scm.ride([rider], Journey(MergeMethod.MERGE, meanwhile))
        head = await repository.git("rev-parse", work.branch)
        seen = await scm.find(replace(work, commits=(*work.commits, head)))
        assert seen
        assert (seen.state, seen.head) == (PullState.OPEN, head)
        assert seen.number == pull.number + 1
        assert later

    async def test_a_train_has_one_target(self, scm: LocalScm, repository: Sample) -> None:
        one, two = await self.riders(scm, repository, "a.txt", "b.txt")
        other = replace(two, pull=replace(two.pull, base="dev"))
        with pytest.raises(BadRequest, match="one target"):
            await scm.ride([one, other], Journey(MergeMethod.MERGE))

    async def test_a_scratch_tree_left_by_somebody_killed_is_removed(
        self, scm: LocalScm, scope: Scope, repository: Sample
    ) -> None:
        left = scope.state / "scratch" / "merge-left"
        await repository.git("worktree", "add", "--detach", str(left), "main")
        await scm.ride(await self.riders(scm, repository, "a.txt"), Journey(MergeMethod.MERGE))
        assert not left.exists()
        assert "merge-left" not in await repository.git("worktree", "list")


class TestReviews(ScmContract):
    def make(self, scope: Scope) -> LocalScm:
        return LocalScm(LocalScmConfig(), scope)

    @pytest.mark.parametrize(
        ("reviews", "decision"),
        [
            ((), ReviewDecision.NONE),
            ((said(LIKES),), ReviewDecision.APPROVED),
            ((said(WANTS), said(LIKES)), ReviewDecision.APPROVED),
            ((said(WANTS, "person"), said(LIKES)), ReviewDecision.CHANGES_REQUESTED),
            ((said(LIKES), said(WANTS)), ReviewDecision.CHANGES_REQUESTED),
        ],
    )
    async def test_the_last_word_of_each_counts_and_who_wants_changes_wins(
        self, scm: LocalScm, repository: Sample, reviews: Sequence[Review],
        decision: ReviewDecision,
    ) -> None:  # fmt: skip
        pull = await scm.find(await self.work(repository))
        assert pull
        for one in reviews:
            await scm.review(pull, one, [])
        assert await scm.decision(pull) is decision
        able = await scm.mergeability(pull, MergeMethod.MERGE)
        assert able.decision is decision
        assert able.mergeable is (decision is not ReviewDecision.CHANGES_REQUESTED)

    async def test_a_review_is_of_one_commit_outlives_the_engine_and_is_kept_once(
        self, scm: LocalScm, scope: Scope, repository: Sample
    ) -> None:
        work = await self.work(repository)
        pull = await scm.find(work)
        assert pull
        remark = ReviewComment("1", "lead", "Say two.", "a.txt", 3)
        for _ in range(2):
            await scm.review(pull, said(WANTS), [remark])
        async with self.make(scope) as later:
            assert len(await later.reviews(pull)) == 1
            (kept,) = await later.pending_comments(pull)
            assert (kept.path, kept.line, kept.body) == ("a.txt", 3, "Say two.")
            newer = await later.find(await self.again(repository, work, "more.txt"))
            assert newer
            assert await later.decision(newer) is ReviewDecision.NONE
            assert await later.pending_comments(newer) == ()
            assert len(await later.reviews(newer)) == 1
