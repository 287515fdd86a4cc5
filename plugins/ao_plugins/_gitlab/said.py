"""What people make of a merge request: approvals, reviewers and threads.

https://docs.gitlab.com/api/merge_request_approvals/
https://docs.gitlab.com/api/discussions/#merge-requests
"""

from dataclasses import dataclass
from datetime import datetime

from ao_core.model.work import Review, ReviewComment, ReviewDecision, ReviewState
from ao_core.redact import visible
from ao_plugins._conversation import conversation
from ao_plugins._gitlab.seen import Seen
from ao_plugins._gitlab.shape import Person, Shape

_NAME, _BODY = 200, 8_000
_NOBODY = "somebody who is no longer there"
_STATES = {
    "requested_changes": ReviewState.CHANGES_REQUESTED,
    "reviewed": ReviewState.COMMENTED,
    "unapproved": ReviewState.DISMISSED,
}
_SILENT = frozenset({"unreviewed", "review_started"})


class Approval(Shape):
    """One approval; older ones have no time."""

    user: Person
    approved_at: datetime | None = None


class Approvals(Shape):
    """All of them, and how many are left where a rule asks for any."""

    approvals_required: int | None = None
    approvals_left: int | None = None
    approved_by: tuple[Approval, ...] = ()


class Reviewer(Shape):
    """Somebody who was asked for a review, and what came of it."""

    user: Person | None = None
    state: str
    created_at: datetime


class Position(Shape):
    """A place in the diff."""

    new_path: str | None = None
    old_path: str | None = None
    new_line: int | None = None
    old_line: int | None = None


class Remark(Shape):
    """One remark of a thread."""

    id: int
    body: str
    author: Person | None = None
    system: bool = False
    resolvable: bool = False
    resolved: bool | None = None
    created_at: datetime | None = None
    position: Position | None = None


class Thread(Shape):
    """A thread; its id is what it is answered and settled by."""

    id: str
    notes: tuple[Remark, ...]

    @property
    def is_open(self) -> bool:
        """Whether somebody has to settle it."""
        return any(one.resolvable and not one.resolved for one in self.notes)

    @property
    def said(self) -> tuple[Remark, ...]:
        """Without what GitLab itself has noted."""
        return tuple(one for one in self.notes if not one.system) or self.notes

    def comment(self, page: str, own: int | None = None) -> ReviewComment:
        """All that is said there, as one; `own` is who signs in."""
        first, *rest = self.said
        others = [one for one in rest if own and not (one.author and one.author.id == own)]
        at = first.position or Position()
        path = at.new_path or at.old_path
        return ReviewComment(
            id=self.id,
            author=_who(first.author),
            body=conversation(first.body, [(_who(one.author), one.body) for one in rest], _BODY),
            path=visible(path, _NAME) if path else None,
            line=at.new_line or at.old_line,
            url=f"{page}#note_{first.id}",
            last=str((others or [first])[-1].id),
        )


@dataclass(frozen=True, slots=True)
class Said:
    """All that is said of one merge request; the threads that are open, by who began them."""

    approvals: Approvals = Approvals()  # noqa: RUF009 - it cannot be changed
    reviewers: tuple[Reviewer, ...] = ()
    comments: tuple[ReviewComment, ...] = ()
    automated: tuple[ReviewComment, ...] = ()

    def reviews(self, seen: Seen) -> tuple[Review, ...]:
        """The latest word of everybody, oldest first."""
        asked = {one.user.id: one for one in self.reviewers if one.user}
        found = [
            Review(_who(one.user), ReviewState.APPROVED, "", _at(one, asked, seen))
            for one in self.approvals.approved_by
        ]
        approvers = {one.user.id for one in self.approvals.approved_by}
        found += [
            Review(_who(one.user), _STATES[one.state], "", one.created_at)
            for one in self.reviewers
            if one.state in _STATES and not (one.user and one.user.id in approvers)
        ]
        return tuple(sorted(found, key=lambda one: one.at))

    def decision(self, seen: Seen) -> ReviewDecision:
        """Approved is only what has an approval, and of which no rule asks for another."""
        given, word = self.approvals, seen.detailed_merge_status
        states = {one.state for one in self.reviewers}
        if "requested_changes" in states or word == "requested_changes":
            return ReviewDecision.CHANGES_REQUESTED
        if given.approvals_left or word in ("not_approved", "approvals_syncing"):
            return ReviewDecision.PENDING
        if given.approved_by:
            return ReviewDecision.APPROVED
        waits = bool(given.approvals_required) or bool(states & _SILENT)
        return ReviewDecision.PENDING if waits else ReviewDecision.NONE


def _at(one: Approval, asked: dict[int, Reviewer], seen: Seen) -> datetime:
    known = asked.get(one.user.id)
    return one.approved_at or (known.created_at if known else seen.created_at)


def _who(person: Person | None) -> str:
    return visible(person.username, _NAME) if person else _NOBODY
