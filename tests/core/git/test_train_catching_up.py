"""A worker's branch is brought up to date where it stands, or not one byte of it changes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from ao_core.errors import Conflict, NotFound, WrongState
from ao_core.git.catching_up import bring_up_to_date
from ao_core.ids import session_id
from ao_core.model.work import Landed, Landing
from ao_core.process import Completed, Run, run
from ao_core.testing.repository import Sample
from train_yard import Yard, bytes_of, yard

HOWS = [False, True]


@pytest.fixture(name="here")
async def _here(tmp_path: Path) -> Yard:
    return await yard(tmp_path)


@pytest.fixture(name="there")
async def _there(here: Yard) -> Sample:
    """A worker's own work tree, with two commits; `main` has gone on meanwhile."""
    await here.worker(1, {"a.txt": "a\n", "b.txt": "b\n"})
    await here.on_main("later.txt", "later\n")
    place = here.repository.path.parent / "workspace"
    await here.repository.git("worktree", "add", "-q", str(place), "w1")
    return here.repository.at(place)


async def catch_up(here: Yard, there: Sample, rebase: bool, through: Run = run) -> Landed:
    return await bring_up_to_date(
        through, there.path, "main", scratch=here.scratch, rebase=rebase,
        session=session_id("app-1"),
    )  # fmt: skip


async def everything(here: Yard, there: Sample) -> tuple[dict[str, str], str, bytes]:
    own = await there.git("rev-parse", "--absolute-git-dir")
    return bytes_of(there.path), await here.refs(), (Path(own) / "index").read_bytes()


async def only_theirs(here: Yard) -> bool:
    trees = await here.repository.git("worktree", "list")
    folder = here.scratch.exists() and any(here.scratch.iterdir())
    return len(trees.splitlines()) == 2 and not folder


@pytest.mark.parametrize("rebase", HOWS)
async def test_a_clean_workspace_gets_what_its_base_has(
    here: Yard, there: Sample, rebase: bool
) -> None:
    updated = await catch_up(here, there, rebase)
    head = await there.git("rev-parse", "w1")
    assert updated == Landed(Landing.LANDED, head)
    assert await there.git("symbolic-ref", "HEAD") == "refs/heads/w1"
    assert await there.git("rev-parse", "HEAD") == head
    assert (there.path / "later.txt").read_text() == "later\n"
    assert await there.git("status", "--porcelain") == ""
    assert await there.git("rev-list", "--count", "--merges", "main..w1") == str(int(not rebase))
    assert await there.git("rev-list", "--count", "--no-merges", "main..w1") == "2"
    body = await there.git("log", "-1", "--format=%B")
    subject = "w1 b.txt" if rebase else "Merge main into w1"
    assert body == f"{subject}\n\nAO-Session: app-1"
    assert await there.git("merge-base", "main", "w1") == await there.git("rev-parse", "main")
    assert (await catch_up(here, there, rebase)) == Landed(Landing.ALREADY, head)
    assert await only_theirs(here)


@pytest.mark.parametrize("rebase", HOWS)
async def test_a_branch_without_work_of_its_own_is_moved_to_its_base(
    here: Yard, there: Sample, rebase: bool
) -> None:
    await there.git("reset", "-q", "--hard", "main~1")
    updated = await catch_up(here, there, rebase)
    assert updated == Landed(Landing.LANDED, await there.git("rev-parse", "main"))
    assert await there.git("rev-parse", "w1") == updated.commit
    assert (there.path / "later.txt").exists()


@pytest.mark.parametrize("rebase", HOWS)
async def test_a_conflict_names_the_files_and_leaves_every_byte(
    here: Yard, there: Sample, rebase: bool
) -> None:
    await here.on_main("b.txt", "other\n")
    before = await everything(here, there)
    assert await catch_up(here, there, rebase) == Landed(Landing.CONFLICT, conflicts=("b.txt",))
    assert await everything(here, there) == before
    assert await only_theirs(here)


