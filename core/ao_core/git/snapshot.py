"""What a work tree holds that nothing else does, and its capture as git objects."""

import fnmatch
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from ao_core.git.archive import Item
from ao_core.git.repository import LONG, Change, Git
from ao_core.git.scratch import scratch

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
_GITLINK = "160000"
_LASTING = ("refs/heads", "refs/tags", "refs/remotes")
_BORROWED = ("refs/remotes/", "refs/ao/")  # of a repository of its own: not made there


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the index."""

    mode: str
    object: str
    stage: str
    path: str


@dataclass(frozen=True, slots=True)
class Risk:
    """What would go with the work tree: `loose` are commits no lasting ref holds."""

    head: str | None
    changed: bool
    loose: tuple[str, ...]
    items: tuple[Item, ...]
    doing: str = ""

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
    changes = await git.status()
    commits, doing = await _under_way(git)
    if head and await git.current_branch() is None:
        commits = {head, *commits}
    if keeper is not None:
        commits |= await _own(git) - await _kept(keeper)
    return Risk(
        head=head,
        changed=bool(changes) or await _hidden(git),
        loose=tuple([one for one in sorted(commits) if not await _lasts(git, one, keeper or git)]),
        items=await _items(git, changes, patterns),
        doing=doing,
    )


async def capture(git: Git) -> Trees:
    """Write work tree and index into the object store, byte for byte."""
    entries = await _index(git)
    async with scratch(git, git.path) as bare:
        work = await _write_work(git, bare, entries)
        index = await _write_index(bare, entries)
    return Trees(work, index)


async def _write_work(git: Git, bare: Git, entries: Sequence[Entry]) -> str:
    listed = await git.fields(
        "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate",
        deadline=LONG,
    )  # fmt: skip
    names = await anyio.to_thread.run_sync(_plain, git.path, listed)
    links = [one for one in entries if one.mode == _GITLINK and (git.path / one.path).is_dir()]
    lines = [f"{_GITLINK} {one.object} 0\t{one.path}" for one in links]
    await _feed(bare, lines, "--index-info")
    await _feed(bare, names, "--add", "--remove", "--stdin")
    return await bare.line("write-tree", "--missing-ok")


async def _write_index(bare: Git, entries: Sequence[Entry]) -> str:
    await bare.call("read-tree", "--empty")
    lines = [f"{one.mode} {one.object} 0\t{_place(one)}" for one in entries]
    await _feed(bare, lines, "--index-info")
    return await bare.line("write-tree", "--missing-ok")


async def _feed(bare: Git, names: Sequence[str], *how: str) -> None:
    data = b"".join(os.fsencode(name) + b"\0" for name in names)
    await bare.call("update-index", "-z", *how, stdin=data, deadline=LONG)


def _place(entry: Entry) -> str:
    # a conflict has up to three versions of a file, which a tree can only hold side by side
    return entry.path if entry.stage == "0" else f".ao-unmerged/{entry.stage}/{entry.path}"


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


async def _index(git: Git) -> tuple[Entry, ...]:
    lines = await git.fields("ls-files", "--stage", "-z")
    return tuple(_entry(line) for line in lines)


def _entry(line: str) -> Entry:
    facts, _, path = line.partition("\t")
    mode, name, stage = facts.split(" ")
    return Entry(mode, name, stage, path)


async def _hidden(git: Git) -> bool:
    """Whether files are there that git was told not to look at."""
    lines = await git.fields("ls-files", "-v", "-z")
    names = [line[2:] for line in lines if line[0] == "S" or line[0].islower()]
    return bool(names) and await _any(lambda name: os.path.lexists(git.path / name), names)


async def _any(holds: Callable[[str], bool], names: Sequence[str]) -> bool:
    return await anyio.to_thread.run_sync(lambda: any(map(holds, names)))


async def _under_way(git: Git) -> tuple[set[str], str]:
    """The commits that a merge or rebase under way has noted, and those of the tree's own refs."""
    folder = await git.git_dir()
    found = await anyio.to_thread.run_sync(_notes, folder)
    refs = await git.call(
        "for-each-ref", "--format=%(objectname)", "refs/worktree", "refs/rewritten", "refs/bisect"
    )
    commits = {one for text in found.values() for one in text.split()} | set(refs.text.split())
    doing = next((_UNDER_WAY[name] for name in found), "")
    return {one for one in commits if _COMMIT.fullmatch(one)}, doing


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


async def _items(git: Git, changes: Sequence[Change], patterns: Sequence[str]) -> tuple[Item, ...]:
    nested = [Item(one.path) for one in changes if one.code == "?" and one.path.endswith("/")]
    return (*nested, *await _ignored(git, patterns), *await _submodules(git, changes))


async def _ignored(git: Git, patterns: Sequence[str]) -> list[Item]:
    if not patterns:
        return []
    wanted = [f"--exclude={pattern}" for pattern in patterns]
    listed = await git.fields("ls-files", "-z", "--others", "--ignored", *wanted, deadline=LONG)
    shown = await git.fields("ls-files", "-z", "--others", "--exclude-standard", deadline=LONG)
    hidden = sorted(set(listed) - set(shown))
    matching = [name for name in hidden if _matches(name, patterns)]
    # a link holds no bytes of its own
    return [Item(name) for name in matching if not (git.path / name).is_symlink()]


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(os.path.basename(name), pattern) for pattern in patterns)


async def _submodules(git: Git, changes: Sequence[Change]) -> list[Item]:
    dirty = {one.path for one in changes if one.submodule}
    links = {one.path for one in await _index(git) if one.mode == _GITLINK}
    found = [await _submodule(git, path, path in dirty) for path in sorted(links)]
    return [item for item in found if item]


async def _submodule(git: Git, path: str, dirty: bool) -> Item | None:
    folder = git.path / path
    names = await anyio.to_thread.run_sync(_names, folder)
    if not names:
        return None
    if ".git" not in names:
        return Item(path)
    inner = Git(git.run, folder)
    own = ("--max-count=1", "HEAD", "--branches", "--not", "--remotes")
    unpushed = (await inner.attempt("rev-list", *own)).stdout
    if not (dirty or unpushed):
        return None
    linked = await anyio.Path(folder / ".git").is_file()
    return Item(path, await inner.git_dir() if linked else None)


def _names(folder: Path) -> set[str]:
    return set(os.listdir(folder)) if folder.is_dir() and not folder.is_symlink() else set()
