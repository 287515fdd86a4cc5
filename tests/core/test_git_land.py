"""Work reaches its target whole or not at all, and nobody else's commit is ever lost."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from ao_core.errors import NotFound, NotInstalled, WrongState
from ao_core.git.land import land, predict
from ao_core.git.repository import Identity
from ao_core.ids import home_id, new_id, session_id
from ao_core.model.work import Landed, Landing, MergeMethod
from ao_core.process import Completed, Run, run
from ao_core.testing.repository import Sample, sample

HOME, SESSION = home_id("0a1b2c3d"), session_id("app-1")
METHODS = list(MergeMethod)


@pytest.fixture
async def repository(tmp_path: Path) -> Sample:
    """A repository with `main` checked out nowhere, and two commits on `work`."""
    made = await sample(tmp_path / "project")
    await made.git("checkout", "-q", "-b", "work")
    await made.commit("a.txt", "a\n", "first")
    await made.commit("b.txt", "b\n", "second")
    await made.git("checkout", "-q", "-b", "elsewhere", "main")
    return made


async def bring(
    repository: Sample, method: MergeMethod = MergeMethod.MERGE, through: Run = run, **more: Any
) -> Landed:
    return await land(
        through, repository.path, target="main", head="work", method=method,
        message="Do the thing", home=HOME, train_id=new_id("train"), session=SESSION,
        scratch=repository.path.parent / "scratch", **more,
    )  # fmt: skip


async def unchanged_surroundings(repository: Sample) -> bool:
    scratch = repository.path.parent / "scratch"
    trees = await repository.git("worktree", "list")
    return len(trees.splitlines()) == 1 and not (scratch.exists() and any(scratch.iterdir()))


@pytest.mark.parametrize("method", METHODS)
async def test_each_method_leaves_the_history_it_is_named_for(
    repository: Sample, method: MergeMethod
) -> None:
    await repository.git("checkout", "-q", "main")
    await repository.commit("later.txt")
    await repository.git("checkout", "-q", "elsewhere")
    before = await repository.git("rev-parse", "main")
    landed = await bring(repository, method)
    assert landed == Landed(Landing.LANDED, await repository.git("rev-parse", "main"))
    parents = (await repository.git("log", "-1", "--format=%P", "main")).split()
    work = await repository.git("rev-parse", "work")
    count = len((await repository.git("rev-list", f"{before}..main")).split())
    expected = {
        MergeMethod.MERGE: ([before, work], 3),
        MergeMethod.SQUASH: ([before], 1),
    }
    if method is MergeMethod.REBASE:
        assert count == 2
        shown = "--format=%an %s %(trailers:key=AO-Session,valueonly,separator=%x20)"
        log = await repository.git("log", "-2", shown, "main")
        assert log.splitlines() == ["A Person second app-1", "A Person first app-1"]
    else:
        assert (parents, count) == expected[method]
        body = await repository.git("log", "-1", "--format=%B", "main")
        assert body == "Do the thing\n\nAO-Session: app-1"
    names = await repository.git("ls-tree", "--name-only", "main")
    assert {"a.txt", "b.txt", "later.txt"} <= set(names.split())
    assert await unchanged_surroundings(repository)


@pytest.mark.parametrize("method", METHODS)
async def test_conflicts_are_named_and_change_nothing(
    repository: Sample, method: MergeMethod
) -> None:
    await repository.git("checkout", "-q", "main")
    await repository.commit("a.txt", "other\n")
    await repository.git("checkout", "-q", "elsewhere")
    before = await repository.git("for-each-ref")
    assert await bring(repository, method) == Landed(Landing.CONFLICT, conflicts=("a.txt",))
    assert await repository.git("for-each-ref") == before
    assert await unchanged_surroundings(repository)
    assert (await predict(run, repository.path, "main", "work")).conflicts == ("a.txt",)


@pytest.mark.parametrize("method", METHODS)
async def test_what_is_contained_already_is_said(repository: Sample, method: MergeMethod) -> None:
    first = await bring(repository, method)
    again = await bring(repository, method)
    assert again == Landed(Landing.ALREADY, first.commit)


async def test_prediction_sees_what_is_clean_and_what_is_done(repository: Sample) -> None:
    clean = await predict(run, repository.path, "main", "work")
    assert (clean.conflicts, clean.already) == ((), False)
    await bring(repository)
    assert (await predict(run, repository.path, "main", "work")).already


async def test_a_clean_checkout_of_the_target_moves_along(repository: Sample) -> None:
    await repository.git("checkout", "-q", "main")
    (repository.path / "unrelated.txt").write_text("mine")
    landed = await bring(repository)
    assert landed.landing is Landing.LANDED
    assert (repository.path / "a.txt").read_text() == "a\n"
    assert (repository.path / "unrelated.txt").read_text() == "mine"
    assert await repository.git("status", "--porcelain") == "?? unrelated.txt"


@pytest.mark.parametrize("ignored", [False, True])
async def test_a_checkout_with_changes_in_the_way_keeps_them_and_the_result_waits(
    repository: Sample, ignored: bool
) -> None:
    await repository.git("checkout", "-q", "main")
    await repository.git("config", "merge.autoStash", "true")
    (repository.path / "a.txt").write_text("mine")
    if ignored:
        (repository.path / ".git" / "info" / "exclude").write_text("a.txt\n")
    before = await repository.git("rev-parse", "main")
    landed = await bring(repository)
    assert landed.landing is Landing.READY
    assert landed.ref
    assert landed.ref.startswith(f"refs/ao/{HOME}/train/")
    assert await repository.git("rev-parse", landed.ref) == landed.commit
    assert await repository.git("rev-parse", "main") == before
    assert (repository.path / "a.txt").read_text() == "mine"
    assert str(repository.path) in landed.blockers[0]
    assert "a.txt" in landed.blockers[1]


async def test_hooks_do_not_run(repository: Sample) -> None:
    await repository.git("checkout", "-q", "main")
    hooks = repository.path / ".git" / "hooks"
    for name in ("post-merge", "pre-merge-commit", "commit-msg", "post-checkout",
                 "reference-transaction", "pre-rebase", "post-rewrite"):  # fmt: skip
        (hooks / name).write_text('#!/bin/sh\ntouch "$0.ran"\nexit 1\n')
        (hooks / name).chmod(0o755)
    for method in (MergeMethod.REBASE, MergeMethod.MERGE):
        assert (await bring(repository, method)).landing in (Landing.LANDED, Landing.ALREADY)
    assert [path.name for path in hooks.iterdir() if path.name.endswith(".ran")] == []


class Racing:
    """A `Run` in which a person commits to the target just before it is moved."""

    def __init__(self, repository: Sample, times: int) -> None:
        self.repository, self.times, self.made = repository, times, list[str]()

    async def __call__(self, argv: Sequence[str], **options: Any) -> Completed:
        moves = "update-ref" in argv or "--ff-only" in argv
        if moves and len(self.made) < self.times:
            self.made.append(await self.person())
        return await run(argv, **options)

    async def person(self) -> str:
        tree = await self.repository.git("rev-parse", "main^{tree}")
        made = await self.repository.git("commit-tree", tree, "-p", "main", "-m", "by a person")
        await self.repository.git("update-ref", "refs/heads/main", made)
        if await self.repository.git("branch", "--show-current") == "main":
            await self.repository.git("reset", "-q", "--hard")
        return made


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("method", METHODS)
async def test_a_commit_made_meanwhile_is_kept_under_ours(
    repository: Sample, method: MergeMethod, held: bool
) -> None:
    if held:
        await repository.git("checkout", "-q", "main")
    racing = Racing(repository, 1)
    assert (await bring(repository, method, racing)).landing is Landing.LANDED
    history = (await repository.git("rev-list", "main")).split()
    assert racing.made[0] in history
    assert (await predict(run, repository.path, "main", "work")).conflicts == ()


async def test_a_target_that_never_rests_is_left_to_its_person(repository: Sample) -> None:
    racing = Racing(repository, 100)
    landed = await bring(repository, MergeMethod.MERGE, racing)
    assert landed.landing is Landing.READY
    assert "keeps moving" in landed.blockers[0]
    assert await repository.git("rev-parse", "main") == racing.made[-1]


async def test_two_at_once_both_land(repository: Sample) -> None:
    await repository.git("checkout", "-q", "-b", "other", "main")
    await repository.commit("other.txt")
    await repository.git("checkout", "-q", "elsewhere")

    async def one(head: str) -> None:
        landed = await land(
            run, repository.path, target="main", head=head, method=MergeMethod.MERGE,
            message=head, home=HOME, train_id=new_id("train"), scratch=repository.path.parent / "s",
        )  # fmt: skip
        assert landed.landing is Landing.LANDED

    async with anyio.create_task_group() as group:
        group.start_soon(one, "work")
        group.start_soon(one, "other")
    names = await repository.git("ls-tree", "--name-only", "main")
    assert {"a.txt", "other.txt"} <= set(names.split())


async def test_the_commit_is_by_whom_the_repository_says_or_the_one_given(
    repository: Sample,
) -> None:
    await repository.git("config", "user.name", "Local Name")
    await repository.git("config", "user.email", "local@example.com")
    await bring(repository, MergeMethod.SQUASH, author=Identity("Worker", "worker@example.com"))
    by = await repository.git("log", "-1", "--format=%an <%ae>, %cn <%ce>", "main")
    assert by == "Worker <worker@example.com>, Local Name <local@example.com>"


async def test_what_is_not_there_is_said_at_once(repository: Sample) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        await predict(run, repository.path, "nowhere", "work")
    with pytest.raises(NotFound, match="nothing"):
        await predict(run, repository.path, "main", "nothing")


async def test_unrelated_histories_are_not_merged(repository: Sample) -> None:
    await repository.git("checkout", "-q", "--orphan", "alone")
    await repository.git("commit", "-q", "-m", "alone")
    await repository.git("checkout", "-q", "elsewhere")
    with pytest.raises(WrongState, match="no commit in common"):
        await predict(run, repository.path, "main", "alone")


async def test_an_old_git_is_named_with_the_remedy(repository: Sample) -> None:
    async def old(argv: Sequence[str], **options: Any) -> Completed:
        if "merge-tree" in argv:
            return Completed("git", 129, b"", b"usage: git merge-tree")
        if "version" in argv:
            return Completed("git", 0, b"git version 2.34.1", b"")
        return await run(argv, **options)

    with pytest.raises(NotInstalled, match=r"git 2\.34"):
        await predict(old, repository.path, "main", "work")


async def test_a_merge_that_is_called_off_leaves_no_work_tree(repository: Sample) -> None:
    reached = anyio.Event()

    async def slow(argv: Sequence[str], **options: Any) -> Completed:
        if "rebase" in argv:
            reached.set()
            await anyio.sleep_forever()
        return await run(argv, **options)

    async with anyio.create_task_group() as group:
        group.start_soon(bring, repository, MergeMethod.REBASE, slow)
        await reached.wait()
        group.cancel_scope.cancel()
    assert await unchanged_surroundings(repository)