async def dirty(there: Sample) -> None:
    (there.path / "a.txt").write_text("mine\n")


async def staged(there: Sample) -> None:
    (there.path / "a.txt").write_text("mine\n")
    await there.git("add", "a.txt")


async def untracked(there: Sample) -> None:
    (there.path / "a.txt.new").write_text("mine\n")


async def merging(there: Sample) -> None:
    await there.git("merge", "-q", "--no-commit", "--no-ff", "main")


async def rebasing(there: Sample) -> None:
    await there.git("-c", "sequence.editor=echo break >", "rebase", "-i", "HEAD~1")


async def detached(there: Sample) -> None:
    await there.git("checkout", "-q", "--detach")


@pytest.mark.parametrize("rebase", HOWS)
@pytest.mark.parametrize(
    ("meddle", "said"),
    [
        (dirty, r"not committed: a\.txt"),
        (staged, r"not committed: a\.txt"),
        (untracked, r"not committed: a\.txt\.new"),
        (merging, "in the middle of a merge"),
        (rebasing, "in the middle of a rebase"),
        (detached, "no branch checked out"),
    ],
)
async def test_a_workspace_in_which_something_is_going_on_is_left_alone(
    here: Yard, there: Sample, meddle: Any, said: str, rebase: bool
) -> None:
    await meddle(there)
    before = await everything(here, there)
    with pytest.raises(WrongState, match=said):
        await catch_up(here, there, rebase)
    assert await everything(here, there) == before


@pytest.mark.parametrize("rebase", HOWS)
async def test_an_ignored_file_in_the_way_is_not_written_over(
    here: Yard, there: Sample, rebase: bool
) -> None:
    exclude = here.repository.path / ".git" / "info" / "exclude"
    exclude.write_text("later.txt\n")
    (there.path / "later.txt").write_text("mine\n")
    before = await everything(here, there)
    with pytest.raises(WrongState, match=r"later\.txt"):
        await catch_up(here, there, rebase)
    assert await everything(here, there) == before
    assert await only_theirs(here)


@pytest.mark.parametrize("rebase", HOWS)
async def test_a_commit_the_worker_makes_meanwhile_is_kept(
    here: Yard, there: Sample, rebase: bool
) -> None:
    made: list[str] = []

    async def racing(argv: Sequence[str], **options: Any) -> Completed:
        done = await run(argv, **options)
        if not made and ("rebase" in argv or "commit-tree" in argv):
            made.append(await there.commit("meanwhile.txt"))
        return done

    with pytest.raises(Conflict, match="moved on"):
        await catch_up(here, there, rebase, racing)
    assert await there.git("rev-parse", "w1") == made[0]
    assert await there.git("status", "--porcelain") == ""
    assert (await catch_up(here, there, rebase)).landing is Landing.LANDED
    assert (there.path / "meanwhile.txt").exists()


async def test_a_base_that_is_not_there_is_said(here: Yard, there: Sample) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        await bring_up_to_date(run, there.path, "nowhere", scratch=here.scratch)


@pytest.mark.parametrize("rebase", HOWS)
async def test_an_update_that_is_called_off_half_way_is_whole_or_was_not(
    here: Yard, there: Sample, rebase: bool
) -> None:
    before = await there.git("rev-parse", "w1")
    reached = anyio.Event()

    async def slow(argv: Sequence[str], **options: Any) -> Completed:
        if "--ff-only" in argv or "-B" in argv:
            reached.set()
            await anyio.lowlevel.checkpoint()
        return await run(argv, **options)

    async with anyio.create_task_group() as group:
        group.start_soon(catch_up, here, there, rebase, slow)
        await reached.wait()
        group.cancel_scope.cancel()
    assert await there.git("rev-parse", "w1") != before
    assert await there.git("status", "--porcelain") == ""
    assert await only_theirs(here)
