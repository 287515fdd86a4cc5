"""Moving a branch to a finished result, once, and never by force."""

import os
from dataclasses import dataclass
from enum import StrEnum

from ao_core.errors import Conflict
from ao_core.git.repository import LONG, Git, Registered
from ao_core.redact import visible

_FILES_LIMIT = 20
_NAME_LIMIT = 200


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


async def advance(git: Git, branch: str, new: str, old: str) -> Move:
    """Move `branch` from `old` to `new`, through the checkout that holds it if there is one."""
    holder = await git.checked_out_at(branch)
    if holder is not None and not holder.prunable:
        return await _forward(git, holder, branch, new, old)
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
    return Move(Moved.HELD, _blockers(holder, branch, done.stderr))


def _blockers(holder: Registered, branch: str, stderr: bytes) -> tuple[str, ...]:
    where = f"{branch} is checked out at {holder.path}"
    lines = os.fsdecode(stderr).splitlines()
    files = [visible(line.strip(), _NAME_LIMIT) for line in lines if line.startswith("\t")]
    if files:
        shown = tuple(f"{file} has changes there that are not committed" for file in files)
        more = len(files) - _FILES_LIMIT
        rest = (f"{more} more files have such changes",) if more > 0 else ()
        return (where, *shown[:_FILES_LIMIT], *rest)
    complaint = next((line for line in lines if line.strip()), "git gave no reason")
    return (where, f"git refused: {visible(complaint.strip(), _NAME_LIMIT)}")
