"""A merge on GitHub: exactly this head, once, and what stands in its way in plain words.

https://docs.github.com/rest/pulls/pulls#merge-a-pull-request
"""

from collections.abc import Container
from http import HTTPStatus

from pydantic import BaseModel

from ao_core.errors import Conflict, Rejected, Unavailable
from ao_core.http import Urgency
from ao_core.model.work import ChecksSummary, Landed, Landing, MergeMethod, ReviewDecision
from ao_plugins._github import documents
from ao_plugins._github.host import GitHub
from ao_plugins._github.said import Said
from ao_plugins._github.seen import Seen
from ao_plugins._unchecked import UNCHECKED

CONFLICTS = "it conflicts with its target"
_REQUIRED = "a review that it needs is missing"
_UNKNOWN = "GitHub has not found out yet whether it conflicts"
_PENDING = "checks have not ended"
_BEHIND = "its branch is behind its target, which the branch's rules forbid"
_WAITING = frozenset({_UNKNOWN, _PENDING, _BEHIND, UNCHECKED})
QUEUED = "it waits in the merge queue, and GitHub merges it when its turn comes"
_HANDED_OVER = "GitHub merges it as soon as its checks and reviews allow"
_STATES = {"BEHIND": _BEHIND, "BLOCKED": "the rules of its target are not met"}
_CHECKS = {ChecksSummary.FAILING: "checks fail", ChecksSummary.PENDING: _PENDING}


class _Commit(BaseModel):
    sha: str


class _Made(BaseModel):
    parents: tuple[_Commit, ...]


class _Merged(BaseModel):
    merged: bool
    sha: str | None = None


def blockers(said: Said, checks: ChecksSummary, bots: Container[str] = ()) -> tuple[str, ...]:
    """All that stands in the way of a merge; GitHub's own word only where we know no reason."""
    found = [
        "it is a draft" if said.is_draft else None,
        CONFLICTS if said.conflicts else None,
        _UNKNOWN if said.conflicts is None else None,
        QUEUED if said.is_in_merge_queue else None,
        _CHECKS.get(checks),
        _asked(said, bots),
    ]
    known = [one for one in found if one]
    state = _STATES.get(said.merge_state_status)
    if state and (not known or state is _BEHIND):
        known.append(state)
    return tuple(known)


def is_waiting(found: tuple[str, ...]) -> bool:
    """Whether time alone, or its target brought into it, takes all of that away."""
    return bool(found) and _WAITING.issuperset(found)


def is_for_github(said: Said, found: tuple[str, ...]) -> bool:
    """Whether GitHub can wait by itself: for checks, and only where its rules require them."""
    return found == (_PENDING,) and said.merge_state_status == "BLOCKED"


def is_behind(found: tuple[str, ...]) -> bool:
    """Whether its target has to be brought into it."""
    return _BEHIND in found


def _asked(said: Said, bots: Container[str]) -> str | None:
    if said.decision(bots) is ReviewDecision.CHANGES_REQUESTED:
        return "a review asks for changes"
    return _REQUIRED if said.review_decision == "REVIEW_REQUIRED" else None


def moved_on(seen: Seen) -> Conflict:
    """It is another commit than the one that was looked at."""
    return Conflict(f"{seen.head_ref_name} has moved on", hint="Look at it again, then merge.")


async def merged(github: GitHub, seen: Seen, method: MergeMethod, message: str | None) -> Landed:
    """Ask for it; what GitHub refuses for a reason of its own is told as a blocker."""
    if seen.is_merge_queue_enabled:
        return await _enqueued(github, seen)
    body = {"sha": seen.head_ref_oid, "merge_method": str(method), **_titled(message, method)}
    path = f"{github.path}/pulls/{seen.number}/merge"
    try:
        got = await github.rest.ask("PUT", path, into=_Merged, json=body, urgency=Urgency.ACT)
    except Rejected as exc:
        if exc.status == HTTPStatus.CONFLICT:
            raise moved_on(seen) from exc
        return Landed(Landing.READY, blockers=(exc.said or exc.message,))
    if not got.merged:
        raise Unavailable(f"GitHub did not say that #{seen.number} is merged")
    return Landed(Landing.LANDED, got.sha)


async def _enqueued(github: GitHub, seen: Seen) -> Landed:
    if not seen.is_in_merge_queue:
        given = {"id": seen.id, "head": seen.head_ref_oid}
        try:
            await github.graph.ask(documents.ENQUEUE, given, into=object)
        except Rejected as exc:
            return Landed(Landing.READY, blockers=(exc.said or exc.message,))
    return queued()


def queued() -> Landed:
    """It has its place in the merge queue."""
    return Landed(Landing.READY, blockers=(QUEUED,), promised=True)


async def handed_over(
    github: GitHub, seen: Seen, method: MergeMethod, message: str | None
) -> Landed:
    """Have GitHub merge it by itself as soon as it can be."""
    if seen.auto_merge_request is None:
        told = _titled(message, method)
        given = {
            "id": seen.id, "head": seen.head_ref_oid, "method": method.upper(),
            "title": told.get("commit_title"), "text": told.get("commit_message"),
        }  # fmt: skip
        try:
            await github.graph.ask(documents.AUTO_MERGE, given, into=object)
        except Rejected as exc:
            return Landed(Landing.READY, blockers=(_PENDING, exc.said or exc.message))
    return Landed(Landing.READY, blockers=(_HANDED_OVER,), promised=True)


def _titled(message: str | None, method: MergeMethod) -> dict[str, str]:
    title, _, text = (message or "").partition("\n\n")
    if not title or method is MergeMethod.REBASE:
        return {}
    return {"commit_title": title, "commit_message": text.strip()}


async def is_next(github: GitHub, before: str, head: str) -> bool:
    """Whether a head is that one with something merged into it, and nothing besides."""
    made = await github.rest.ask("GET", f"{github.path}/git/commits/{head}", into=_Made)
    first, *others = [one.sha for one in made.parents] or [head]
    return first == before and len(others) == 1


async def without_branch(github: GitHub, repository: str, seen: Seen) -> None:
    """Delete the branch of what is merged, unless somebody has pushed to it since."""
    given = {
        "repository": repository, "ref": f"refs/heads/{seen.head_ref_name}",
        "head": seen.head_ref_oid,
    }  # fmt: skip
    await github.graph.ask(documents.DELETE_BRANCH, given, into=object)
