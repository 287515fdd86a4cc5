"""What every workspace plugin must do, on a real repository."""

from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from ao_core.errors import AoError, WrongState
from ao_core.plugin import Scope
from ao_core.process import Completed
from ao_core.slots.workspace import Plan, Workspace
from ao_core.testing.repository import Recorder, Sample, sample


class WorkspaceContract(ABC):
    """Inherit, and say how the plugin is made."""

    @abstractmethod
    def make(self, scope: Scope) -> Workspace[Any]:
        """A plugin that has not been entered."""

    @pytest.fixture
    async def repository(self, tmp_path: Path) -> Sample:
        return await sample(tmp_path / "project")

    @pytest.fixture
    def scope(self, tmp_path: Path, repository: Sample) -> Scope:
        return Scope(
            state=tmp_path / "state", project="demo", repository=repository.path, home="0a1b2c3d"
        )

    @pytest.fixture
    def workspace(self, scope: Scope) -> Workspace[Any]:
        return self.make(scope)

    @pytest.fixture
    def plan(self, tmp_path: Path, repository: Sample) -> Plan:
        return Plan(
            session="app-1",
            project="demo",
            repository=repository.path,
            root=tmp_path / "worktrees",
            branch="ao/app-1-abcdef",
            base="main",
        )

    @pytest.fixture
    def run(self) -> Recorder:
        return Recorder()

    async def test_a_workspace_starts_at_the_base_on_a_branch_of_its_own(
        self, workspace: Workspace[Any], plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        base = await repository.git("rev-parse", "main")
        assert (made.path, made.branch, made.session) == (plan.path, plan.branch, plan.session)
        assert (made.base_commit, made.head) == (base, base)
        assert await repository.at(made.path).git("branch", "--show-current") == plan.branch
        assert (made.path / "README.md").read_text() == "# sample\n"

    async def test_a_start_goes_before_where_the_base_is_here(
        self, workspace: Workspace[Any], plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        tree = await repository.git("rev-parse", "main^{tree}")
        start = await repository.git("commit-tree", tree, "-p", "main", "-m", "ahead")
        await repository.git("update-ref", "refs/remotes/origin/main", start)
        made = await workspace.create(replace(plan, start=start), run)
        assert (made.base_commit, made.head) == (start, start)
        assert await repository.at(made.path).git("rev-parse", "HEAD") == start

    async def test_making_the_same_plan_again_adopts_it_with_its_work(
        self, workspace: Workspace[Any], plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        first = await workspace.create(plan, run)
        (first.path / "README.md").write_text("changed")
        again = await workspace.create(plan, run)
        assert again == first
        assert (first.path / "README.md").read_text() == "changed"

    async def test_a_branch_that_exists_is_never_taken_over(
        self, workspace: Workspace[Any], plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        await repository.git("branch", plan.branch)
        before = await repository.git("rev-parse", plan.branch)
        await repository.commit("later.txt")
        with pytest.raises(WrongState):
            await workspace.create(plan, run)
        assert await repository.git("rev-parse", plan.branch) == before
        assert not plan.path.exists()

    async def test_a_folder_that_is_in_the_way_stays_as_it_is(
        self, workspace: Workspace[Any], plan: Plan, run: Recorder
    ) -> None:
        plan.path.mkdir(parents=True)
        (plan.path / "mine").write_text("precious")
        with pytest.raises(WrongState):
            await workspace.create(plan, run)
        assert (plan.path / "mine").read_text() == "precious"

    async def test_a_base_that_does_not_exist_is_said(
        self, workspace: Workspace[Any], plan: Plan, run: Recorder
    ) -> None:
        with pytest.raises(AoError, match="nowhere"):
            await workspace.create(replace(plan, base="nowhere"), run)
        assert not plan.path.exists()

    async def test_the_private_folder_is_no_change_and_no_tracked_file_differs(
        self, workspace: Workspace[Any], plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        (made.path / ".ao").mkdir()
        (made.path / ".ao" / "AGENTS.md").write_text("context")
        status = ("status", "--porcelain", "--untracked-files=all")
        assert await repository.at(made.path).git(*status) == ""
        assert await repository.git(*status) == ""

    async def test_ten_at_once_disturb_nobody(
        self, workspace: Workspace[Any], plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        plans = [replace(plan, session=f"app-{n}", branch=f"ao/app-{n}-x") for n in range(1, 11)]
        async with anyio.create_task_group() as group:
            for one in plans:
                group.start_soon(workspace.create, one, run)
        found = await workspace.list(plan.root, plan.repository, run)
        assert {one.branch for one in found} == {one.branch for one in plans}

    async def test_removal_takes_folder_and_registration_and_leaves_the_branch(
        self, workspace: Workspace[Any], plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        await workspace.destroy(made, run)
        assert not made.path.exists()
        assert await workspace.list(plan.root, plan.repository, run) == ()
        assert await repository.git("rev-parse", plan.branch) == made.head
        await workspace.destroy(made, run)

    async def test_unsaved_work_is_never_removed(
        self, workspace: Workspace[Any], plan: Plan, run: Recorder
    ) -> None:
        made = await workspace.create(plan, run)
        (made.path / "new.txt").write_text("unsaved")
        with pytest.raises(WrongState):
            await workspace.destroy(made, run)
        assert (made.path / "new.txt").read_text() == "unsaved"

    async def test_a_foreign_folder_is_never_removed(
        self, workspace: Workspace[Any], plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        for path in (repository.path, plan.root, made.path / ".."):
            with pytest.raises(AoError):
                await workspace.destroy(replace(made, path=path), run)
        assert (repository.path / "README.md").exists()
        assert (made.path / "README.md").exists()

    async def test_what_exists_is_told_from_what_does_not(
        self, workspace: Workspace[Any], plan: Plan, run: Recorder
    ) -> None:
        assert not await workspace.exists(plan.path, run)
        plan.path.mkdir(parents=True)
        assert not await workspace.exists(plan.path, run)
        plan.path.rmdir()
        made = await workspace.create(plan, run)
        assert await workspace.exists(made.path, run)

    async def test_it_is_made_again_for_its_branch_with_its_commits(
        self, workspace: Workspace[Any], plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        head = await repository.at(made.path).commit("work.txt")
        await workspace.destroy(made, run)
        again = await workspace.restore(plan, run)
        assert (again.path, again.branch, again.head) == (plan.path, plan.branch, head)
        assert (again.path / "work.txt").exists()
        assert await workspace.restore(plan, run) == again

    async def test_restoring_needs_the_branch(
        self, workspace: Workspace[Any], plan: Plan, run: Recorder
    ) -> None:
        with pytest.raises(AoError, match="does not exist"):
            await workspace.restore(plan, run)

    async def test_every_command_goes_through_the_given_run(
        self, scope: Scope, plan: Plan, run: Recorder
    ) -> None:
        async def forbidden(*_: object, **__: object) -> Completed:
            raise AssertionError("a command went past the runtime")

        workspace = self.make(replace(scope, run=forbidden))
        made = await workspace.create(plan, run)
        await workspace.destroy(made, run)
        assert {"git" in argv for argv in run.argvs} == {True}
