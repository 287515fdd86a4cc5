"""A merge on GitHub: exactly this head, once, and what stands in its way in plain words.

https://docs.github.com/rest/pulls/pulls#merge-a-pull-request
"""

from http import HTTPStatus
from urllib.parse import quote

from pydantic import BaseModel

from ao_core.errors import Conflict, NotFound, Rejected, Unavailable
from ao_core.http import Urgency
from ao_core.model.work import (
    ChecksSummary,
    Landed,
    Landing,
    MergeMethod,
    Pull,
    ReviewDecision,
)
from ao_plugins._github.host import GitHub
from ao_plugins._github.said import Said

_BEHIND = "its branch is behind its target, which the branch's rules forbid"
_STATES = {
    "BEHIND": _BEHIND,
    "BLOCKED": "the rules of its target are not met",
}
_DECISIONS = {
    ReviewDecision.CHANGES_REQUESTED: "a review asks for changes",
    ReviewDecision.PENDING: "a review that it needs is missing",
}
_CHECKS = {
    ChecksSummary.FAILING: "checks fail",
    ChecksSummary.PENDING: "checks have not ended",
}


class _Merged(BaseModel):
    merged: bool
    sha: str | None = None


def blockers(said: Said, checks: ChecksSummary) -> tuple[str, ...]:
    """All that stands in the way of a merge; GitHub's own word comes last."""
    found = [
        "it is a draft" if said.is_draft else None,
        "it conflicts with its target" if said.conflicts else None,
        "GitHub has not found out yet whether it conflicts" if said.conflicts is None else None,
        "it waits in the merge queue" if said.is_in_merge_queue else None,
        _CHECKS.get(checks),
        _DECISIONS.get(said.decision()),
    ]
    known = [one for one in found if one]
    state = _STATES.get(said.merge_state_status)
    if state and (not known or said.merge_state_status == "BEHIND"):
        known.append(state)
    return tuple(known)


async def merged(github: GitHub, pull: Pull, method: MergeMethod, message: str | None) -> Landed:
    """Ask for it; raises where GitHub refuses for a reason of its own."""
    title, _, text = (message or "").partition("\n\n")
    body = {"sha": pull.head, "merge_method": str(method)}
    if title and method is not MergeMethod.REBASE:
        body |= {"commit_title": title, "commit_message": text.strip()}
    path = f"{github.path}/pulls/{pull.number}/merge"
    try:
        got = await github.rest.ask("PUT", path, into=_Merged, json=body, urgency=Urgency.ACT)
    except Rejected as exc:
        if exc.status == HTTPStatus.CONFLICT:
            hint = "Look at it again, then merge."
            raise Conflict(f"{pull.branch} has moved on", hint=hint) from exc
        return Landed(Landing.READY, blockers=(exc.said or exc.message,))
    if not got.merged:
        raise Unavailable(f"GitHub did not say that #{pull.number} is merged")
    return Landed(Landing.LANDED, got.sha)


async def without_branch(github: GitHub, pull: Pull) -> None:
    """Delete the branch of what is merged; that it is gone already is no fault."""
    path = f"{github.path}/git/refs/heads/{quote(pull.branch)}"
    try:
        await github.rest.call("DELETE", path)
    except (NotFound, Rejected):  # GitHub answers 422 for a branch that is not there
        return
