"""What git would not keep of a work tree: ignored files on a list, and repositories inside it."""

import fnmatch
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import anyio
import anyio.to_thread

from ao_core.git.answers import Change
from ao_core.git.archive import Item, history_in
from ao_core.git.repository import LONG, Git
from ao_core.git.staged import GITLINK, Entry, entries
from ao_core.process import Run

_LEFT = ".ao/modules"  # where it lies in the archive


async def items(
    git: Git, changes: Sequence[Change], found: Sequence[Entry], patterns: Sequence[str]
) -> tuple[Item, ...]:
    """All of it, as it goes into an archive."""
    histories = Path(await anyio.Path(await git.git_dir() / "modules").resolve())
    nested = [one.path for one in changes if one.code == "?" and one.path.endswith("/")]
    hosts = await anyio.to_thread.run_sync(_hosts, git.path, found)
    apart = [Item(path, history_in(histories, git.path / path)) for path in (*nested, *hosts)]
    dirty = {one.path for one in changes if one.submodule}
    links = sorted({one.path for one in found if one.mode == GITLINK})
    modules = [await _submodule(git, path, path in dirty, patterns) for path in links]
    listed = [Item(name) for name in await _listed(git, patterns)]
    seen = {history_in(histories, git.path / path) for path in (*nested, *hosts, *links)}
    left = await _left(git.run, histories, seen)
    return (*apart, *listed, *(one for one in modules if one), *left)


async def _left(run: Run, histories: Path, seen: Collection[Path | None]) -> list[Item]:
    """The history of submodules whose folder is gone, if it holds what their remotes have not."""
    every = await anyio.to_thread.run_sync(list, _histories(histories))
    left = [one for one in every if one not in seen and await _any_own(run, one)]
    return [Item(f"{_LEFT}/{one.relative_to(histories)}", one) for one in left]


def _histories(folder: Path) -> Iterator[Path]:
    """The outermost repositories in a folder that holds nothing else."""
    for place, folders, names in os.walk(folder):
        if "HEAD" in names and "objects" in folders:
            folders.clear()
            yield Path(place)


async def _any_own(run: Run, history: Path) -> bool:
    every = [history, *await anyio.to_thread.run_sync(list, _histories(history / "modules"))]
    return any([await _is_ahead(Git(run, one, _bare(one))) for one in every])


def _bare(history: Path) -> dict[str, str]:
    # its configuration names a work tree that is not there
    return {"GIT_DIR": str(history), "GIT_WORK_TREE": str(history)}


async def _is_ahead(inner: Git) -> bool:
    """Whether it has commits that its remotes have not; or cannot say so."""
    own = ("--max-count=1", "HEAD", "--branches", "--glob=refs/stash*", "--not", "--remotes")
    done = await inner.attempt("rev-list", *own)
    return bool(done.stdout) or done.status != 0


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
    if await _is_ahead(inner) or await _listed(inner, patterns):
        return True
    links = [one.path for one in await entries(inner) if one.mode == GITLINK]
    for path in links:
        if await _submodule(inner, path, False, patterns):
            return True
    return False


def _names(folder: Path) -> set[str]:
    return set(os.listdir(folder)) if folder.is_dir() and not folder.is_symlink() else set()
