"""Bringing a worker's branch up to date with its base, in the worker's own clean workspace.

The result is computed aside, so a conflict has touched nothing; then one git command moves the
branch and its files together.
"""

from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from ao_core.errors import Conflict, WrongState
from ao_core.git.forwarding import Moved, blockers
from ao_core.git.joining import (
    Joined,
    Wish,
    combine,
    commit_of,
    message_of,
    replay,
    scratch_tree,
)
from ao_core.git.landing import advance
from ao_core.git.repository import LONG, Git
from ao_core.ids import SessionId
from ao_core.model.work import Landed, Landing, MergeMethod
from ao_core.process import Run
from ao_core.redact import visible

_UNDER_WAY = {
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "sequencer": "a cherry-pick",
    "BISECT_LOG": "a bisection",
}
_SHOWN = 10
_NAME_LIMIT = 200


@dataclass(frozen=True, slots=True)
class _Place:
    """A workspace that may be moved: its branch, and the commit it was found at."""

    git: Git
    branch: str
    head: str


async def bring_up_to_date(
    run: Run, folder: Path, base: str, *, scratch: Path, rebase: bool = False,
    session: SessionId | None = None,
) -> Landed:  # fmt: skip
    """Merge the base into the branch checked out in `folder`, or rebase that onto it."""
    place = await _place(Git(run, folder))
    git = place.git
    onto = await git.branch_tip(base) or await commit_of(git, base)
    if await git.is_ancestor(onto, place.head):
        return Landed(Landing.ALREADY, place.head)
    joined = await _join(place, onto, base, scratch, rebase=rebase, session=session)
    if joined.conflicts:
        return Landed(Landing.CONFLICT, conflicts=joined.conflicts)
    with anyio.CancelScope(shield=True):  # half of the files moved would be worse than none
        await (_replace if rebase else _forward)(place, joined.commit)
    return Landed(Landing.LANDED, joined.commit)


async def _place(git: Git) -> _Place:
    folder = await git.git_dir()
    doing = await anyio.to_thread.run_sync(_under_way, folder)
    if doing:
        raise WrongState(f"{git.path} is in the middle of {doing}", hint="Finish or abort it.")
    branch, head = await git.current_branch(), await git.head()
    if branch is None or head is None:
        raise WrongState(f"{git.path} has no branch checked out", hint="Check its branch out.")
    changed = [visible(change.path, _NAME_LIMIT) for change in await git.status()]
    if changed:
        shown = ", ".join(changed[:_SHOWN])
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        hint = "Commit or remove them, then try again."
        raise WrongState(f"{git.path} has changes that are not committed: {shown}{more}", hint=hint)
    return _Place(git.signed(await git.identity()), branch, head)


def _under_way(folder: Path) -> str:
    return next((doing for name, doing in _UNDER_WAY.items() if (folder / name).exists()), "")


async def _join(
    place: _Place, onto: str, base: str, scratch: Path, *, rebase: bool, session: SessionId | None
) -> Joined:
    git = place.git
    if await git.is_ancestor(place.head, onto):
        return Joined(onto)
    if rebase:
        async with scratch_tree(git, scratch, place.head) as aside:
            return await replay(aside, onto, session=session)
    message = message_of(f"Merge {base} into {place.branch}", session)
    wish = Wish(onto, MergeMethod.MERGE, message, await git.identity())
    return await combine(git, wish, place.head)


async def _forward(place: _Place, commit: str) -> None:
    move = await advance(place.git, place.branch, commit, place.head)
    if move.moved is Moved.HELD:
        raise _held(move.blockers)
    if move.moved is Moved.ELSEWHERE:
        raise _gone_on(place)


async def _replace(place: _Place, commit: str) -> None:
    git = place.git
    if (await git.current_branch(), await git.head()) != (place.branch, place.head):
        raise _gone_on(place)
    # branch, index and files in one command, which refuses to write over anything, ignored or not
    how = ("--quiet", "--no-track", "--no-recurse-submodules", "--no-overwrite-ignore")
    done = await git.attempt("checkout", *how, "-B", place.branch, commit, deadline=LONG)
    if done.status != 0:
        raise _held(blockers(git.path, place.branch, done.stderr))


def _held(why: tuple[str, ...]) -> WrongState:
    return WrongState("; ".join(why), hint="Clear the way, then try again.")


def _gone_on(place: _Place) -> Conflict:
    return Conflict(f"{place.branch} has moved on", hint="Look at it again, then try once more.")
