"""Every kind of work that a worker can leave unsaved, and what must be had again of each."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from salvage.yard import BLOCK, commit, files, git, history, index, write


@dataclass(frozen=True, slots=True)
class Must:
    """What has to come back beside files and index."""

    commits: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()  # repositories of their own, with all they hold
    large: Mapping[str, bytes] = field(default_factory=dict[str, bytes])  # as git shows them
    unseen: tuple[str, ...] = ()  # tracked, and not to be taken for deleted


NOTHING = Must()
Make = Callable[[Path], Must]
WORKS: dict[str, Make] = {}


def work(make: Make) -> Make:
    """Put it on the list."""
    WORKS[make.__name__.replace("_", " ").strip()] = make
    return make


@dataclass(frozen=True, slots=True)
class Seen:
    """A workspace in disorder, as it was seen before it went."""

    must: Must
    files: Mapping[str, object]
    index: set[str]
    merging: str
    head: str
    inner: Mapping[str, Mapping[str, object]]


CLEAN = ("sub",)  # what nobody changed is in its own repository


def disorder(path: Path, *names: str) -> Seen:
    """Do all of this in a workspace, and look at it."""
    made = [WORKS[name](path) for name in names]
    must = Must(
        commits=tuple(one for each in made for one in each.commits),
        repositories=tuple(dict.fromkeys(one for each in made for one in each.repositories)),
        large={name: data for each in made for name, data in each.large.items()},
        unseen=tuple(one for each in made for one in each.unseen),
    )
    without = () if "sub" in must.repositories else CLEAN
    inner = {name: history(path / name) for name in must.repositories}
    return Seen(
        must, files(path, *without), index(path), merging(path),
        git(path, "rev-parse", "HEAD"), inner,
    )  # fmt: skip


def merging(path: Path) -> str:
    """The other side of a merge under way."""
    return git(path, "rev-parse", "--quiet", "--verify", "MERGE_HEAD", ok=False)


# -- files -----------------------------------------------------------------------------------------


@work
def modified(path: Path) -> Must:
    """Tracked, changed and deleted."""
    write(path / "one", "modified\n")
    write(path / "binary", BLOCK[::-1])
    (path / "two").unlink()
    return NOTHING


@work
def untracked(path: Path) -> Must:
    """New, in folders of their own; what is ignored need not be kept."""
    write(path / "new folder" / "deep" / "new", b"\x00\xff untracked")
    write(path / "new", "new")
    write(path / "build" / "out", "made again any time")
    (path / "new folder" / "empty").mkdir()
    return NOTHING


@work
def listed(path: Path) -> Must:
    """Ignored, and on the list of what is kept all the same."""
    write(path / ".env", "KEY=1\n")
    write(path / "new folder" / ".env.local", b"\xff\x00")
    return NOTHING


@work
def staged_only(path: Path) -> Must:
    """The index differs from the commit, and the files do not."""
    before = (path / "three").read_bytes()
    write(path / "three", "staged\n")
    git(path, "add", "three")
    write(path / "three", before)
    git(path, "rm", "-q", "--cached", "four")
    return NOTHING


@work
def staged_and_modified(path: Path) -> Must:
    """Commit, index and file differ; one file is in the index alone, one is announced only."""
    write(path / "in" / "a", "staged\n")
    write(path / "added", "added\n")
    git(path, "add", "in/a", "added")
    write(path / "in" / "a", "modified\n")
    (path / "added").unlink()
    write(path / "announced", "announced\n")
    git(path, "add", "--intent-to-add", "announced")
    return NOTHING


@work
def modes_and_links(path: Path) -> Must:
    """Bits and links, of files that are tracked and of such that are not."""
    (path / "script.sh").chmod(0o755)
    write(path / "new.sh", "#!/bin/sh\n")
    (path / "new.sh").chmod(0o700)
    write(path / "read only", "no one writes\n")
    (path / "read only").chmod(0o444)
    (path / "link").unlink()
    (path / "link").symlink_to("../nowhere at all")
    (path / "link to a folder").symlink_to("out")
    (path / "in" / "b").unlink()
    (path / "in" / "b").symlink_to("/dev/null")
    return NOTHING


@work
def odd_names(path: Path) -> Must:
    """Names that are no words."""
    odd = [b"new\nline", b'quo"te\\', b"caf\xe9", b"-rf", b"--", b" ", b"trailing ", b":(top)x",
           b"git~1", "ünï ✓".encode(), b"*", b"tab\tin it", b"folder\n/-x"]  # fmt: skip
    for name in odd:
        write(path / os.fsdecode(name), name)
    return NOTHING


@work
def line_ends(path: Path) -> Must:
    """Line ends, encodings and marks that git would convert."""
    write(path / "mixed.txt", b"one\r\nmixed\ntwo\r")
    write(path / "file.dos", b"one\ntwo\r\n")
    write(path / "new.unix", b"one\r\n")
    write(path / "file.u16", b"t\x00o\x00o")
    write(path / "own.id", b"$Id: mine $\n")
    write(path / "staged.txt", b"one\r\n")
    git(path, "add", "staged.txt")
    return NOTHING


@work
def files_and_folders_swapped(path: Path) -> Must:
    """A file where a folder was, a folder where a file was, a link to what was a folder."""
    (path / "binary").unlink()
    write(path / "binary" / "now a folder", "x")
    (path / "out" / "d" / "e").rename(path / "moved")
    (path / "out" / "d").rmdir()
    write(path / "out" / "d", "now a file")
    (path / "in").rename(path / "elsewhere")
    (path / "in").symlink_to("elsewhere")
    return NOTHING


@work
def hidden_from_git(path: Path) -> Must:
    """Changed, and git was told not to look."""
    git(path, "update-index", "--assume-unchanged", "one")
    git(path, "update-index", "--skip-worktree", "four")
    write(path / "one", "hidden")
    write(path / "four", "hidden, too")
    return NOTHING


@work
def large_files(path: Path) -> Must:
    """Kept apart from git's own store: not committed, staged only, and committed."""
    commit(path, "committed.large", BLOCK)
    head = git(path, "rev-parse", "HEAD")
    write(path / "first.large", BLOCK[:1_000])
    write(path / "staged.large", BLOCK[:2_000])
    git(path, "add", "staged.large")
    staged = git(path, "rev-parse", ":staged.large")
    write(path / "staged.large", BLOCK[:3_000])
    large = {f"{head}:committed.large": BLOCK, staged: BLOCK[:2_000]}
    return Must(commits=(head,), large=large)


