"""A branch of a clone and the same branch of the project's repository, brought together.

The clone's is taken over only from where it was left, or where it contains what was done to the
other since. The project's base comes the other way, so that a worker can follow it.
"""

import os
from pathlib import Path

from ao_core.errors import Conflict, WrongState
from ao_core.git.bring import bring, tips
from ao_core.git.repository import NOTHING, Git

REMOTE = "project"  # what the clone calls the project's repository
COLLECTED = "refs/ao/collected"  # where the branch was left in the project's repository
_TRIES = 3
_KEPT = "Nothing is lost: merge what is there into the worker's branch, or end the worker."


def signature(clone: Path, repository: Path, branch: str, base: str) -> object:
    """What changes whenever there may be something to bring over; None where files do not tell."""
    heads, theirs = clone / ".git" / "refs" / "heads", repository / ".git"
    own = _stamp(heads / branch)
    places = (f"refs/heads/{branch}", f"refs/heads/{base}", "packed-refs")
    return (own, *(_stamp(theirs / place) for place in places)) if own else None


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns


async def exchange(here: Git, there: Git, branch: str, base: str) -> None:
    """Bring over what is new. `here` is the clone; two calls of git where nothing is."""
    for attempt in range(_TRIES):
        try:
            await _once(here, there, branch, base)
            return
        except Conflict:  # somebody was faster; perhaps another look of ours
            if attempt == _TRIES - 1:
                raise


async def _once(here: Git, there: Git, branch: str, base: str) -> None:
    ref, onto, followed = f"refs/heads/{branch}", f"refs/heads/{base}", f"refs/remotes/{REMOTE}"
    ours = await tips(here, ref, COLLECTED, f"{followed}/{base}")
    theirs = await tips(there, ref, onto)
    new, left = ours.get(ref), ours.get(COLLECTED)
    if new and new != theirs.get(ref):
        await _require_left(here, there, branch, new, theirs.get(ref), left)
        await bring(there, here.path, new)
        await there.update_ref(ref, new, theirs[ref])
    if new and new != left:
        await here.update_ref(COLLECTED, new, left or NOTHING)
    if theirs.get(onto) not in (None, ours.get(f"{followed}/{base}")):
        await _follow(here, there, onto, f"{followed}/{base}")


async def _require_left(
    here: Git, there: Git, branch: str, new: str, found: str | None, left: str | None
) -> None:
    """Refuse where somebody else has moved the branch, or has it checked out."""
    if found is None:
        raise WrongState(f"branch {branch} was deleted in {there.path}", hint=_KEPT)
    if found != left and not await _contains(here, new, found, left):
        raise WrongState(f"somebody else has moved branch {branch} in {there.path}", hint=_KEPT)
    holder = await there.checked_out_at(branch)
    if holder is not None and not holder.prunable:
        hint = "Switch that checkout to another branch; the commits follow at the next look."
        raise WrongState(f"branch {branch} is checked out at {holder.path}", hint=hint)


async def _contains(here: Git, new: str, found: str, left: str | None) -> bool:
    """Whether what was added there is part of the clone's branch; taken back is not added."""
    if await here.resolve(found) is None or not await here.is_ancestor(found, new):
        return False
    known = left is not None and await here.resolve(left) is not None
    return not (known and left and await here.is_ancestor(found, left))


async def _follow(here: Git, there: Git, onto: str, followed: str) -> None:
    await bring(here, there.path, f"+{onto}:{followed}")
    # not where it is checked out, nor over commits of the worker's own
    held = await here.checked_out_at(onto.removeprefix("refs/heads/"))
    at = (await tips(here, onto)).get(onto)
    if held is None and at and await here.is_ancestor(at, followed):
        await here.update_ref(onto, await here.line("rev-parse", followed), at)
