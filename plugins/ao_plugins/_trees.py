"""What is asked of git's list of work trees, for sessions' workspaces and for spares alike."""

import errno
import os
import shutil
from pathlib import Path

import anyio
import anyio.to_thread

from ao_core.errors import WrongState
from ao_core.files import in_our_words
from ao_core.git.answers import Registered
from ao_core.git.repository import LONG, Git

HALF_MADE = "initializing"  # git's own reason while it makes one
_TRIES = 5
HALF = ("--no-guess-remote", "--no-checkout", "--lock", "--reason", HALF_MADE)


async def gone(found: Registered) -> bool:
    """Whether its folder was taken away."""
    # git itself calls nothing that is locked prunable
    return not await anyio.Path(found.path / ".git").exists()


async def base_commit(git: Git, name: str) -> str:
    """The commit that a base stands for."""
    for ref in (f"refs/heads/{name}", f"refs/remotes/origin/{name}", name):
        if commit := await git.resolve(ref):
            return commit
    hint = "Name a branch or commit of this repository as base."
    raise WrongState(f"there is no branch or commit {name!r} to start from", hint=hint)


async def remove(git: Git, path: Path) -> None:
    """Take it off the disk and off git's list."""
    # twice: once for the lock, once for submodules and what is saved already
    await git.call("worktree", "remove", "--force", "--force", str(path), deadline=LONG)


async def remove_folder(git: Git, path: Path) -> None:
    """The same for what nobody has worked in; git forgets it only once its folder is gone.

    A git that has outlived its engine may still be writing there. `remove` would leave a folder
    that nobody knows of.
    """
    with in_our_words(path, "removed"):
        await anyio.to_thread.run_sync(_deleted, path)
    await remove(git, path)


def _deleted(path: Path) -> None:
    for _ in range(_TRIES):
        shutil.rmtree(path, ignore_errors=True)
        if not os.path.lexists(path):
            return
    raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