@work
def many_bytes(path: Path) -> Must:
    """More than people put into git."""
    write(path / "many bytes", os.urandom(1_000_000) * 60)
    return NOTHING


@work
def sparse_checkout(path: Path) -> Must:
    """Most files are not there, and are not deleted for that."""
    git(path, "sparse-checkout", "set", "in")
    assert not (path / "out").exists()
    write(path / "in" / "a", "modified\n")
    write(path / "in" / "new", "new\n")
    return Must(unseen=("out/c", "out/d/e"))


# -- commits ---------------------------------------------------------------------------------------


@work
def commits_on_the_branch(path: Path) -> Must:
    """The worker's own branch has gone on."""
    return Must(commits=(commit(path, "on the branch", "x"),))


@work
def detached_head(path: Path) -> Must:
    """Commits that no branch has, and changes beside them."""
    git(path, "checkout", "-q", "--detach")
    loose = commit(path, "loose", "x")
    write(path / "loose", "modified\n")
    return Must(commits=(loose,))


@work
def another_branch(path: Path) -> Must:
    """A branch of the worker's own, and a tag on a commit that no branch has."""
    here = git(path, "rev-parse", "--abbrev-ref", "HEAD")
    name = f"mine-{path.name}"
    git(path, "switch", "-q", "-c", name)
    mine = commit(path, "mine", "x")
    git(path, "checkout", "-q", "--detach")
    tagged = commit(path, "tagged", "x")
    git(path, "tag", "-a", "-m", "a tag", f"tag-{name}")
    git(path, "switch", "-q", here)
    return Must(commits=(mine, tagged))


@work
def stashes(path: Path) -> Must:
    """Two, one of them with what was not tracked."""
    held = list[str]()
    for name in ("stashed first", "stashed second"):
        write(path / "one", f"{name}\n")
        write(path / name, name)
        git(path, "stash", "push", "-q", "--include-untracked", "--", "one", name)
        held.append(git(path, "rev-parse", "stash@{0}"))
    return Must(commits=tuple(held))


@work
def merge_under_way(path: Path) -> Must:
    """Every way in which two sides can differ, and some of it resolved."""
    here, start = git(path, "rev-parse", "--abbrev-ref", "HEAD"), git(path, "rev-parse", "HEAD")
    git(path, "checkout", "-q", "--detach")
    _side(path, "theirs")
    theirs = git(path, "rev-parse", "HEAD")
    git(path, "checkout", "-q", here)
    assert git(path, "rev-parse", "HEAD") == start
    _side(path, "ours")
    ours = git(path, "rev-parse", "HEAD")
    git(path, "merge", "-q", theirs, ok=False)
    assert git(path, "ls-files", "--unmerged")
    write(path / "two", "resolved, but not added\n")
    write(path / "three", "resolved\n")
    git(path, "add", "three")
    return Must(commits=(theirs, ours))


def _side(path: Path, side: str) -> None:
    for name in ("one", "two", "three", "on both"):
        write(path / name, f"{side}\n")
    git(path, "add", "-A", "--", "one", "two", "three", "on both")
    gone, changed = ("four", "script.sh") if side == "ours" else ("script.sh", "four")
    git(path, "rm", "-q", gone)
    write(path / changed, f"{side}\n")
    git(path, "add", changed)
    git(path, "commit", "-q", "-m", side)


