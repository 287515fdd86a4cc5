"""What a work tree holds that nothing else does, and its capture as git objects."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import anyio.to_thread

from ao_core.git.archive import Item
from ao_core.git.inside import items
from ao_core.git.repository import LONG, Git
from ao_core.git.scratch import scratch
from ao_core.git.staged import GITLINK, Entry, as_tree, entries, feed, unwatched

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_UNDER_WAY = {
    "MERGE_HEAD": "merge",
    "MERGE_AUTOSTASH": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "rebase-merge/orig-head": "rebase",
    "rebase-merge/stopped-sha": "rebase",
    "rebase-merge/autostash": "rebase",
    "rebase-apply/orig-head": "rebase",
    "rebase-apply/autostash": "rebase",
}
_LASTING = ("refs/heads", "refs/tags", "refs/remotes")
_BORROWED = ("refs/remotes/", "refs/ao/")  # of a repository of its own: not made there


@dataclass(frozen=True, slots=True)
class Risk:
    """What would go with the work tree: `loose` are commits no lasting ref holds.

    `doing` is what is under way, `merging` the other side of a merge.
    """

    head: str | None
    changed: bool
    loose: tuple[str, ...]
    items: tuple[Item, ...]
    doing: str = ""
    merging: str | None = None

    def __bool__(self) -> bool:
        return bool(self.changed or self.loose or self.items or self.doing)


@dataclass(frozen=True, slots=True)
class Trees:
    """Work tree and index as git objects."""

    work: str
    index: str


async def look(git: Git, patterns: Sequence[str], keeper: Git | None = None) -> Risk:
    """See what is at risk, without writing anything.

    `keeper` is the repository that stays, where the work tree's own goes with it.
    """
    head = await git.head()
    changes = await git.status(whole=True)
    commits, doing, merging = await _under_way(git)
    commits |= await _of_trees_inside(git, everywhere=keeper is not None)
    if head and await git.current_branch() is None:
        commits = {head, *commits}
    if keeper is not None:
        commits |= await _own(git) - await _kept(keeper)
    return Risk(
        head=head,
        changed=bool(changes) or await _hidden(git),
        loose=tuple([one for one in sorted(commits) if not await _lasts(git, one, keeper or git)]),
        items=await items(git, changes, await entries(git), patterns),
        doing=doing,
        merging=merging,
    )


async def capture(git: Git) -> Trees:
    """Write work tree and index into the object store, byte for byte."""
    found = await entries(git)
    async with scratch(git, git.path) as bare:
        work = await _write_work(git, bare, found)
        index = await as_tree(bare, found)
    return Trees(work, index)


async def _write_work(git: Git, bare: Git, found: Sequence[Entry]) -> str:
    listed = await git.fields(
        "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate",
        deadline=LONG,
    )  # fmt: skip
    names = await anyio.to_thread.run_sync(_plain, git.path, listed)
    links = [one for one in _one_of_each(found) if (git.path / one.path).is_dir()]
    left_out = set((await unwatched(git))[0])
    sparse = [one for one in found if one.path in left_out and one.mode != GITLINK]
    absent = await anyio.to_thread.run_sync(_absent, git.path, sparse)
    await feed(bare, [*links, *absent], "--index-info")
    await feed(bare, names, "--add", "--remove", "--stdin")
    return await bare.line("write-tree", "--missing-ok")


def _one_of_each(found: Sequence[Entry]) -> list[Entry]:
    """Every submodule once; of one in conflict, what this side has of it."""
    links = sorted((one for one in found if one.mode == GITLINK), key=lambda one: one.stage == "2")
    return [replace(one, stage="0") for one in {one.path: one for one in links}.values()]


def _absent(root: Path, sparse: Sequence[Entry]) -> list[Entry]:
    """Those for which nothing lies there, where nothing is in their way either."""
    free = dict[Path, bool]()

    def is_free(folder: Path) -> bool:
        if folder not in free:
            there = os.path.lexists(folder)
            plain = folder.is_dir() and not folder.is_symlink()
            free[folder] = folder == root or ((plain or not there) and is_free(folder.parent))
        return free[folder]

    return [
        one
        for one in sparse
        if not os.path.lexists(root / one.path) and is_free((root / one.path).parent)
    ]


def _plain(root: Path, listed: Sequence[str]) -> list[str]:
    """The files and links among the names git lists, none of them reached through a link."""
    real = os.path.realpath(root)
    folders = dict[str, bool]()
    names: list[str] = []
    for name in listed:
        folder = os.path.dirname(name)
        if folder not in folders:
            here = os.path.join(real, folder).rstrip("/")
            folders[folder] = os.path.realpath(here) == here
        full = os.path.join(real, name)
        is_folder = os.path.isdir(full) and not os.path.islink(full)
        if folders[folder] and os.path.lexists(full) and not is_folder:
            names.append(name)
    return names


async def _hidden(git: Git) -> bool:
    """Whether files are there that git was told not to look at."""
    left_out, trusted = await unwatched(git)
    names = [*left_out, *trusted]
    return bool(names) and await _any(lambda name: os.path.lexists(git.path / name), names)


async def _any(holds: Callable[[str], bool], names: Sequence[str]) -> bool:
    return await anyio.to_thread.run_sync(lambda: any(map(holds, names)))


async def _under_way(git: Git) -> tuple[set[str], str, str | None]:
    """The commits that a merge or rebase under way has noted, and those of the tree's own refs."""
    folder = await git.git_dir()
    found = await anyio.to_thread.run_sync(_notes, folder)
    refs = await git.call(
        "for-each-ref", "--format=%(objectname)", "refs/worktree", "refs/rewritten", "refs/bisect"
    )
    commits = {one for text in found.values() for one in text.split()} | set(refs.text.split())
    doing = next((_UNDER_WAY[name] for name in found), "")
    merging = found.get("MERGE_HEAD", "").strip()
    known = {one for one in commits if _COMMIT.fullmatch(one)}
    return known, doing, merging if merging in known else None


