"""Clones: the contract, the branch that both repositories have, and what is saved of them."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ao_core.errors import CommandFailed, WrongState
from ao_core.git.salvage import Saved, restore_into, salvage
from ao_core.ids import home_id, session_id
from ao_core.plugin import Scope
from ao_core.slots.workspace import Checkout, Plan
from ao_core.testing.repository import Recorder, Sample
from ao_core.testing.workspace import WorkspaceContract
from ao_plugins.workspace.clone import Clone, CloneConfig


async def save(run: Recorder, made: Checkout, repository: Sample) -> Saved | None:
    """What the engine does before it removes anything."""
    return await salvage(
        run, made.path, home_id("0a1b2c3d"), session_id(made.session), "kill",
        archive=repository.path.parent / "archive", repository=repository.path,
    )  # fmt: skip


class TestClone(WorkspaceContract):
    def make(self, scope: Scope) -> Clone:
        return Clone(CloneConfig(), scope)

    # -- one branch in two repositories ----------------------------------------------------------

    async def test_what_is_committed_there_is_brought_into_the_projects_repository(
        self, workspace: Clone, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        head = await repository.at(made.path).commit("work.txt")
        assert await repository.git("rev-parse", plan.branch) == made.head
        await workspace.collect(made, run)
        assert await repository.git("rev-parse", plan.branch) == head
        assert await repository.git("show", f"{plan.branch}:work.txt") == "x"

    async def test_a_branch_that_was_rewritten_follows_while_nobody_else_has_moved_it(
        self, workspace: Clone, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        inside = repository.at(made.path)
        await inside.commit("work.txt")
        await workspace.collect(made, run)
        await inside.git("commit", "-q", "--amend", "-m", "better")
        await workspace.collect(made, run)
        assert await repository.git("log", "-1", "--format=%s", plan.branch) == "better"

    async def test_a_branch_that_somebody_else_has_moved_stays_where_it_is(
        self, workspace: Clone, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        await repository.at(made.path).commit("work.txt")
        theirs = await repository.commit("theirs.txt")
        await repository.git("branch", "-f", plan.branch, theirs)
        with pytest.raises(WrongState, match="somebody else has moved"):
            await workspace.collect(made, run)
        assert await repository.git("rev-parse", plan.branch) == theirs

    async def test_a_branch_that_was_taken_back_is_not_pushed_forward_again(
        self, workspace: Clone, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        inside = repository.at(made.path)
        await inside.commit("work.txt")
        await workspace.collect(made, run)
        await repository.git("branch", "-f", plan.branch, made.head)
        await inside.commit("more.txt")
        with pytest.raises(WrongState, match="somebody else has moved"):
            await workspace.collect(made, run)
        assert await repository.git("rev-parse", plan.branch) == made.head

    async def test_a_branch_that_was_deleted_is_not_made_again(
        self, workspace: Clone, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        await repository.at(made.path).commit("work.txt")
        await repository.git("branch", "-D", plan.branch)
        with pytest.raises(WrongState, match="deleted"):
            await workspace.collect(made, run)
        assert plan.branch not in await repository.git("branch", "--list", plan.branch)

    async def test_what_somebody_added_and_the_worker_took_in_is_no_obstacle(
        self, workspace: Clone, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        theirs = await repository.commit("theirs.txt")
        await repository.git("branch", "-f", plan.branch, theirs)
        inside = repository.at(made.path)
        await inside.git("pull", "-q", "--ff-only", "project", plan.branch)
        head = await inside.commit("work.txt")
        await workspace.collect(made, run)
        assert await repository.git("rev-parse", plan.branch) == head

    async def test_a_branch_that_a_person_has_checked_out_does_not_move_under_them(
        self, workspace: Clone, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        head = await repository.at(made.path).commit("work.txt")
        await repository.git("switch", "-q", plan.branch)
        with pytest.raises(WrongState, match="checked out at"):
            await workspace.collect(made, run)
        assert await repository.git("status", "--porcelain") == ""
        await repository.git("switch", "-q", "main")
        await workspace.collect(made, run)
        assert await repository.git("rev-parse", plan.branch) == head

    async def test_a_look_at_what_has_not_moved_takes_no_command(
        self, workspace: Clone, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        await workspace.collect(made, run)
        run.argvs.clear()
        await workspace.collect(made, run)
        assert run.argvs == []
        await repository.git("branch", "-f", plan.branch, await repository.commit("theirs.txt"))
        with pytest.raises(WrongState, match="somebody else has moved"):
            await workspace.collect(made, run)
        with pytest.raises(WrongState, match="somebody else has moved"):
            await workspace.collect(made, run)

    async def test_refs_that_were_packed_are_seen_to_move_as_well(
        self, workspace: Clone, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        inside = repository.at(made.path)
        await workspace.collect(made, run)
        await inside.git("pack-refs", "--all")
        await repository.git("pack-refs", "--all")
        head = await inside.commit("work.txt")
        await inside.git("pack-refs", "--all")
        await workspace.collect(made, run)
        assert await repository.git("rev-parse", plan.branch) == head

    async def test_the_base_as_it_moves_on_can_be_merged_inside(
        self, workspace: Clone, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        later = await repository.commit("later.txt")
        await workspace.collect(made, run)
        inside = repository.at(made.path)
        assert await inside.git("rev-parse", "main", "project/main") == f"{later}\n{later}"

    async def test_a_base_the_worker_has_committed_to_is_left_to_it(
        self, workspace: Clone, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        inside = repository.at(made.path)
        await inside.git("switch", "-q", "main")
        own = await inside.commit("own.txt")
        await inside.git("switch", "-q", plan.branch)
        later = await repository.commit("later.txt")
        await workspace.collect(made, run)
        assert await inside.git("rev-parse", "main", "project/main") == f"{own}\n{later}"

    # -- what it is ------------------------------------------------------------------------------

    async def test_nothing_of_it_is_shared_with_or_borrowed_from_the_persons_objects(
        self, workspace: Clone, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        borrower = repository.at(repository.path.parent / "borrower")
        await repository.git("clone", "-q", "--shared", str(repository.path), str(borrower.path))
        made = await workspace.create(replace(plan, repository=borrower.path), run)
        files = [path for path in (made.path / ".git" / "objects").rglob("*") if path.is_file()]
        assert {path.stat().st_nlink for path in files} == {1}
        shutil.rmtree(repository.path)
        shutil.rmtree(borrower.path)
        assert await repository.at(made.path).git("fsck", "--full", "--strict") == ""

    async def test_remotes_identity_and_ignored_files_are_as_in_the_repository(
        self, workspace: Clone, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        url = 'https://forge.invalid/a "quoted" \\ name.git'
        await repository.git("remote", "add", "origin", url)
        await repository.git("update-ref", "refs/remotes/origin/main", "HEAD")
        await repository.git("config", "user.email", "one@example.invalid")
        await repository.git("config", "core.worktree", str(repository.path))
        (repository.path / ".git" / "info" / "exclude").write_text("*.log\n")
        made = await workspace.create(plan, run)
        inside = repository.at(made.path)
        assert await inside.git("remote", "get-url", "origin") == url
        assert await inside.git("config", "user.email") == "one@example.invalid"
        assert await inside.git("rev-parse", "origin/main") == made.head
        assert await inside.git("rev-parse", "--show-toplevel") == str(made.path)
        (made.path / "a.log").write_text("x")
        assert await inside.git("status", "--porcelain") == ""

    async def test_files_that_cannot_be_checked_out_leave_neither_clone_nor_branch(
        self, workspace: Clone, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        await repository.commit(".gitattributes", "*.secret filter=locked\n")
        await repository.commit("one.secret")
        await repository.git("config", "filter.locked.smudge", "false")
        await repository.git("config", "filter.locked.required", "true")
        with pytest.raises(CommandFailed, match="reset"):
            await workspace.create(plan, run)
        assert os.listdir(plan.root) == []
        assert await repository.git("branch", "--list", plan.branch) == ""

    async def test_one_half_made_by_a_crash_is_made_anew(
        self, workspace: Clone, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        half = plan.root / f".new-{plan.session}"
        half.mkdir(parents=True)
        (half / "README.md").write_text("half")
        made = await workspace.create(plan, run)
        assert (made.path / "README.md").read_text() == "# sample\n"
        assert os.listdir(plan.root) == [plan.session]

    async def test_another_home_neither_lists_nor_collects_nor_removes_it(
        self, workspace: Clone, scope: Scope, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        await repository.at(made.path).commit("work.txt")
        other = self.make(replace(scope, home="99999999"))
        assert await other.list(plan.root, plan.repository, run) == ()
        await other.collect(made, run)
        assert await repository.git("rev-parse", plan.branch) == made.head
        with pytest.raises(WrongState, match="not a workspace of this home"):
            await other.destroy(made, run)
        assert await workspace.exists(made.path, run)

    async def test_a_folder_that_cannot_be_emptied_goes_all_the_same(
        self, workspace: Clone, plan: Plan, run: Recorder
    ) -> None:
        made = await workspace.create(plan, run)
        (made.path / ".ao" / "cache").mkdir(parents=True)
        (made.path / ".ao" / "cache" / "file").touch()
        (made.path / ".ao" / "cache").chmod(0o500)
        await workspace.destroy(made, run)
        assert os.listdir(plan.root) == []

    # -- nothing is lost -------------------------------------------------------------------------

    async def test_commits_that_only_the_clone_has_keep_it_from_being_removed(
        self, workspace: Clone, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        inside = repository.at(made.path)
        await inside.git("switch", "-q", "-c", "aside")
        await inside.commit("aside.txt")
        await inside.git("switch", "-q", plan.branch)
        with pytest.raises(WrongState, match="not saved"):
            await workspace.destroy(made, run)
        assert (made.path / "README.md").exists()

    @pytest.mark.parametrize("way", ["branch", "stash", "tag", "detached", "moved"])
    async def test_whatever_only_the_clone_has_is_saved_in_the_projects_repository(
        self, workspace: Clone, plan: Plan, run: Recorder, repository: Sample, way: str
    ) -> None:
        made = await workspace.create(plan, run)
        lost = await _leave(way, repository.at(made.path), repository, plan)
        with pytest.raises(WrongState):
            await workspace.destroy(made, run)
        saved = await save(run, made, repository)
        assert saved
        await workspace.destroy(made, run, saved=saved.commit)
        assert not made.path.exists()
        assert await repository.git("merge-base", "--is-ancestor", lost, saved.ref) == ""
        assert await repository.git("fsck", "--connectivity-only", "--no-dangling") == ""

    async def test_commits_that_were_brought_over_need_no_saving(
        self, workspace: Clone, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        head = await repository.at(made.path).commit("work.txt")
        await workspace.destroy(made, run)
        assert await repository.git("rev-parse", plan.branch) == head

    async def test_a_dirty_tree_is_saved_once_and_put_back_byte_for_byte(
        self, workspace: Clone, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        made = await workspace.create(plan, run)
        (made.path / "new.bin").write_bytes(bytes(range(256)))
        first, again = [await save(run, made, repository) for _ in range(2)]
        assert first
        assert again == first
        (made.path / "new.bin").write_bytes(b"later")
        with pytest.raises(WrongState, match="not saved"):
            await workspace.destroy(made, run, saved=first.commit)
        (made.path / "new.bin").write_bytes(bytes(range(256)))
        await workspace.destroy(made, run, saved=first.commit)
        back = await workspace.restore(plan, run)
        await restore_into(run, first.ref, back.path, repository=repository.path)
        assert (back.path / "new.bin").read_bytes() == bytes(range(256))
        assert (back.path / "README.md").read_text() == "# sample\n"

    async def test_saved_work_is_numbered_on_from_what_is_saved_already(
        self, workspace: Clone, plan: Plan, run: Recorder, repository: Sample
    ) -> None:
        refs: list[str] = []
        for turn in range(2):
            made = await workspace.restore(plan, run) if turn else await workspace.create(plan, run)
            (made.path / "new.txt").write_text(f"{turn}")
            saved = await save(run, made, repository)
            assert saved
            refs.append(saved.ref)
            await workspace.destroy(made, run, saved=saved.commit)
        assert [Path(ref).name for ref in refs] == ["0", "1"]


async def _leave(way: str, inside: Sample, repository: Sample, plan: Plan) -> str:
    """Leave a commit where only the clone has it."""
    if way == "branch":
        await inside.git("switch", "-q", "-c", "aside")
    if way == "detached":
        await inside.git("checkout", "-q", "--detach")
    if way == "stash":
        for name in ("first", "second"):
            (inside.path / "README.md").write_text(name)
            await inside.git("stash", "push", "-q")
        return await inside.git("rev-parse", "stash@{1}")
    lost = await inside.commit("lost.txt")
    if way == "moved":
        await repository.git("branch", "-f", plan.branch, await repository.commit("theirs.txt"))
        return lost
    if way == "tag":
        await inside.git("tag", "-a", "-m", "found", "found")
        await inside.git("reset", "-q", "--hard", "HEAD~1")
    elif way == "branch":
        await inside.git("switch", "-q", plan.branch)
    return lost