@work
def rebase_under_way(path: Path) -> Must:
    """Some commits are done, one is in conflict, one is still to come."""
    here = git(path, "rev-parse", "--abbrev-ref", "HEAD")
    git(path, "checkout", "-q", "--detach")
    onto = commit(path, "one", "theirs\n")
    git(path, "checkout", "-q", here)
    commit(path, "done", "x")
    commit(path, "one", "ours\n")
    last = commit(path, "to come", "x")
    git(path, "rebase", "-q", onto, ok=False)
    return Must(commits=(onto, last, git(path, "rev-parse", "HEAD")))


@work
def worktree_of_its_own(path: Path) -> Must:
    """A worker made itself a work tree inside its own; commits there are on no branch."""
    git(path, "worktree", "add", "-q", "--detach", "aside")
    loose = commit(path / "aside", "aside", "x")
    write(path / "aside" / "one", "modified\n")
    return Must(commits=(loose,))


# -- repositories inside ---------------------------------------------------------------------------


@work
def nested_repositories(path: Path) -> Must:
    """With commits, changes and stashes of their own; one without any commit."""
    nested = path / "some" / "nested"
    nested.mkdir(parents=True)
    git(nested, "init", "-q", "-b", "main")
    commit(nested, "committed", "x")
    _own_dirt(nested, "committed")
    git(path, "init", "-q", "-b", "main", "fresh")
    write(path / "fresh" / "first", "first")
    return Must(repositories=("some/nested",))


@work
def repository_in_a_tracked_folder(path: Path) -> Must:
    """Made by mistake, perhaps; the outer one goes on tracking what it did."""
    inside = path / "in"
    git(inside, "init", "-q", "-b", "main")
    commit(inside, "a", "committed inside\n")
    write(inside / "new", "new\n")
    return Must(repositories=("in",))


def _own_dirt(folder: Path, tracked: str) -> None:
    """A stash, something staged, something modified, something new."""
    write(folder / tracked, "stashed\n")
    git(folder, "stash", "push", "-q")
    write(folder / tracked, "staged\n")
    git(folder, "add", tracked)
    write(folder / tracked, "modified\n")
    write(folder / "untracked", "untracked\n")


def _submodule(path: Path) -> Path:
    git(path, "-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init",
        "--recursive")  # fmt: skip
    return path / "sub"


@work
def submodule_changed(path: Path) -> Must:
    """A submodule with changes of every sort, and another one in it with the same."""
    folder = _submodule(path)
    _own_dirt(folder, "tracked")
    _own_dirt(folder / "deep", "tracked")
    return Must(repositories=("sub", "sub/deep"))


@work
def submodule_with_commits(path: Path) -> Must:
    """A submodule that has gone on, which its own repository has not heard of."""
    folder = _submodule(path)
    commit(folder, "in sub", "x")
    git(path, "commit", "-q", "-a", "-m", "the submodule has gone on")
    return Must(repositories=("sub",))


@work
def submodule_with_a_stash(path: Path) -> Must:
    """To look at it is clean."""
    folder = _submodule(path)
    write(folder / "tracked", "stashed\n")
    git(folder, "stash", "push", "-q")
    return Must(repositories=("sub",))


@work
def submodule_with_commits_aside(path: Path) -> Must:
    """In the submodule's own submodule, on a branch that is not checked out."""
    deep = _submodule(path) / "deep"
    git(deep, "checkout", "-q", "-b", "aside")
    commit(deep, "aside", "x")
    git(deep, "checkout", "-q", "--detach", "HEAD~1")
    return Must(repositories=("sub", "sub/deep"))


@work
def submodule_in_conflict(path: Path) -> Must:
    """Two sides of a merge want two commits of it."""
    here, folder = git(path, "rev-parse", "--abbrev-ref", "HEAD"), _submodule(path)
    git(path, "checkout", "-q", "--detach")
    sides = [_with_submodule_at(path, commit(folder, "theirs", "x"))]
    git(folder, "checkout", "-q", "HEAD~1")
    git(path, "checkout", "-q", here)
    sides.append(_with_submodule_at(path, commit(folder, "ours", "x")))
    git(path, "merge", "-q", sides[0], ok=False)
    assert "160000" in git(path, "ls-files", "--unmerged")
    return Must(commits=tuple(sides), repositories=("sub",))


def _with_submodule_at(path: Path, inner: str) -> str:
    git(path, "commit", "-q", "-a", "-m", f"sub at {inner}")
    return git(path, "rev-parse", "HEAD")


@work
def submodule_no_longer_tracked(path: Path) -> Must:
    """Its files are there, its history lies with the work tree's own, and no index tells of it."""
    commit(_submodule(path), "in sub", "x")
    git(path, "rm", "-q", "--cached", "sub")
    return Must(repositories=("sub",))


@work
def submodule_with_listed_files(path: Path) -> Must:
    """Ignored there, and on the list of what is kept."""
    write(_submodule(path) / ".env", "KEY=1\n")
    return Must(repositories=("sub",))
