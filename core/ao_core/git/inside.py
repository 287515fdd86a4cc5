"""What git would not keep of a work tree: ignored files on a list, and repositories inside it."""

import fnmatch
import os
from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.to_thread

from ao_core.git.answers import Change
from ao_core.git.archive import Item
from ao_core.git.repository import LONG, Git
from ao_core.git.staged import GITLINK, Entry, entries


async def items(
    git: Git, changes: Sequence[Change], found: Sequence[Entry], patterns: Sequence[str]
) -> tuple[Item, ...]:
    """All of it, as it goes into an archive."""
    nested = [Item(one.path) for one in changes if one.code == "?" and one.path.endswith("/")]
    hosts = await anyio.to_thread.run_sync(_hosts, git.path, found)
    dirty = {one.path for one in changes if one.submodule}
    links = sorted({one.path for one in found if one.mode == GITLINK})
    modules = [await _submodule(git, path, path in dirty, patterns) for path in links]
    listed = [Item(name) for name in await _listed(git, patterns)]
    return (*nested, *map(Item, hosts), *listed, *(one for one in modules if one))


def _hosts(root: Path, found: Sequence[Entry]) -> list[str]:
    """Folders of tracked files in which somebody made a repository, the outermost of them."""
    real, folders = os.path.realpath(root), set[str]()
    for one in found:
        folder = os.path.dirname(one.path)
        while folder and folder not in folders:
            folders.add(folder)
            folder = os.path.dirname(folder)
    hosts = list[str]()
    for folder in sorted(folders):
        here = os.path.join(real, folder)
        inside = any(folder.startswith(f"{host}/") for host in hosts)
        if not inside and os.path.lexists(f"{here}/.git") and os.path.realpath(here) == here:
            hosts.append(folder)
    return hosts


async def _listed(git: Git, patterns: Sequence[str]) -> list[str]:
    if not patterns:
        return []
    wanted = [f"--exclude={pattern}" for pattern in patterns]
    listed = await git.fields("ls-files", "-z", "--others", "--ignored", *wanted, deadline=LONG)
    shown = await git.fields("ls-files", "-z", "--others", "--exclude-standard", deadline=LONG)
    hidden = sorted(set(listed) - set(shown))
    matching = [name for name in hidden if _matches(name, patterns)]
    # a link holds no bytes of its own
    return [name for name in matching if not (git.path / name).is_symlink()]


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(os.path.basename(name), pattern) for pattern in patterns)


async def _submodule(git: Git, path: str, dirty: bool, patterns: Sequence[str]) -> Item | None:
    folder = git.path / path
    names = await anyio.to_thread.run_sync(_names, folder)
    if not names:
        return None
    if ".git" not in names:
        return Item(path)
    inner = Git(git.run, folder)
    if not (dirty or await _has_own(inner, patterns)):
        return None
    linked = await anyio.Path(folder / ".git").is_file()
    return Item(path, await inner.git_dir() if linked else None)


async def _has_own(inner: Git, patterns: Sequence[str]) -> bool:
    """Whether a submodule that looks clean, or one in it, holds what its remotes have not."""
    own = ("--max-count=1", "HEAD", "--branches", "--glob=refs/stash*", "--not", "--remotes")
    if (await inner.attempt("rev-list", *own)).stdout or await _listed(inner, patterns):
        return True
    links = [one.path for one in await entries(inner) if one.mode == GITLINK]
    for path in links:
        if await _submodule(inner, path, False, patterns):
            return True
    return False


def _names(folder: Path) -> set[str]:
    return set(os.listdir(folder)) if folder.is_dir() and not folder.is_symlink() else set()
