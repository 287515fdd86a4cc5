"""Work trees made before anybody needs them: taken, brought up to date, left alone, crashed."""

import os
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel
import pytest

from ao_core.errors import AoError, Conflict, WrongState
from ao_core.git.registration import relock
from ao_core.plugin import Scope
from ao_core.process import Completed
from ao_core.slots.workspace import Plan, Spare, spares_beside
from ao_core.testing.repository import Recorder, Sample, sample
from ao_plugins.workspace.worktree import Worktree, WorktreeConfig

HOME = "0a1b2c3d"


@dataclass
class Interrupted(Recorder):
    """Whoever runs git is interrupted once a command has done its work."""

    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    verb: str = ""

    async def __call__(self, argv: Sequence[str], **how: Any) -> Completed:
        done = await super().__call__(argv, **how)
        if self.verb in argv:
            self.scope.cancel()
            await anyio.lowlevel.checkpoint()
        return done


@dataclass
class Shed:
    """A repository, its plugin, and a plan for a session."""

    repository: Sample
    workspace: Worktree
    plan: Plan
    run: Recorder

    async def tip(self, name: str = "main") -> str:
        return await self.repository.git("rev-parse", name)

    async def stock(self) -> Spare:
        plan = self.plan
        return await self.workspace.stock(
            plan.root, plan.repository, await self.tip(plan.base), self.run
        )

    async def take(self, spare: Spare, *, new: bool = True) -> Path:
        return (await self.workspace.take(self.plan, spare, self.run, new=new)).path

    async def seen(self) -> list[Spare]:
        return list(await self.workspace.spares(self.plan.root, self.plan.repository, self.run))

    async def listed(self) -> str:
        return await self.repository.git("worktree", "list", "--porcelain")

    async def branches(self) -> str:
        return await self.repository.git("branch", "--list", "ao/*")


@pytest.fixture
async def shed(tmp_path: Path) -> Shed:
    repository = await sample(tmp_path / "project")
    scope = Scope(state=tmp_path / "state", project="demo", repository=repository.path, home=HOME)
    plan = Plan("app-1", "demo", repository.path, tmp_path / "worktrees", "ao/app-1-abcdef", "main")
    return Shed(repository, Worktree(WorktreeConfig(), scope), plan, Recorder())


async def test_a_spare_is_ready_locked_and_on_no_branch(shed: Shed) -> None:
    spare = await shed.stock()
    assert spare.path.parent == spares_beside(shed.plan.root)
    assert await shed.seen() == [spare]
    assert spare.ready
    told = await shed.listed()
    assert f"locked ao {HOME} spare {spare.commit}" in told
    assert told.count("detached") == 1


async def test_a_spare_becomes_the_workspace_that_would_have_been_made(shed: Shed) -> None:
    spare = await shed.stock()
    checkout = await shed.workspace.take(shed.plan, spare, shed.run, new=True)
    base = await shed.tip()
    assert (checkout.path, checkout.branch) == (shed.plan.path, shed.plan.branch)
    assert (checkout.base_commit, checkout.head) == (base, base)
    assert (checkout.path / "README.md").read_text() == "# sample\n"
    assert await shed.repository.at(checkout.path).git("status", "--porcelain") == ""
    assert await shed.workspace.create(shed.plan, shed.run) == checkout
    (listed,) = await shed.workspace.list(shed.plan.root, shed.plan.repository, shed.run)
    assert listed.session == shed.plan.session
    assert await shed.seen() == []
    await shed.workspace.destroy(checkout, shed.run)
    assert not checkout.path.exists()


async def test_a_base_that_has_moved_is_what_the_session_starts_at(shed: Shed) -> None:
    spare = await shed.stock()
    await shed.repository.commit("later.txt")
    path = await shed.take(spare)
    assert (path / "later.txt").exists()
    assert await shed.repository.at(path).git("rev-parse", "HEAD") == await shed.tip()


async def test_a_branch_that_exists_is_adopted_with_its_work(shed: Shed) -> None:
    base = await shed.tip()
    await shed.repository.git("checkout", "-q", "-b", shed.plan.branch)
    await shed.repository.commit("work.txt")
    await shed.repository.git("checkout", "-q", "main")
    spare = await shed.stock()
    checkout = await shed.workspace.take(shed.plan, spare, shed.run, new=False)
    assert (checkout.path / "work.txt").exists()
    assert checkout.base_commit == base
    assert checkout.head == await shed.tip(shed.plan.branch)


async def test_a_branch_that_exists_is_not_taken_for_a_new_one(shed: Shed) -> None:
    await shed.repository.git("branch", shed.plan.branch)
    with pytest.raises(Conflict):
        await shed.take(await shed.stock())
    assert shed.plan.branch in await shed.branches()
    assert await shed.seen() == []


