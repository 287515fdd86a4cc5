"""All that others say of a pull request."""

from collections.abc import Container, Iterable
from datetime import datetime
from typing import Annotated

from pydantic import Field

from ao_core.model.work import Review, ReviewComment, ReviewDecision, ReviewState
from ao_core.redact import visible
from ao_plugins._conversation import conversation
from ao_plugins._github.checks import CheckRollup
from ao_plugins._github.seen import Seen
from ao_plugins._github.shape import Shape, Total

NAME, BODY = 200, 8_000
NOBODY = "somebody who is no longer there"
REVIEWS = {
    "APPROVED": ReviewState.APPROVED,
    "CHANGES_REQUESTED": ReviewState.CHANGES_REQUESTED,
    "DISMISSED": ReviewState.DISMISSED,
}
_TWICE = ("head_ref_oid", "review_decision", "is_draft", "is_in_merge_queue")
_DECISIONS = {
    "APPROVED": ReviewDecision.APPROVED,
    "CHANGES_REQUESTED": ReviewDecision.CHANGES_REQUESTED,
    "REVIEW_REQUIRED": ReviewDecision.PENDING,
}


class Author(Shape):
    """Who said something; a bot is told by its type."""

    typename: Annotated[str, Field(alias="__typename")] = "User"
    login: str

    def is_one_of(self, bots: Container[str]) -> bool:
        """Whether it is a program, by what GitHub says or by being one of these."""
        return self.typename == "Bot" or self.login.endswith("[bot]") or self.login in bots


class SubmittedReview(Shape):
    """One review."""

    author: Author | None = None
    state: str
    body: str
    submitted_at: datetime | None = None

    def review(self) -> Review | None:
        """In our words; one that was not submitted is nobody's business."""
        if self.submitted_at is None:
            return None
        state = REVIEWS.get(self.state, ReviewState.COMMENTED)
        return Review(_who(self.author), state, visible(self.body, BODY), self.submitted_at)


class Remark(Shape):
    """One remark of a thread."""

    id: str
    author: Author | None = None
    body: str
    url: str
    viewer_did_author: bool


class Remarks(Shape):
    """The remarks of a thread, oldest first; of very many the latest."""

    nodes: tuple[Remark, ...]


class Thread(Shape):
    """What is said of one place in the diff."""

    id: str
    is_resolved: bool
    path: str
    line: int | None = None
    original_line: int | None = None
    comments: Remarks

    def is_automated(self, bots: Container[str]) -> bool:
        """Whether a program began it."""
        first = self.comments.nodes[0].author if self.comments.nodes else None
        return first is not None and first.is_one_of(bots)

    def comment(self) -> ReviewComment | None:
        """All that is said there, as one; its id is the thread's, by which it is answered."""
        if not self.comments.nodes:
            return None
        first, *rest = self.comments.nodes
        others = [one for one in self.comments.nodes if not one.viewer_did_author]
        return ReviewComment(
            id=self.id,
            author=_who(first.author),
            body=conversation(first.body, [(_who(one.author), one.body) for one in rest], BODY),
            path=visible(self.path, NAME),
            line=self.line or self.original_line,
            url=first.url,
            last=(others or [first])[-1].id,
        )


class Reviews(Shape):
    """The latest of each who may write here, if it approves or asks for changes."""

    nodes: tuple[SubmittedReview, ...]


class Threads(Shape):
    """The threads."""

    nodes: tuple[Thread, ...]


class Said(Shape):
    """All that others say of a pull request."""

    head_ref_oid: str
    mergeable: str
    merge_state_status: str
    review_decision: str | None = None
    is_draft: bool
    is_in_merge_queue: bool = False
    review_requests: Total | None = None
    latest_opinionated_reviews: Reviews | None = None
    review_threads: Threads
    status_check_rollup: CheckRollup | None = None

    def reviews(self, bots: Container[str] = ()) -> tuple[Review, ...]:
        """Of people, oldest first."""
        nodes = self.latest_opinionated_reviews.nodes if self.latest_opinionated_reviews else ()
        people = (one for one in nodes if not (one.author and one.author.is_one_of(bots)))
        said = [review for one in people if (review := one.review())]
        return tuple(sorted(said, key=lambda one: one.at))

    def decision(self, bots: Container[str] = ()) -> ReviewDecision:
        """What the branch's rules make of them; without rules, what people's amount to."""
        known = _DECISIONS.get(self.review_decision or "")
        asked = bool(self.review_requests and self.review_requests.total_count)
        return known or decided((one.state for one in self.reviews(bots)), asked=asked)

    def remarks(self, *, automated: bool, bots: Container[str] = ()) -> tuple[ReviewComment, ...]:
        """Those that are not resolved."""
        left = [one for one in self.review_threads.nodes if not one.is_resolved]
        told = [one.comment() for one in left if one.is_automated(bots) is automated]
        return tuple(one for one in told if one)

    def beside(self, seen: Seen) -> "Said | None":
        """With whether it can be merged as a later look has it; None if it is not of the same."""
        if any(getattr(self, name) != getattr(seen, name) for name in _TWICE):
            return None
        later = {"mergeable": seen.mergeable, "merge_state_status": seen.merge_state_status}
        return self.model_copy(update=later)

    @property
    def conflicts(self) -> bool | None:
        """None as long as GitHub has not looked."""
        return {"MERGEABLE": False, "CONFLICTING": True}.get(self.mergeable)


def decided(states: Iterable[ReviewState], *, asked: bool) -> ReviewDecision:
    """What the latest words of all reviewers amount to; `asked`: some have said nothing yet."""
    said = set(states)
    if ReviewState.CHANGES_REQUESTED in said:
        return ReviewDecision.CHANGES_REQUESTED
    if ReviewState.APPROVED in said:
        return ReviewDecision.APPROVED
    return ReviewDecision.PENDING if asked else ReviewDecision.NONE


def _who(author: Author | None) -> str:
    return visible(author.login, NAME) if author else NOBODY
