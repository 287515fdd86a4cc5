"""Moving a branch to a finished result, once, and never by force."""

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import anyio
import anyio.to_thread

from ao_core.errors import Conflict
from ao_core.git.repository import LONG, NOTHING, Git, Registered
from ao_core.model.work import Landed, Landing
from ao_core.redact import visible

TRIES = 3  # how often a result is computed anew because the branch moved meanwhile
_FILES_LIMIT = 20
_NAME_LIMIT = 200
# during these no work tree has the branch checked out, but git will come back to it
_UNDER_WAY = {
    "rebase-merge/head-name": "a rebase",
    "rebase-merge/update-refs": "a rebase",
    "rebase-apply/head-name": "a rebase",
    "BISECT_START": "a bisection",
}


class Moved(StrEnum):
    """How an attempt to move a branch ended."""

    DONE = "done"
    ELSEWHERE = "elsewhere"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Move:
    """The end of one attempt; `blockers` says what held the branch."""

    moved: Moved
    blockers: tuple[str, ...] = ()


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
        return await _forward(git, holder, branch, new, old)
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


async def _forward(git: Git, holder: Registered, branch: str, new: str, old: str) -> Move:
    here = Git(git.run, holder.path, git.env, git.settings)
    if await here.current_branch() != branch:
        return Move(Moved.ELSEWHERE)
    # without these git would stash local changes, or write over files it ignores
    how = ("--ff-only", "--no-autostash", "--no-overwrite-ignore", "--no-stat", "--quiet")
    done = await here.attempt("merge", *how, new, deadline=LONG)
    tip = await git.branch_tip(branch)
    if tip == new or (done.status == 0 and tip and await git.is_ancestor(new, tip)):
        return Move(Moved.DONE)
    if tip != old:
        return Move(Moved.ELSEWHERE)
    return Move(Moved.HELD, blockers(holder.path, branch, done.stderr))


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


def blockers(folder: Path, branch: str, stderr: bytes) -> tuple[str, ...]:
    """What git complained of when it refused to move the files of a checkout."""
    where = f"{branch} is checked out at {folder}"
    lines = os.fsdecode(stderr).splitlines()
    files = [visible(line.strip(), _NAME_LIMIT) for line in lines if line.startswith("\t")]
    if files:
        shown = tuple(f"{file} has changes there that are not committed" for file in files)
        more = len(files) - _FILES_LIMIT
        rest = (f"{more} more files have such changes",) if more > 0 else ()
        return (where, *shown[:_FILES_LIMIT], *rest)
    complaint = next((line for line in lines if line.strip()), "git gave no reason")
    return (where, f"git refused: {visible(complaint.strip(), _NAME_LIMIT)}")
