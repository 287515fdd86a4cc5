"""What a workspace has of the main checkout beside what git brings: links to it, and copies.

Nothing is put over what is there already, nothing is reached through a link that leads out, and
what git would show of it is kept out of its sight. So doing it again only adds what is missing.
"""

import logging
import os
import secrets
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from anyio import to_thread

from ao_core.errors import AoError, ConfigError, WrongState
from ao_core.files import in_our_words
from ao_core.git.exclude import hide
from ao_core.git.repository import LONG, Git

INCLUDES = ".worktreeinclude"
MOST_FILES = 5_000
MOST_BYTES = 256 * 1024 * 1024
_LIST_LIMIT = 64 * 1024
_PRIVATE = {".git", ".ao"}

_log = logging.getLogger(__name__)


def private_folder(workspace: Path) -> Path:
    """Our own folder in a workspace, which git does not see."""
    folder = workspace / ".ao"
    if folder.is_symlink():
        raise WrongState(f"{folder} is a link", hint="Remove it from the repository.")
    with in_our_words(folder, "made"):
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


# -- links -----------------------------------------------------------------------------------------


async def link(git: Git, main: Path, names: Sequence[str], *, again: bool) -> None:
    """Link these paths of the main checkout; `again`, what the worker has there by now stays."""
    plain = [str(PurePosixPath(name.replace("\\", "/"))) for name in names]
    tracked = [name for name in plain if await _is_tracked(git, name)]
    if tracked and not again:
        raise _bad(tracked[0], "git tracks it in the workspace", "A link would change the work.")
    wanted = [name for name in plain if name not in tracked]
    for name in wanted:
        await to_thread.run_sync(_link, main, git.path, name)
    await hide(git, wanted)


async def _is_tracked(git: Git, name: str) -> bool:
    done = await git.call("ls-files", "-z", "--cached", "--", f":(literal){name}")
    return bool(done.stdout)


def _link(main: Path, workspace: Path, name: str) -> None:
    source, target = main / name, workspace / name
    if not _PRIVATE.isdisjoint(part.lower() for part in Path(name).parts):
        raise _bad(name, "it is git's own, or ours", "Name another path.")
    if not source.exists():
        _log.info("%s is not there to be linked", source)
        return
    real = source.resolve()
    if not real.is_relative_to(main.resolve()):
        raise _bad(name, "it leads out of the main checkout", "Name a path that lies in it.")
    if workspace.resolve().is_relative_to(real):
        raise _bad(name, "the workspaces lie in it", "Name a smaller part of it.")
    if os.path.lexists(target):
        return
    _make_parents(workspace, name)
    with in_our_words(target, "linked"):
        target.symlink_to(main.absolute() / name, target_is_directory=source.is_dir())


def _make_parents(workspace: Path, name: str) -> None:
    folder = workspace
    for part in Path(name).parent.parts:
        folder /= part
        if folder.is_symlink():
            raise _bad(name, f"{folder} is a link", "What lies behind a link is left alone.")
        with in_our_words(folder, "made"):
            folder.mkdir(exist_ok=True)


def _bad(name: str, why: str, hint: str) -> ConfigError:
    return ConfigError(f"{name!a} cannot be had in a workspace: {why}", hint=hint)


# -- copies ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Found:
    """A file to copy, and where its bytes are."""

    name: str
    source: Path
    size: int
    mode: int


async def include(git: Git, main: Git) -> None:
    """Copy what git ignores in the main checkout and its `.worktreeinclude` names."""
    listed = main.path / INCLUDES
    if not await to_thread.run_sync(_is_list, listed):
        return
    names = await _matching(main, listed)
    found = await to_thread.run_sync(_measured, main.path, names)
    for one in found:
        await to_thread.run_sync(_copy, git.path, one)
    await hide(git, [one.name for one in found])


def _is_list(path: Path) -> bool:
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(facts.st_mode):
        raise ConfigError(f"{path} is not a plain file", hint="Write the patterns into it.")
    if facts.st_size > _LIST_LIMIT:
        raise ConfigError(f"{path} is larger than {_LIST_LIMIT} bytes", hint="Shorten it.")
    return True


async def _matching(main: Git, listed: Path) -> list[str]:
    """The ignored files that match; repositories inside the repository are nobody's to copy."""
    how = ("ls-files", "-z", "--others", "--ignored", f"--exclude-from={listed}")
    names = [name for name in await main.fields(*how, deadline=LONG) if not name.endswith("/")]
    if not names:
        return []
    data = b"".join(os.fsencode(name) + b"\0" for name in names)
    asked = ("check-ignore", "-z", "--stdin")
    ignored = await main.call(*asked, stdin=data, ok=(0, 1), deadline=LONG)
    return [os.fsdecode(name) for name in ignored.stdout.split(b"\0") if name]


def _measured(main: Path, names: Sequence[str]) -> list[_Found]:
    looked = [_look(main, name) for name in names]
    found = [one for one in looked if one is not None]
    size = sum(one.size for one in found)
    if len(found) > MOST_FILES or size > MOST_BYTES:
        raise ConfigError(
            f"{INCLUDES} matches {len(found)} files of {size} bytes;"
            f" at most {MOST_FILES} files of {MOST_BYTES} bytes are copied",
            hint="Name fewer, or link whole folders with `symlinks`.",
        )
    return found


def _look(main: Path, name: str) -> _Found | None:
    """A plain file, or a link to one in the main checkout."""
    source = main / name
    real = source.resolve()
    if not real.is_relative_to(main.resolve()) or not real.is_file():
        _log.info("%s is not copied: it is no file of the main checkout", source)
        return None
    facts = real.stat()
    return _Found(name, real, facts.st_size, stat.S_IMODE(facts.st_mode) & 0o777)


def _copy(workspace: Path, found: _Found) -> None:
    target = workspace / found.name
    if os.path.lexists(target):
        return
    try:
        _make_parents(workspace, found.name)
    except AoError as exc:  # the work has something else there
        _log.info("%s is not copied: %s", found.name, exc.message)
        return
    draft = private_folder(workspace) / f"copy-{secrets.token_hex(8)}"
    with in_our_words(target, "copied"):
        try:
            shutil.copyfile(found.source, draft, follow_symlinks=False)
            draft.chmod(found.mode)
            draft.rename(target)
        finally:
            draft.unlink(missing_ok=True)