async def _of_trees_inside(git: Git, *, everywhere: bool) -> set[str]:
    """What is checked out, on no branch, in work trees that a worker made inside of its own.

    `everywhere`: wherever they are, since they hang on a repository that goes.
    """
    top = Path(await anyio.Path(git.path).resolve())
    others = [one for one in await git.worktrees() if one.path != top and not one.branch]
    there = [one for one in others if one.path.is_relative_to(top) and not one.prunable]
    inside = others if everywhere else there
    return {one.head for one in inside if one.head}


def _notes(folder: Path) -> dict[str, str]:
    paths = {name: folder / name for name in _UNDER_WAY}
    return {
        name: path.read_text(errors="replace")[:10_000]
        for name, path in paths.items()
        if path.is_file()
    }


async def _own(git: Git) -> set[str]:
    """Every commit that a repository of the work tree's own has a name for, or stashed."""
    named = await _named(git)
    stashed = await git.attempt("stash", "list", "--format=%H")
    ours = {one for ref, one in named if not ref.startswith(_BORROWED)}
    return ours | set(stashed.text.split())


async def _kept(keeper: Git) -> set[str]:
    return {one for ref, one in await _named(keeper) if ref.startswith(_LASTING)}


async def _named(git: Git) -> list[tuple[str, str]]:
    """Each ref that stands for a commit, perhaps by way of a tag, with that commit."""
    how = "%(refname) %(objecttype) %(objectname) %(*objecttype) %(*objectname)"
    lines = (await git.call("for-each-ref", f"--format={how}")).text.splitlines()
    facts = (line.split() for line in lines)
    return [(one[0], one[-1]) for one in facts if one[-2] == "commit"]


async def _lasts(git: Git, commit: str, keeper: Git) -> bool:
    done = await keeper.attempt(
        "for-each-ref", "--count=1", "--format=x", f"--contains={commit}", *_LASTING
    )
    # what is no commit, or is gone already, cannot be kept either
    return bool(done.stdout) or (done.status != 0 and await git.resolve(commit) is None)
