"""Where a work tree and its branch are, after people and agents did to them what they do."""

import shlex
import shutil
from pathlib import Path

import pytest

from ao_core.git.footing import footing
from ao_core.model.remedy import remedy
from ao_core.model.standing import FIRM, Footing, Standing
from books import a_session
from team import Team, git

BRANCH = "ao/app-1-x"
_GONE = Footing.BRANCH_GONE


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A work tree on a branch of its own, locked as ours are."""
    repository, path = Team.new_repository(tmp_path / "sample"), tmp_path / "trees" / "app-1"
    git(repository, "worktree", "add", "-q", "-b", BRANCH, str(path))
    git(repository, "worktree", "lock", "--reason", "ao h app-1", str(path))
    return path


def common(tree: Path) -> Path:
    return tree.parent.parent / "sample" / ".git"


def stands(tree: Path, now: Path | None = None) -> Standing | None:
    return footing(tree, BRANCH, common(tree), now)


def test_one_that_is_where_it_belongs(tree: Path) -> None:
    assert stands(tree) == FIRM
    git(tree, "pack-refs", "--all")
    assert stands(tree) == FIRM


def test_one_that_was_removed_by_hand_or_by_git(tree: Path) -> None:
    shutil.rmtree(tree)
    assert stands(tree) == Standing(Footing.REMOVED)
    git(common(tree).parent, "worktree", "unlock", str(tree))
    git(common(tree).parent, "worktree", "prune")
    assert stands(tree) == Standing(Footing.REMOVED)


def test_one_that_git_moved_is_found_by_git(tree: Path) -> None:
    there = tree.with_name("elsewhere")
    git(common(tree).parent, "worktree", "move", "-f", "-f", str(tree), str(there))
    assert stands(tree) == Standing(Footing.MOVED, str(there))


def test_one_that_was_moved_without_git_is_found_by_its_agent(tree: Path) -> None:
    there = tree.with_name("elsewhere")
    tree.rename(there)
    assert stands(tree) == Standing(Footing.REMOVED)
    assert stands(tree, there) == Standing(Footing.MOVED, str(there))
    assert stands(tree, common(tree).parent) == Standing(Footing.REMOVED)  # somebody else's folder


def test_another_branch_a_commit_and_a_branch_that_is_gone(tree: Path) -> None:
    git(tree, "switch", "-q", "-c", "other")
    assert stands(tree) == Standing(Footing.SWITCHED, "other")
    git(tree, "checkout", "-q", "--detach")
    head = git(tree, "rev-parse", "HEAD")
    assert stands(tree) == Standing(Footing.SWITCHED, f"commit {head[:12]}")
    git(tree, "switch", "-q", BRANCH)
    git(tree, "update-ref", "-d", f"refs/heads/{BRANCH}")
    assert stands(tree) == Standing(Footing.BRANCH_GONE)


def test_in_the_midst_of_a_rebase_nothing_is_said(tree: Path) -> None:
    (tree / "README.md").write_text("mine\n")
    git(tree, "commit", "-q", "-am", "mine")
    (common(tree).parent / "README.md").write_text("theirs\n")
    git(common(tree).parent, "commit", "-q", "-am", "theirs")
    with pytest.raises(Exception, match="rebase"):
        git(tree, "rebase", "-q", "main")
    assert stands(tree) is None
    git(tree, "rebase", "--abort")
    assert stands(tree) == FIRM


def test_a_clone_has_its_branch_in_itself(tree: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(common(tree).parent), str(clone))
    git(clone, "switch", "-q", "-c", "ao/app-2-x")
    assert footing(clone, "ao/app-2-x", common(tree)) == FIRM
    shutil.rmtree(clone)
    assert footing(clone, "ao/app-2-x", common(tree)) == Standing(Footing.REMOVED)


def test_a_list_that_names_a_folder_of_somebody_else_moves_nobody_there(tree: Path) -> None:
    person = common(tree).parent
    (common(tree) / "worktrees" / "app-1" / "gitdir").write_text(f"{person / '.git'}\n")
    shutil.rmtree(tree)
    assert stands(tree) == Standing(Footing.REMOVED)


def test_what_a_worker_wrote_as_its_branch_is_cut_and_made_visible(tree: Path) -> None:
    head = common(tree) / "worktrees" / "app-1" / "HEAD"
    head.write_text("ref: refs/heads/\x1b[31mred" + "x" * 100_000)
    found = stands(tree)
    assert found is not None
    assert found.where.startswith("redxxx")
    assert len(found.where) <= 200


@pytest.mark.parametrize("there", ["/w/a b", "/w/x;date", "/w/$(date)", "/w/`date`\n\x1b[31m"])
def test_what_helps_can_be_pasted_whatever_the_folder_is_called(there: str) -> None:
    standing = Standing(Footing.MOVED, there)
    hint = remedy(a_session(branch="it's;date", path="/w/app-1", standing=standing))
    assert hint is not None
    command = hint.split("git worktree move -f -f ")[1].rsplit("` brings", 1)[0]
    assert len(shlex.split(command)) == 2
    assert command.startswith("'")
    assert "\x1b" not in hint + standing.told("b")
    gone = remedy(a_session(branch="it's;date", base_commit="c", standing=Standing(_GONE)))
    assert gone is not None
    assert shlex.split(gone.split("`")[1]) == ["git", "branch", "it's;date", "c"]
