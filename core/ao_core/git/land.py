"""Merge one branch into a target: predict, compute the result aside, move the target once.

No hook runs, nothing is forced, and a commit made meanwhile by somebody else makes us compute
again.
"""

from dataclasses import dataclass
from pathlib import Path

from ao_core.git.joining import (
    Joined,
    Wish,
    combine,
    commit_of,
    merge_tree,
    message_of,
    replay,
    scratch_tree,
    target_tip,
)
from ao_core.git.landing import TRIES, deliver
from ao_core.git.repository import Git, Identity
from ao_core.ids import HomeId, SessionId, branch_name, train_ref
from ao_core.model.work import Landed, Landing, MergeMethod
from ao_core.process import Run


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a merge would meet; `already` says that there is nothing left to merge."""

    conflicts: tuple[str, ...] = ()
    already: bool = False


async def predict(run: Run, repository: Path, target: str, head: str) -> Prediction:
    """Merge in memory only: which files would be in conflict."""
    git = Git(run, repository)
    onto, commit = await target_tip(git, target), await commit_of(git, head)
    if await git.is_ancestor(commit, onto):
        return Prediction(already=True)
    _, conflicts = await merge_tree(git, onto, commit)
    return Prediction(conflicts)


async def land(
    run: Run, repository: Path, *, target: str, head: str, method: MergeMethod, message: str,
    home: HomeId, train_id: str, scratch: Path, author: Identity | None = None,
    session: SessionId | None = None,
) -> Landed:  # fmt: skip
    """Bring exactly the commit `head` into the branch `target`, or say what blocks it."""
    git = Git(run, repository)
    committer = await git.identity()
    git = git.signed(committer)
    text = message_of(message, session)
    commit = await commit_of(git, head)
    wish = Wish(commit, method, text, author or committer)
    kept, branch = train_ref(home, train_id), branch_name(target)
    for _ in range(TRIES):
        landed = await _once(git, wish, branch, scratch, kept, session)
        if landed is not None:
            return landed
    return Landed(Landing.READY, blockers=(f"{target} keeps moving; try again",))


async def _once(
    git: Git, wish: Wish, target: str, scratch: Path, kept: str, session: SessionId | None
) -> Landed | None:
    """One attempt; None when the target moved meanwhile."""
    onto = await target_tip(git, target)
    if await git.is_ancestor(wish.head, onto):
        return Landed(Landing.ALREADY, onto)
    joined = await _join(git, wish, onto, scratch, session)
    if joined.conflicts:
        return Landed(Landing.CONFLICT, conflicts=joined.conflicts)
    if joined.commit == onto:
        return Landed(Landing.ALREADY, onto)
    return await deliver(git, target, joined.commit, onto, kept)


async def _join(
    git: Git, wish: Wish, onto: str, scratch: Path, session: SessionId | None
) -> Joined:
    if wish.method is not MergeMethod.REBASE:
        return await combine(git, wish, onto)
    async with scratch_tree(git, scratch, wish.head) as aside:
        return await replay(aside, onto, session=session)
