"""Moving a checkout forward with its branch.

Git reads a checkout's index before it locks it, and moves the branch after it has written it. So of
two that move one checkout at once, the slower writes over what the faster has put there, and only
then learns that the branch has moved: the faster one's files stand there as if somebody had deleted
them. Hence one of us moves at a time, and what git could not see through is taken back.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import anyio
import anyio.to_thread

from ao_core.files import try_lock
from ao_core.git.answers import Registered
from ao_core.git.repository import LONG, Git
from ao_core.process import Completed
from ao_core.redact import visible

LOCK = "ao-checkouts.lock"
PATIENCE = 30.0
_AGAIN = 0.02  # seconds; a lock's release cannot be awaited where the wait can be given up
_FILES_LIMIT = 20
_NAME_LIMIT = 200
_BRANCH_STAYED = b"update_ref failed for ref"


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


async def forward(git: Git, holder: Registered, branch: str, new: str, old: str) -> Move:
    """Move the checkout that holds `branch` from `old` to `new`, and the branch with it."""
    here = Git(git.run, holder.path, git.env, git.settings)
    with anyio.move_on_after(PATIENCE) as patience:
        async with _alone(await git.common_dir()):
            patience.deadline = float("inf")
            return await _forward(here, branch, new, old)
    return Move(Moved.HELD, (f"another engine has been at {branch} for {PATIENCE:g} s",))


async def _forward(here: Git, branch: str, new: str, old: str) -> Move:
    if await here.current_branch() != branch or await here.branch_tip(branch) != old:
        return Move(Moved.ELSEWHERE)
    done = await _fast_forward(here, new)
    tip = await here.branch_tip(branch)
    if tip == new or (done.status == 0 and tip and await here.is_ancestor(new, tip)):
        return Move(Moved.DONE)
    if _BRANCH_STAYED in done.stderr:
        await _take_back(here, new, old)
    if tip != old:
        return Move(Moved.ELSEWHERE)
    return Move(Moved.HELD, blockers(here.path, branch, done.stderr))


async def _fast_forward(here: Git, new: str) -> Completed:
    # without these git would stash local changes, or write over files it ignores
    how = ("--ff-only", "--no-autostash", "--no-overwrite-ignore", "--no-stat", "--quiet")
    return await here.attempt("merge", *how, new, deadline=LONG)


async def _take_back(here: Git, new: str, old: str) -> None:
    """The files were moved and the branch was not: they go back, then the index follows it."""
    await here.call("read-tree", "-m", "-u", new, old, deadline=LONG)
    await here.call("read-tree", "-m", old, "HEAD", deadline=LONG)
    await here.attempt("update-index", "-q", "--refresh", deadline=LONG)


@asynccontextmanager
async def _alone(common: Path) -> AsyncGenerator[None]:
    """While no other engine moves a checkout of this repository."""
    while (lock := await anyio.to_thread.run_sync(try_lock, common / LOCK)) is None:  # noqa: ASYNC110
        await anyio.sleep(_AGAIN)
    with lock:
        yield


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
