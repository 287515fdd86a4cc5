"""Moving a branch to a finished result, once, and never by force."""

import os
from pathlib import Path

import anyio
import anyio.to_thread

from ao_core.errors import Conflict
from ao_core.git.forwarding import Move, Moved, forward
from ao_core.git.repository import NOTHING, Git
from ao_core.model.work import Landed, Landing
from ao_core.redact import visible

TRIES = 3  # how often a result is computed anew because the branch moved meanwhile
_NAME_LIMIT = 200
# during these no work tree has the branch checked out, but git will come back to it
_UNDER_WAY = {
    "rebase-merge/head-name": "a rebase",
    "rebase-merge/update-refs": "a rebase",
    "rebase-apply/head-name": "a rebase",
    "BISECT_START": "a bisection",
}


async def deliver(git: Git, branch: str, new: str, old: str, kept: str) -> Landed | None:
    """Move the branch to a result, or keep that under the ref `kept`; None where it has moved."""
    # an interrupted git would leave half of the files of somebody's checkout moved
    with anyio.CancelScope(shield=True):
        move = await advance(git, branch, new, old)
        if move.moved is Moved.DONE:
            return Landed(Landing.LANDED, new)
        if move.moved is Moved.ELSEWHERE:
            return None
        await git.update_ref(kept, new, await git.resolve(kept) or NOTHING)
        return Landed(Landing.READY, new, kept, blockers=move.blockers)


async def advance(git: Git, branch: str, new: str, old: str) -> Move:
    """Move `branch` from `old` to `new`, through the checkout that holds it if there is one."""
    holder = await git.checked_out_at(branch)
    if holder is not None and not holder.prunable:
        return await forward(git, holder, branch, new, old)
    common = await git.common_dir()
    busy = await anyio.to_thread.run_sync(_busy, common, branch)
    if busy:
        return Move(Moved.HELD, (f"{branch} is in the middle of {busy}",))
    try:
        await git.update_ref(f"refs/heads/{branch}", new, old)
    except Conflict:
        if await git.branch_tip(branch) == old:
            raise
        return Move(Moved.ELSEWHERE)
    return Move(Moved.DONE)


def _busy(common: Path, branch: str) -> str:
    """What is under way with a branch in any work tree, and where."""
    for own in (common, *common.glob("worktrees/*")):
        for name, doing in _UNDER_WAY.items():
            if (own / name).is_file() and _names(own / name, branch):
                place = _read(own / "gitdir") if own != common else str(common)
                return f"{doing} at {visible(place.strip().removesuffix('/.git'), _NAME_LIMIT)}"
    return ""


def _names(note: Path, branch: str) -> bool:
    return not {branch, f"refs/heads/{branch}"}.isdisjoint(_read(note).splitlines())


def _read(note: Path) -> str:
    try:
        return os.fsdecode(note.read_bytes())
    except FileNotFoundError:
        return ""  # it has just ended
