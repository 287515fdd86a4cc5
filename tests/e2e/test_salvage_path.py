"""A worker is killed with a dirty tree: every byte comes back, by hand and by `restore`."""

import os
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from team import KINDS, Team, git

pytestmark = pytest.mark.parametrize("kind", KINDS, ids=str)

BINARY = bytes(range(256)) * 40
TRACKED = ("modified", "staged", "both", "deleted", "script", "link", "windows.txt", "binary")


@dataclass(frozen=True)
class Entry:
    """One file as it lies there."""

    kind: str
    data: bytes
    runs: bool


def tree(folder: Path) -> dict[str, Entry]:
    """Every file of a work tree, but git's own and ours."""
    found: dict[str, Entry] = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in (".git", ".ao")]
        for path in (Path(place, name) for name in names if name != ".git"):
            found[str(path.relative_to(folder))] = entry(path)
    return found


def entry(path: Path) -> Entry:
    if path.is_symlink():
        return Entry("link", os.fsencode(os.readlink(path)), False)
    return Entry("file", path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR))


def settled(team: Team) -> None:
    """What the repository has before any work, line ends converted on check-out."""
    root = team.repository
    git(root, "config", "core.autocrlf", "true")
    (root / ".gitignore").write_text(".env\nbuild/\n")
    for name in TRACKED[:5]:
        (root / name).write_text(f"{name}\n")
    (root / "windows.txt").write_bytes(b"one\r\ntwo\r\n")
    (root / "binary").write_bytes(BINARY)
    (root / "link").symlink_to("staged")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "some of everything")


def dirty(path: Path) -> None:
    """One of every way in which a tree can differ from its commit."""
    (path / "modified").write_text("modified, not staged\n")
    (path / "staged").write_text("staged\r\n")
    (path / "both").write_text("staged first\n")
    git(path, "add", "staged", "both")
    (path / "both").write_text("and modified after\n")
    (path / "deleted").unlink()
    (path / "script").chmod(0o755)
    (path / "link").unlink()
    (path / "link").symlink_to("../nowhere at all")
    (path / "windows.txt").write_bytes(b"one\r\nmixed\ntwo\r")
    (path / "binary").write_bytes(BINARY[::-1])
    (path / "new folder").mkdir()
    (path / "new folder" / "naïve \t name").write_bytes(b"\x00\xff untracked")
    (path / ".env").write_text("KEEP=me\n")


def asleep(team: Team) -> tuple[str, Path]:
    """A worker that asks, with a tree in disorder."""
    session = team.spawn("do: ask Go on?")
    path = Path(team.until(session, "needs_input")["path"])
    dirty(path)
    return session, path


def test_every_byte_comes_back_from_what_the_reply_names(team: Team, tmp_path: Path) -> None:
    settled(team)
    session, path = asleep(team)
    before, index = tree(path), git(path, "write-tree")
    killed = team.call("kill", session=session)
    assert killed["status"] == "killed"
    assert killed["workspace_removed"]
    assert not path.exists()

    ref, copy = killed["salvage"], tmp_path / "copy"
    assert git(team.repository, "rev-parse", f"{ref}^2^{{tree}}") == index
    git(team.repository, "config", "core.autocrlf", "false")
    git(team.repository, "worktree", "add", "--detach", str(copy), ref)
    subprocess.run(["tar", "-xf", killed["archive"], "-C", str(copy)], check=True)
    assert tree(copy) == before


def test_restore_brings_the_tree_back_as_it_was(team: Team) -> None:
    settled(team)
    session, path = asleep(team)
    before, head = tree(path), git(path, "rev-parse", "HEAD")
    killed = team.call("kill", session=session)
    team.call("restore", session=session)
    assert tree(path) == before
    assert git(path, "rev-parse", "HEAD") == head
    team.until(session, "needs_input")
    again = team.call("kill", session=session)
    assert (again["salvage"], again["archive"]) != (None, None)
    assert again["workspace_removed"]
    assert git(team.repository, "rev-parse", killed["salvage"])


def test_killing_twice_names_the_same_work(team: Team) -> None:
    session, _ = asleep_plainly(team)
    first = team.call("kill", session=session)
    assert first["archive"]
    assert team.call("kill", session=session) == first


def test_a_key_ends_only_the_run_it_was_used_for(team: Team) -> None:
    session, _ = asleep_plainly(team)
    first = team.call("kill", session=session, key="end it")
    team.call("restore", session=session, key="bring it back")
    again = team.call("kill", session=session, key="end it")
    assert again["salvage"] == first["salvage"]
    assert team.call("show", session=session)["runtime"] == "alive"
    assert team.call("restore", session=session, key="bring it back")["generation"] == 2


def test_what_was_saved_before_does_not_undo_later_work(team: Team) -> None:
    session, path = asleep_plainly(team)
    (path / "draft.txt").write_text("draft\n")
    team.call("kill", session=session)
    team.call("restore", session=session)
    team.until(session, "needs_input")
    (path / "draft.txt").write_text("done\n")
    (path / ".env").unlink()
    git(path, "add", "-A")
    git(path, "commit", "-q", "-m", "done")
    team.call("kill", session=session)
    team.call("restore", session=session)
    assert (path / "draft.txt").read_text() == "done\n"
    assert not (path / ".env").exists()
    assert git(path, "status", "--porcelain") == ""


def test_a_restore_that_was_interrupted_starts_over(team: Team) -> None:
    session, path = asleep_plainly(team)
    before, branch = tree(path), git(path, "branch", "--show-current")
    team.call("kill", session=session)
    reason = f"ao {team.call('about')['home_id']} {session}"
    git(team.repository, "worktree", "add", "--lock", "--reason", reason, str(path), branch)
    (path / "note.txt").write_text("a no")  # so far the engine came
    team.call("restore", session=session)
    assert tree(path) == before
    half = git(team.repository, "for-each-ref", "--format=%(refname)", "refs/ao").splitlines()[-1]
    assert git(team.repository, "show", f"{half}:note.txt") == "a no"


def asleep_plainly(team: Team) -> tuple[str, Path]:
    (team.repository / ".git" / "info" / "exclude").write_text(".env\n")
    session = team.spawn("do: ask Go on?")
    path = Path(team.until(session, "needs_input")["path"])
    (path / "note.txt").write_text("a note\n")
    (path / ".env").write_text("KEEP=me\n")
    return session, path