@pytest.mark.parametrize("how", ["changed", "added", "ignored", "committed", "switched"])
async def test_what_somebody_has_touched_is_neither_used_nor_removed(shed: Shed, how: str) -> None:
    spare = await shed.stock()
    await _touch(shed, spare, how)
    (found,) = await shed.seen()
    assert found.touched
    assert not found.ready
    commit = await shed.tip()
    with pytest.raises(WrongState):
        await shed.take(spare)
    with pytest.raises(WrongState):
        await shed.workspace.refresh(spare, commit, shed.run)
    with pytest.raises(WrongState):
        await shed.workspace.discard(shed.plan.root, shed.plan.repository, spare, shed.run)
    assert await shed.seen() == [found]
    assert await shed.branches() == ""


async def _touch(shed: Shed, spare: Spare, how: str) -> None:
    inside = shed.repository.at(spare.path)
    match how:
        case "changed":
            (spare.path / "README.md").write_text("# SAMPLE\n")
        case "added":
            (spare.path / "note.txt").write_text("mine")
        case "ignored":
            (shed.repository.path / ".git" / "info" / "exclude").write_text("*.log\n")
            (spare.path / "my.log").write_text("mine")
        case "committed":
            await inside.commit("mine.txt")
        case _:
            await inside.git("checkout", "-q", "-b", "mine")


async def test_a_spare_follows_its_base(shed: Shed) -> None:
    spare = await shed.stock()
    await shed.repository.commit("later.txt")
    fresh = await shed.workspace.refresh(spare, await shed.tip(), shed.run)
    assert (fresh.path / "later.txt").exists()
    assert await shed.seen() == [fresh]
    assert fresh.commit == await shed.tip()


async def test_a_spare_nobody_needs_is_removed(shed: Shed) -> None:
    spare = await shed.stock()
    await shed.workspace.discard(shed.plan.root, shed.plan.repository, spare, shed.run)
    assert not spare.path.exists()
    assert await shed.seen() == []


async def test_another_home_leaves_a_spare_alone(shed: Shed) -> None:
    await shed.stock()
    other = Worktree(WorktreeConfig(), replace(shed.workspace.scope, home="99999999"))
    (found,) = await other.spares(shed.plan.root, shed.plan.repository, shed.run)
    assert not found.ready


async def test_nothing_stays_of_a_taking_that_fails(shed: Shed) -> None:
    spare = await shed.stock()
    shed.plan.path.mkdir(parents=True)
    with pytest.raises(WrongState, match="exists and is not this workspace"):
        await shed.take(spare)
    shed.plan.path.rmdir()
    assert await shed.branches() == ""
    assert await shed.seen() == []
    assert (await shed.workspace.create(shed.plan, shed.run)).head == await shed.tip()


# -- an engine that was killed in the middle ----------------------------------------------------


async def _claimed(shed: Shed, spare: Spare) -> None:
    relock(spare.path, f"ao {HOME} {shed.plan.session}")


async def _branched(shed: Shed, spare: Spare) -> None:
    await _claimed(shed, spare)
    await shed.repository.git("branch", shed.plan.branch, spare.commit)


async def _switched(shed: Shed, spare: Spare) -> None:
    await _branched(shed, spare)
    inside = shed.repository.at(spare.path)
    await inside.git("symbolic-ref", "HEAD", f"refs/heads/{shed.plan.branch}")


async def _moved(shed: Shed, spare: Spare) -> None:
    await _switched(shed, spare)
    shed.plan.root.mkdir(exist_ok=True)
    os.rename(spare.path, shed.plan.path)


Step: TypeAlias = Callable[[Shed, Spare], Awaitable[None]]
STEPS = (_claimed, _branched, _switched, _moved)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__.strip("_"))
async def test_the_next_start_goes_on_from_every_step(shed: Shed, step: Step) -> None:
    spare = await shed.stock()
    await step(shed, spare)
    (found,) = await shed.seen()
    assert found.session == shed.plan.session
    try:
        checkout = await shed.workspace.create(shed.plan, shed.run)
    except WrongState:  # as the engine does it where its branch was made, and nothing more
        checkout = await shed.workspace.restore(shed.plan, shed.run)
    inside = shed.repository.at(checkout.path)
    assert await inside.git("branch", "--show-current") == shed.plan.branch
    assert await inside.git("status", "--porcelain") == ""
    assert await shed.seen() == []
    assert (await shed.listed()).count("worktree ") == 2
    assert not spare.path.exists()
    await shed.workspace.destroy(checkout, shed.run)


async def test_a_start_goes_on_without_a_half_taken_one_that_was_removed_by_hand(
    shed: Shed,
) -> None:
    spare = await shed.stock()
    await _switched(shed, spare)
    shutil.rmtree(spare.path)
    with pytest.raises(WrongState):
        await shed.workspace.create(shed.plan, shed.run)
    checkout = await shed.workspace.restore(shed.plan, shed.run)
    assert (checkout.path / "README.md").exists()
    assert await shed.seen() == []


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__.strip("_"))
async def test_where_nobody_goes_on_nothing_is_left_of_it(shed: Shed, step: Step) -> None:
    spare = await shed.stock()
    await step(shed, spare)
    (found,) = await shed.seen()
    await shed.workspace.discard(shed.plan.root, shed.plan.repository, found, shed.run)
    assert not spare.path.exists()
    assert not shed.plan.path.exists()
    assert (await shed.listed()).count("worktree ") == 1


