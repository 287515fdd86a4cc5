"""Two homes on one repository, or on two clones of one remote, never take each other's work."""

from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import pytest

from ao_core.errors import NotFound, WrongState
from ao_core.git.salvage import Saved, salvage
from ao_core.ids import HomeId, home_id, new_branch, session_id
from ao_core.model.work import Landing, MergeMethod, PullState
from ao_core.plugin import Scope
from ao_core.process import run
from ao_core.slots.scm import WorkRef
from ao_core.slots.workspace import Checkout, Plan
from ao_core.testing.repository import Sample, sample
from ao_plugins.scm.local import LocalScm, LocalScmConfig
from ao_plugins.workspace.worktree import Worktree, WorktreeConfig

SESSION = session_id("app-1")


@dataclass
class Home:
    """One home at work on one clone. Both homes name their first session alike."""

    id: HomeId
    folder: Path
    repository: Sample

    def __post_init__(self) -> None:
        scope = Scope(
            state=self.folder / "state", project="demo", repository=self.repository.path,
            home=self.id,
        )  # fmt: skip
        self.workspaces = Worktree(WorktreeConfig(), scope)
        self.scm = LocalScm(LocalScmConfig(), scope)
        self.plan = Plan(
            session=SESSION, project="demo", repository=self.repository.path,
            root=self.folder / "worktrees", branch=new_branch(SESSION), base="main",
        )  # fmt: skip

    async def start(self) -> Checkout:
        return await self.workspaces.create(self.plan, run)

    async def commit(self, name: str) -> WorkRef:
        head = await self.repository.at(self.plan.path).commit(name)
        return WorkRef(SESSION, self.plan.branch, "main", "", name, str(self.plan.path), (head,))

    async def save(self) -> Saved:
        where = self.folder / "archive"
        saved = await salvage(run, self.plan.path, self.id, SESSION, "kill", archive=where)
        assert saved
        return saved


@pytest.fixture(params=["one clone", "two clones"])
async def homes(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Home, Home]:
    first = await sample(tmp_path / "project")
    second = first
    if request.param == "two clones":
        await first.git("clone", "-q", str(first.path), str(tmp_path / "clone"))
        second = Sample(tmp_path / "clone")
    for clone in {first, second}:
        await clone.git("checkout", "-q", "-b", "elsewhere")
    return (
        Home(home_id("aaaaaaaa"), tmp_path / "home-a", first),
        Home(home_id("bbbbbbbb"), tmp_path / "home-b", second),
    )


async def test_the_same_session_gets_another_branch_and_place(homes: tuple[Home, Home]) -> None:
    one, other = homes
    async with anyio.create_task_group() as group:
        group.start_soon(one.start)
        group.start_soon(other.start)
    assert one.plan.branch != other.plan.branch
    for home in homes:
        found = await home.workspaces.list(home.plan.root, home.plan.repository, run)
        assert [(made.path, made.branch) for made in found] == [(home.plan.path, home.plan.branch)]


async def test_pull_requests_stay_with_the_home_that_made_them(homes: tuple[Home, Home]) -> None:
    one, other = homes
    await one.start()
    await other.start()
    first, second = await one.commit("one.txt"), await other.commit("other.txt")
    pulls = await one.scm.find(first), await other.scm.find(second)
    assert [pull.head for pull in pulls if pull] == [first.commits[0], second.commits[0]]
    foreign = WorkRef(SESSION, other.plan.branch, "main", "", "x", "", first.commits)
    assert await one.scm.find(foreign) is None
    assert pulls[0]
    assert (await one.scm.merge(pulls[0], MergeMethod.MERGE)).landing is Landing.LANDED
    seen = await other.scm.find(second)
    assert seen
    assert seen.state is PullState.OPEN


async def test_branches_fetched_from_the_other_are_not_taken_for_ours(
    homes: tuple[Home, Home],
) -> None:
    one, other = homes
    await one.start()
    work = await one.commit("one.txt")
    shared = other.repository == one.repository
    if not shared:
        await other.repository.git("fetch", "-q", "origin")
    assert await other.workspaces.list(other.plan.root, other.plan.repository, run) == ()
    foreign = replace(other.plan, branch=work.branch)
    with pytest.raises(WrongState if shared else NotFound, match="exist"):
        await other.workspaces.restore(foreign, run)
    assert not foreign.path.exists()


async def test_saved_work_lies_under_the_name_of_its_home(homes: tuple[Home, Home]) -> None:
    saved: list[str] = []
    for home in homes:
        made = await home.start()
        (made.path / "unsaved.txt").write_text(home.id)
        saved.append((await home.save()).ref)
    assert saved == [f"refs/ao/{home.id}/app-1/0" for home in homes]
    for home, ref in zip(homes, saved, strict=True):
        assert await home.repository.git("show", f"{ref}:unsaved.txt") == home.id


async def test_one_home_removes_nothing_of_the_other(homes: tuple[Home, Home]) -> None:
    one, other = homes
    made = await one.start()
    with pytest.raises(WrongState, match="not a workspace of this home"):
        await other.workspaces.destroy(made, run)
    assert await one.workspaces.exists(made.path, run)
    await one.workspaces.destroy(made, run)
    assert not made.path.exists()
