"""The target moves once, by compare-and-set; whoever has it checked out keeps every byte."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from ao_core.git.train import Fate, Member, Outcome, TrainResult
from ao_core.ids import session_id
from ao_core.model.work import MergeMethod
from ao_core.process import Completed, run
from train_yard import HOME, METHODS, Yard, bytes_of, fates, yard

ONE, TWO = session_id("app-1"), session_id("app-2")


@pytest.fixture(name="here")
async def _here(tmp_path: Path) -> Yard:
    return await yard(tmp_path)


@pytest.fixture(name="team")
async def _team(here: Yard) -> list[Member]:
    await here.on_main("mine.txt", "1\n")
    return [
        await here.worker(1, {"a.txt": "a\n", "README.md": "by one\n"}),
        await here.worker(2, {"b.txt": "b\n"}),
    ]


async def waits(here: Yard, result: TrainResult, before: str) -> bool:
    """Whether the result is kept whole under its ref, and the target where it was."""
    assert result.ref
    assert result.ref.startswith(f"refs/ao/{HOME}/train/")
    kept = await here.repository.git("rev-parse", result.ref)
    return (
        result.outcome is Outcome.READY
        and fates(result) == {ONE: Fate.READY, TWO: Fate.READY}
        and kept == result.commit
        and await here.repository.git("rev-parse", "main") == before
        and {"a.txt", "b.txt"} <= await here.files(result.ref)
    )


@pytest.mark.parametrize("method", METHODS)
async def test_a_clean_checkout_of_the_target_moves_along(
    here: Yard, team: list[Member], method: MergeMethod
) -> None:
    await here.repository.git("checkout", "-q", "main")
    result = await here.train(*team, method=method)
    assert result.outcome is Outcome.LANDED
    assert (here.repository.path / "a.txt").read_text() == "a\n"
    assert await here.repository.git("status", "--porcelain") == ""


@pytest.mark.parametrize("method", METHODS)
async def test_a_checkout_with_changes_elsewhere_keeps_them_and_moves_along(
    here: Yard, team: list[Member], method: MergeMethod
) -> None:
    await here.repository.git("checkout", "-q", "main")
    (here.repository.path / "mine.txt").write_text("changed\n")
    (here.repository.path / "staged.txt").write_text("staged\n")
    await here.repository.git("add", "staged.txt")
    result = await here.train(*team, method=method)
    assert result.outcome is Outcome.LANDED
    assert (here.repository.path / "README.md").read_text() == "by one\n"
    assert (here.repository.path / "mine.txt").read_text() == "changed\n"
    status = await here.repository.git("status", "--porcelain")
    assert sorted(line.strip() for line in status.splitlines()) == ["A  staged.txt", "M mine.txt"]
    assert await here.left_nothing()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("how", ["changed", "staged", "untracked", "ignored"])
async def test_a_checkout_with_changes_in_the_way_keeps_them_and_the_result_waits(
    here: Yard, team: list[Member], method: MergeMethod, how: str
) -> None:
    await here.repository.git("checkout", "-q", "main")
    name = "README.md" if how in ("changed", "staged") else "a.txt"
    (here.repository.path / name).write_text("mine\n")
    if how == "staged":
        await here.repository.git("add", name)
    if how == "ignored":
        (here.repository.path / ".git" / "info" / "exclude").write_text("a.txt\n")
    before = await here.repository.git("rev-parse", "main")
    files = bytes_of(here.repository.path, but=[".git"])
    index = (here.repository.path / ".git" / "index").read_bytes()
    result = await here.train(*team, method=method)
    assert await waits(here, result, before)
    assert str(here.repository.path) in result.blockers[0]
    assert name in result.blockers[1]
    assert bytes_of(here.repository.path, but=[".git"]) == files
    assert (here.repository.path / ".git" / "index").read_bytes() == index
    assert await here.left_nothing()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("backend", ["merge", "apply"])
async def test_a_target_in_the_middle_of_a_rebase_is_left_to_it(
    here: Yard, team: list[Member], method: MergeMethod, backend: str
) -> None:
    git = here.repository.git
    await git("checkout", "-q", "-b", "upstream", "main")
    await here.repository.commit("mine.txt", "theirs\n")
    await here.on_main("mine.txt", "2\n")
    await git("checkout", "-q", "main")
    await git("rebase", f"--{backend}", "upstream", ok=False)
    before = await git("rev-parse", "main")
    assert await git("rev-parse", "--abbrev-ref", "HEAD") == "HEAD"
    files = bytes_of(here.repository.path, but=[".git"])
    result = await here.train(*team, method=method)
    assert await waits(here, result, before)
    assert "in the middle of a rebase" in result.blockers[0]
    assert bytes_of(here.repository.path, but=[".git"]) == files
    (here.repository.path / "mine.txt").write_text("both\n")
    await git("add", "mine.txt")
    await git("-c", "core.editor=true", "rebase", "--continue")
    assert await git("rev-parse", "--abbrev-ref", "HEAD") == "main"
    assert (await here.train(*team, method=method)).outcome is Outcome.LANDED


@pytest.mark.parametrize("doing", ["merge", "bisect"])
async def test_a_target_in_another_work_tree_in_the_middle_of_something_is_left_to_it(
    here: Yard, team: list[Member], doing: str
) -> None:
    place = here.repository.path.parent / "theirs"
    await here.repository.git("worktree", "add", "-q", str(place), "main")
    there = here.repository.at(place)
    if doing == "merge":
        await here.repository.git("branch", "side", "main~1")
        await there.commit("mine.txt", "2\n")
        await here.repository.git("checkout", "-q", "side")
        await here.repository.commit("mine.txt", "3\n")
        await here.repository.git("checkout", "-q", "--detach", "main")
        await there.git("merge", "side", ok=False)
    else:
        await there.git("bisect", "start", "main", "main~1")
        await there.git("checkout", "-q", "--detach", "main~1")
    before = await here.repository.git("rev-parse", "main")
    files = bytes_of(place)
    result = await here.train(*team)
    assert await waits(here, result, before)
    assert str(place) in " ".join(result.blockers)
    assert bytes_of(place) == files


class Racing:
    """A `Run` in which a person commits to the target just before it is moved."""

    def __init__(self, here: Yard, times: int) -> None:
        self.here, self.times, self.made = here, times, list[str]()

    async def __call__(self, argv: Sequence[str], **options: Any) -> Completed:
        moves = "update-ref" in argv or "--ff-only" in argv
        if moves and len(self.made) < self.times:
            self.made.append(await self.person())
        return await run(argv, **options)

    async def person(self) -> str:
        git = self.here.repository.git
        tree = await git("rev-parse", "main^{tree}")
        made = await git("commit-tree", tree, "-p", "main", "-m", "by a person")
        await git("update-ref", "refs/heads/main", made)
        if await git("branch", "--show-current") == "main":
            await git("reset", "-q", "--hard")
        return made


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("method", METHODS)
async def test_a_commit_made_meanwhile_is_kept_and_the_train_is_built_and_proved_again(
    here: Yard, team: list[Member], method: MergeMethod, held: bool
) -> None:
    if held:
        await here.repository.git("checkout", "-q", "main")
    proved: list[str] = []

    async def gate(folder: Path, commit: str) -> str | None:
        proved.append(commit)
        return None

    racing = Racing(here, 1)
    result = await here.train(*team, method=method, through=racing, gate=gate)
    assert result.outcome is Outcome.LANDED
    assert len(racing.made) == 1
    assert racing.made[0] in (await here.repository.git("rev-list", "main")).split()
    assert {"a.txt", "b.txt"} <= await here.files()
    assert (len(proved), proved[-1]) == (4, result.commit)


async def test_a_target_that_never_rests_is_left_to_its_person(
    here: Yard, team: list[Member]
) -> None:
    racing = Racing(here, 100)
    result = await here.train(*team, through=racing)
    assert (result.outcome, result.ref) == (Outcome.BLOCKED, None)
    assert "keeps moving" in result.blockers[0]
    assert fates(result) == {ONE: Fate.LEFT_OUT, TWO: Fate.LEFT_OUT}
    assert len(racing.made) == 3
    assert await here.repository.git("rev-parse", "main") == racing.made[-1]


async def test_a_checkout_is_moved_whole_though_the_train_is_called_off_meanwhile(
    here: Yard, team: list[Member]
) -> None:
    await here.repository.git("checkout", "-q", "main")
    reached = anyio.Event()

    async def slow(argv: Sequence[str], **options: Any) -> Completed:
        if "--ff-only" in argv:
            reached.set()
            await anyio.lowlevel.checkpoint()
        return await run(argv, **options)

    async def ride() -> None:
        await here.train(*team, through=slow)

    async with anyio.create_task_group() as group:
        group.start_soon(ride)
        await reached.wait()
        group.cancel_scope.cancel()
    assert {"a.txt", "b.txt"} <= await here.files()
    assert await here.repository.git("status", "--porcelain") == ""
    assert await here.left_nothing()