async def test_what_was_taken_since_it_was_looked_at_is_no_spare_any_more(shed: Shed) -> None:
    spare = await shed.stock()
    await _claimed(shed, spare)
    (found,) = await shed.seen()
    relock(spare.path, f"ao {HOME} spare {spare.commit}")
    path = await shed.take(spare)
    (path / "work.txt").write_text("unsaved")
    await shed.workspace.discard(shed.plan.root, shed.plan.repository, found, shed.run)
    assert (path / "work.txt").read_text() == "unsaved"


async def test_one_that_was_being_written_is_removed(shed: Shed) -> None:
    spare = await shed.stock()
    relock(spare.path, "initializing")
    (spare.path / "README.md").unlink()
    (found,) = await shed.seen()
    assert found.half
    await shed.workspace.discard(shed.plan.root, shed.plan.repository, found, shed.run)
    assert await shed.seen() == []


@asynccontextmanager
async def written(folder: Path) -> AsyncGenerator[None]:
    """A git that has outlived its engine goes on writing there."""
    over = Event()
    aside = Thread(target=_written, args=(folder, over))
    aside.start()
    try:
        with anyio.fail_after(10):
            while not (folder / "file-2000").exists():
                await anyio.lowlevel.checkpoint()
        yield
    finally:
        over.set()
        aside.join()


async def test_no_spare_is_forgotten_whose_folder_is_still_there(shed: Shed) -> None:
    spare = await shed.stock()
    relock(spare.path, "initializing")
    (found,) = await shed.seen()
    place = shed.plan.root, shed.plan.repository
    async with written(spare.path):
        for _ in range(5):
            with suppress(AoError):
                await shed.workspace.discard(*place, found, shed.run)
            known = {one.path for one in await shed.seen()}
            assert spare.path in known or not spare.path.exists()
    if await shed.seen():
        await shed.workspace.discard(*place, found, shed.run)
    assert not spare.path.exists()


async def test_no_half_made_workspace_is_forgotten_whose_folder_is_still_there(shed: Shed) -> None:
    branch, path = shed.plan.branch, shed.plan.path
    await shed.repository.git("worktree", "add", "-q", "-b", branch, str(path), "main")
    relock(path, "initializing")
    async with written(path):
        for _ in range(5):
            with suppress(AoError):
                await shed.workspace.create(shed.plan, shed.run)
            assert f"worktree {path}" in await shed.listed() or not path.exists()


def _written(folder: Path, over: Event) -> None:
    """As git writes: file after file, until its folder is gone."""
    place = os.open(folder, os.O_RDONLY)
    with suppress(OSError):
        for number in count():
            if over.is_set():
                break
            os.close(os.open(f"file-{number}", os.O_WRONLY | os.O_CREAT, dir_fd=place))
    os.close(place)


async def test_one_whose_folder_was_taken_away_is_forgotten(shed: Shed, tmp_path: Path) -> None:
    spare = await shed.stock()
    spare.path.rename(tmp_path / "away")
    (found,) = await shed.seen()
    assert not found.ready
    await shed.workspace.discard(shed.plan.root, shed.plan.repository, found, shed.run)
    assert await shed.seen() == []


@pytest.mark.parametrize("verb", ["add", "reset", "status"])
async def test_making_one_that_is_interrupted_leaves_nothing(shed: Shed, verb: str) -> None:
    with anyio.CancelScope() as scope:
        shed.run = Interrupted(scope=scope, verb=verb)
        await shed.stock()
    shed.run = Recorder()
    assert scope.cancelled_caught
    assert await shed.seen() == []
    assert list(spares_beside(shed.plan.root).glob("*")) == []


@pytest.mark.parametrize("verb", ["update-ref", "symbolic-ref"])
async def test_a_taking_that_is_interrupted_leaves_nothing(shed: Shed, verb: str) -> None:
    spare = await shed.stock()
    with anyio.CancelScope() as scope:
        shed.run = Interrupted(scope=scope, verb=verb)
        await shed.take(spare)
    shed.run = Recorder()
    assert scope.cancelled_caught
    assert await shed.seen() == []
    assert await shed.branches() == ""
    assert not shed.plan.path.exists()


async def test_files_that_are_never_clean_make_no_spare(shed: Shed) -> None:
    (shed.repository.path / "dos.txt").write_bytes(b"one\r\ntwo\r\n")
    await shed.repository.git("add", "dos.txt")
    (shed.repository.path / ".gitattributes").write_text("*.txt text eol=lf\n")
    await shed.repository.git("add", ".gitattributes")
    await shed.repository.git("commit", "-q", "-m", "line ends")
    with pytest.raises(AoError, match="no longer as it was made"):
        await shed.stock()
    assert await shed.seen() == []
