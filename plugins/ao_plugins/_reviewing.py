"""What the reviews of a pull request amount to. A review holds for the commit it was made on."""

from collections.abc import Sequence

from ao_core.model.work import Review, ReviewComment, ReviewDecision, ReviewState
from ao_plugins._pull_record import PullRecord, RemarkRecord, ReviewRecord

KEPT = 100  # reviews of one pull request
_DECIDING = frozenset({ReviewState.APPROVED, ReviewState.CHANGES_REQUESTED})


def decision(record: PullRecord) -> ReviewDecision:
    """The last word of each reviewer on the last commit; who wants changes outweighs the others."""
    words = {one.author: one.state for one in _current(record) if one.state in _DECIDING}
    if ReviewState.CHANGES_REQUESTED in words.values():
        return ReviewDecision.CHANGES_REQUESTED
    return ReviewDecision.APPROVED if words else ReviewDecision.NONE


def reviews(record: PullRecord) -> tuple[Review, ...]:
    """Every review that is kept, oldest first."""
    return tuple(Review(one.author, one.state, one.body, one.at) for one in record.reviews)


def pending(record: PullRecord) -> tuple[ReviewComment, ...]:
    """The remarks on the last commit, except of those who have approved it since."""
    found: list[ReviewComment] = []
    for place, one in enumerate(record.reviews):
        later = record.reviews[place + 1 :]
        approved = any(_approves(other, one) for other in later)
        if one.head == record.head and not approved:
            found += _comments(record.number, place, one)
    return tuple(found)


def reviewed(
    record: PullRecord, head: str, review: Review, remarks: Sequence[ReviewComment]
) -> PullRecord:
    """The record with one review more; the very same one again changes nothing."""
    said = tuple(RemarkRecord(path=one.path, line=one.line, body=one.body) for one in remarks)
    new = ReviewRecord(
        author=review.author, state=review.state, body=review.body, at=review.at, head=head,
        remarks=said,
    )  # fmt: skip
    last = record.reviews[-1:]
    if last and last[0].model_copy(update={"at": new.at}) == new:
        return record
    return record.model_copy(update={"reviews": (*record.reviews, new)[-KEPT:]})


def _current(record: PullRecord) -> list[ReviewRecord]:
    return [one for one in record.reviews if one.head == record.head]


def _approves(other: ReviewRecord, one: ReviewRecord) -> bool:
    same = (other.author, other.head) == (one.author, one.head)
    return same and other.state is ReviewState.APPROVED


def _comments(number: int, place: int, review: ReviewRecord) -> list[ReviewComment]:
    return [
        ReviewComment(f"{number}.{place}.{count}", review.author, one.body, one.path, one.line)
        for count, one in enumerate(review.remarks)
    ]
