"""Work trees of git: the contract, locks, crashes and other homes."""

from dataclasses import replace

import pytest

from ao_core.errors import CommandFailed, WrongState
from ao_core.git.salvage import salvage
from ao_core.ids import home_id, session_id
from ao_core.plugin import Scope
from ao_core.slots.workspace import Checkout, Plan
from ao_core.testing.repository import Recorder, Sample
from ao_core.testing.workspace import WorkspaceContract
from ao_plugins.workspace.worktree import Worktree, WorktreeConfig


class TestWorktree(WorkspaceContract):
    def make(self, scope: Scope) -> Worktree:
        return Worktree(WorktreeConfig(), scope)

    async def test_a_branch_checked_out_elsewhere_is_named_with_its_place(
        self, workspace: Worktree, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        with pytest.raises(WrongState, match=str(repository.path)):
            await workspace.create(replace(plan, branch="main"), run)
        with pytest.raises(WrongState, match=str(repository.path)):
            await workspace.restore(replace(plan, branch="main"), run)

    async def test_prune_leaves_a_workspace_whose_folder_is_away(
        self, workspace: Worktree, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        away = made.path.rename(made.path.with_name("away"))
        await repository.git("worktree", "prune", "--expire=now")
        away.rename(made.path)
        assert await workspace.exists(made.path, run)

    async def test_a_folder_removed_by_hand_is_unregistered_and_made_again(
        self, workspace: Worktree, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        made.path.rename(made.path.with_name("away"))
        again = await workspace.restore(plan, run)
        assert again.head == made.head
        again.path.rename(made.path.with_name("away2"))
        await workspace.destroy(made, run)
        assert str(made.path) not in await repository.git("worktree", "list")

    async def test_the_last_commit_of_a_vanished_detached_tree_is_not_forgotten(
        self, workspace: Worktree, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        inside = repository.at(made.path)
        await inside.git("checkout", "-q", "--detach")
        await inside.commit("loose.txt")
        made.path.rename(made.path.with_name("away"))
        with pytest.raises(WrongState, match="last commit"):
            await workspace.destroy(made, run)

    @pytest.mark.parametrize("again", [True, False], ids=["made anew", "removed"])
    async def test_what_git_no_longer_knows_as_a_work_tree_is_left_alone(
        self, workspace: Worktree, plan: Plan, run: Recorder, repository: Sample, again: bool
    ) -> None:
        made = await workspace.create(plan, run)
        (made.path / "new.txt").write_text("not saved")
        (made.path / ".git").unlink()
        if again:
            await repository.at(made.path).git("init", "-q")
        assert not await workspace.exists(made.path, run)
        with pytest.raises(WrongState, match="no work tree of git any more"):
            await workspace.destroy(made, run)
        if not again:
            with pytest.raises(WrongState, match="no work tree of git any more"):
                await workspace.restore(plan, run)
        assert (made.path / "new.txt").read_text() == "not saved"

    async def test_one_that_has_lost_its_repository_is_not_usable(
        self, workspace: Worktree, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        repository.path.rename(repository.path.with_name("elsewhere"))
        assert not await workspace.exists(made.path, run)

    async def test_saved_work_may_go_and_later_work_may_not(
        self, workspace: Worktree, plan: Plan, run: Recorder
    ) -> None:
        made = await workspace.create(plan, run)
        (made.path / "new.txt").write_text("one")
        home, session = home_id("0a1b2c3d"), session_id("app-1")
        saved = await salvage(run, made.path, home, session, "kill", archive=plan.root / "archive")
        assert saved
        (made.path / "new.txt").write_text("two")
        with pytest.raises(WrongState):
            await workspace.destroy(made, run, saved=saved.commit)
        (made.path / "new.txt").write_text("one")
        await workspace.destroy(made, run, saved=saved.commit)
        assert not made.path.exists()

    async def test_another_home_neither_lists_nor_removes_it(
        self, workspace: Worktree, scope: Scope, plan: Plan, run: Recorder
    ) -> None:
        made = await workspace.create(plan, run)
        other = self.make(replace(scope, home="99999999"))
        assert await other.list(plan.root, plan.repository, run) == ()
        with pytest.raises(WrongState, match="not a workspace of this home"):
            await other.destroy(made, run)
        with pytest.raises(WrongState):
            await other.create(plan, run)
        assert await workspace.exists(made.path, run)

    async def test_one_half_made_by_a_crash_is_made_anew(
        self, workspace: Worktree, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        # what git leaves when it is killed between registering and checking out
        add = ("worktree", "add", "-q", "--no-checkout", "--lock", "--reason", "initializing")
        await repository.git(*add, "-b", plan.branch, str(plan.path), "main")
        made = await workspace.create(plan, run)
        assert (made.path / "README.md").exists()
        assert made.branch == plan.branch

    async def test_one_half_made_by_a_crash_can_be_cleared_away(
        self, workspace: Worktree, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        add = ("worktree", "add", "-q", "--no-checkout", "--lock", "--reason", "initializing")
        await repository.git(*add, "-b", plan.branch, str(plan.path), "main")
        half = Checkout(plan.path, plan.branch, plan.session, plan.project)
        home, session = home_id("0a1b2c3d"), session_id(plan.session)
        saved = await salvage(run, plan.path, home, session, "half", archive=plan.root / "archive")
        await workspace.destroy(half, run, saved=saved.commit if saved else None)
        assert not plan.path.exists()

    async def test_files_that_cannot_be_checked_out_leave_no_work_tree(
        self, workspace: Worktree, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        await repository.commit(".gitattributes", "*.secret filter=locked\n")
        await repository.commit("one.secret")
        await repository.git("config", "filter.locked.smudge", "false")
        await repository.git("config", "filter.locked.required", "true")
        with pytest.raises(CommandFailed, match="reset"):
            await workspace.create(plan, run)
        assert not plan.path.exists()
        assert str(plan.path) not in await repository.git("worktree", "list")

    async def test_hooks_of_the_repository_do_not_run(
        self, workspace: Worktree, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        hook = repository.path / ".git" / "hooks" / "post-checkout"
        hook.write_text('#!/bin/sh\ntouch "$GIT_DIR/hook-ran"\n')
        hook.chmod(0o755)
        await workspace.create(plan, run)
        assert not list((repository.path / ".git").rglob("hook-ran"))

    async def test_the_line_that_hides_our_folder_is_added_once_and_spoils_no_other(
        self, workspace: Worktree, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        exclude = repository.path / ".git" / "info" / "exclude"
        exclude.write_bytes(b"*.log")
        await workspace.create(plan, run)
        await workspace.create(replace(plan, session="app-2", branch="ao/app-2-x"), run)
        assert exclude.read_bytes() == b"*.log\n/.ao/\n"
