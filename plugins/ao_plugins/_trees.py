"""What is asked of git's list of work trees, for sessions' workspaces and for spares alike."""

from pathlib import Path

import anyio

from ao_core.errors import WrongState
from ao_core.git.answers import Registered
from ao_core.git.repository import LONG, Git

HALF_MADE = "initializing"  # git's own reason while it makes one
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
