"""Reviews and comments on lines: https://docs.github.com/rest/pulls/reviews"""

from typing import Any

from standins.github.records import Pull, Review, ReviewComment, Thread
from standins.github.rest import Answer, Asked, answers, found, of_id
from standins.github.reviews import State
from standins.github.state import Refused

_STATES: dict[str, State] = {
    "APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"
}  # fmt: skip


@answers("pulls/list-reviews")
def listed(asked: Asked) -> Answer:
    mine = [one for one in asked.pull.reviews if one.state != "PENDING" or one.author is asked.by]
    return Answer(200, [asked.telling.review(one) for one in asked.page_of(mine)])


@answers("pulls/get-review")
def shown(asked: Asked) -> Answer:
    return Answer(200, asked.telling.review(_review(asked)))


@answers("pulls/create-review")
def created(asked: Asked) -> Answer:
    event, body = asked.given("event"), asked.given("body") or ""
    if event in ("REQUEST_CHANGES", "COMMENT") and not (body or asked.given("comments")):
        raise Refused(422, "Unprocessable Entity", {"said": "Review body can't be blank"})
    state: State = _STATES[event] if event else "PENDING"
    made = asked.world.review(
        asked.pull, state, body, author=asked.by, sha=asked.given("commit_id")
    )
    for one in asked.given("comments", []):
        asked.world.thread(
            asked.pull, one["path"], one.get("line"), one["body"], author=asked.by, review=made
        )
    return Answer(200, asked.telling.review(made))


@answers("pulls/submit-review")
def submitted(asked: Asked) -> Answer:
    review = _review(asked)
    if review.state != "PENDING":
        raise Refused(422, "Unprocessable Entity", {"said": "Could not submit the review"})
    review.state = _STATES[asked.given("event")]
    review.body = asked.given("body") or review.body
    review.submitted_at = asked.world.moment()
    asked.world.submitted(review)
    return Answer(200, asked.telling.review(review))


@answers("pulls/dismiss-review")
def dismissed(asked: Asked) -> Answer:
    review = _review(asked)
    if review.state not in ("APPROVED", "CHANGES_REQUESTED"):
        raise Refused(
            422,
            "Unprocessable Entity",
            {"said": f"Can not dismiss a {review.state.lower()} pull request review"},
        )
    asked.world.dismiss(review, asked.by)
    return Answer(200, asked.telling.review(review))


@answers("pulls/list-review-comments")
def comments(asked: Asked) -> Answer:
    return _comments(asked, [asked.pull])


@answers("pulls/list-review-comments-for-repo")
def all_comments(asked: Asked) -> Answer:
    return _comments(asked, list(asked.at.pulls.values()))


@answers("pulls/list-comments-for-review")
def comments_of_review(asked: Asked) -> Answer:
    review = _review(asked)
    kept = [one for one in _said(asked.pull) if one.review is review]
    return Answer(200, [asked.telling.review_comment(one) for one in asked.page_of(kept)])


@answers("pulls/create-review-comment")
def commented(asked: Asked) -> Answer:
    if before := asked.given("in_reply_to"):
        return _replied(asked, str(before))
    if found(asked.at.bare.find(asked.given("commit_id"))) and asked.given("line") is None:
        raise Refused(422, "Validation Failed", _missing("line"))
    thread = asked.world.thread(
        asked.pull, asked.given("path"), asked.given("line"), asked.given("body"), author=asked.by,
        start_line=asked.given("start_line"), side=asked.given("side", "RIGHT"),
        sha=asked.given("commit_id"),
    )  # fmt: skip
    return Answer(201, asked.telling.review_comment(thread.comments[0]))


@answers("pulls/create-reply-for-review-comment")
def replied(asked: Asked) -> Answer:
    return _replied(asked, asked.path["comment_id"])


@answers("pulls/get-review-comment")
def comment(asked: Asked) -> Answer:
    return Answer(200, asked.telling.review_comment(_comment(asked)))


@answers("pulls/update-review-comment")
def recommented(asked: Asked) -> Answer:
    one = _comment(asked)
    one.body, one.updated_at = asked.given("body"), asked.world.moment()
    return Answer(200, asked.telling.review_comment(one))


def _replied(asked: Asked, to: str) -> Answer:
    """Only the first comment of a conversation can be replied to."""
    thread = found(next((one for one in asked.pull.threads if _begins(one, to)), None))
    made = asked.world.reply(thread, asked.given("body"), asked.by)
    return Answer(201, asked.telling.review_comment(made))


def _begins(thread: Thread, comment: str) -> bool:
    return thread.comments[0].id == int(comment)


def _comments(asked: Asked, pulls: list[Pull]) -> Answer:
    since = asked.query.get("since", "")
    kept = [one for pull in pulls for one in _said(pull) if one.updated_at >= since]
    by_update = asked.query.get("sort") == "updated"
    kept.sort(
        key=lambda one: (one.updated_at if by_update else "", one.id),
        reverse=asked.query.get("direction") == "desc",
    )
    return Answer(200, [asked.telling.review_comment(one) for one in asked.page_of(kept)])


def _said(pull: Pull) -> list[ReviewComment]:
    every = [one for thread in pull.threads for one in thread.comments]
    return sorted(every, key=lambda one: one.id)


def _comment(asked: Asked) -> ReviewComment:
    every = [one for pull in asked.at.pulls.values() for one in _said(pull)]
    return of_id(every, asked.path["comment_id"])


def _review(asked: Asked) -> Review:
    return of_id(asked.pull.reviews, asked.path["review_id"])


def _missing(field: str) -> dict[str, Any]:
    return {"resource": "PullRequestReviewComment", "field": field, "code": "missing_field"}
