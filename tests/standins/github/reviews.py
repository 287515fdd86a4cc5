"""What reviewers make of a pull request."""

from typing import Literal

from standins.git import GitRefused
from standins.github.checks import Checks
from standins.github.records import Pull, Review, ReviewComment, Thread, User
from standins.github.state import Refused

State = Literal["PENDING", "COMMENTED", "APPROVED", "CHANGES_REQUESTED", "DISMISSED"]
Decision = Literal["APPROVED", "CHANGES_REQUESTED", "REVIEW_REQUIRED"]
_OPINIONS = ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")


class Reviews(Checks):
    """Reviews, the threads that they open, and what they come to."""

    def review(
        self, pull: Pull, state: State = "APPROVED", body: str = "", *,
        author: User | None = None, sha: str | None = None,
    ) -> Review:  # fmt: skip
        """A review; nobody approves of their own work."""
        by, now = author or self.reviewer, self.moment()
        if by is pull.author and state in ("APPROVED", "CHANGES_REQUESTED"):
            verb = "approve" if state == "APPROVED" else "request changes on"
            raise Refused(
                422,
                "Unprocessable Entity",
                {"said": f"Review Can not {verb} your own pull request"},
            )
        made = Review(
            id=self.next_id(), pull_request=pull, author=by, body=body, state=state,
            sha=sha or pull.head_sha, created_at=now, updated_at=now,
            submitted_at=None if state == "PENDING" else now,
        )  # fmt: skip
        pull.reviews.append(self.kept(made))
        pull.reviewers = [one for one in pull.reviewers if one is not by]
        if state != "PENDING":
            self.submitted(made)
        return made

    def submitted(self, review: Review) -> None:
        """It is out."""
        pull = review.pull_request
        pull.updated_at = self.moment()
        about = {"pull_request": pull, "review": review}
        self.tell("pull_request_review", "submitted", pull.repository, review.author, **about)
        self.heard_of(pull.repository, pull.head_sha)

    def dismiss(self, review: Review, by: User | None = None) -> None:
        """What it says counts no longer."""
        review.state, pull = "DISMISSED", review.pull_request
        about = {"pull_request": pull, "review": review}
        self.tell("pull_request_review", "dismissed", pull.repository, by or self.person, **about)

    def thread(
        self, pull: Pull, path: str, line: int | None, body: str, *, author: User | None = None,
        start_line: int | None = None, side: Literal["LEFT", "RIGHT"] = "RIGHT",
        sha: str | None = None, review: Review | None = None,
    ) -> Thread:  # fmt: skip
        """A comment on a line, and with it a conversation."""
        by, sha = author or self.reviewer, sha or pull.head_sha
        review = review or self.review(pull, "COMMENTED", author=by, sha=sha)
        made = Thread(
            id=self.next_id(), pull_request=pull, path=path, line=line, start_line=start_line,
            side=side, sha=sha,
        )  # fmt: skip
        pull.threads.append(self.kept(made))
        self._spoke(made, body, by, review)
        return made

    def reply(self, thread: Thread, body: str, author: User | None = None) -> ReviewComment:
        """One more comment in a conversation."""
        by = author or self.reviewer
        review = self.review(thread.pull_request, "COMMENTED", author=by)
        return self._spoke(thread, body, by, review)

    def resolve(self, thread: Thread, by: User | None = None) -> None:
        """The conversation is over."""
        thread.resolved_by = by or self.person
        self._settled(thread, "resolved", thread.resolved_by)

    def unresolve(self, thread: Thread, by: User | None = None) -> None:
        """It is not over."""
        thread.resolved_by = None
        self._settled(thread, "unresolved", by or self.person)

    def ask(self, pull: Pull, reviewers: list[User], by: User | None = None) -> None:
        """Ask for their review."""
        for one in reviewers:
            if one not in pull.reviewers:
                pull.reviewers.append(one)
                self.touched(pull, "review_requested", by or self.person, requested_reviewer=one)

    def unask(self, pull: Pull, reviewers: list[User], by: User | None = None) -> None:
        """Ask for it no longer."""
        for one in reviewers:
            if one in pull.reviewers:
                pull.reviewers.remove(one)
                self.touched(
                    pull, "review_request_removed", by or self.person, requested_reviewer=one
                )

    # -- what it comes to ------------------------------------------------------------------------

    def opinions(self, pull: Pull) -> list[Review]:
        """The last review of each reviewer that holds an opinion."""
        found = {one.author: one for one in pull.reviews if one.state in _OPINIONS}
        return [one for one in found.values() if one.state != "DISMISSED"]

    def latest_reviews(self, pull: Pull) -> list[Review]:
        """The last review of each reviewer, whatever it says."""
        found = {one.author: one for one in pull.reviews if one.state != "PENDING"}
        return list(found.values())

    def decision(self, pull: Pull) -> Decision | None:
        """None where the branch asks for no review, whatever reviewers say, as on the host."""
        if not (needed := pull.repository.protection(pull.base).reviews):
            return None
        said = [one.state for one in self.opinions(pull)]
        if "CHANGES_REQUESTED" in said:
            return "CHANGES_REQUESTED"
        return "APPROVED" if said.count("APPROVED") >= needed else "REVIEW_REQUIRED"

    def outdated(self, thread: Thread) -> bool:
        """Whether the file is another than when the conversation began."""
        pull = thread.pull_request
        try:
            between = (thread.sha, pull.head_sha, "--", thread.path)
            pull.repository.bare.git("diff", "--quiet", *between)
        except GitRefused:
            return True
        return False

    def _spoke(self, thread: Thread, body: str, by: User, review: Review) -> ReviewComment:
        pull, now = thread.pull_request, self.moment()
        made = ReviewComment(
            id=self.next_id(), thread=thread, review=review, author=by, body=body,
            sha=pull.head_sha, created_at=now, updated_at=now,
            reply_to=thread.comments[0] if thread.comments else None,
        )  # fmt: skip
        thread.comments.append(self.kept(made))
        pull.updated_at = now
        about = {"pull_request": pull, "review_comment": made}
        self.tell("pull_request_review_comment", "created", pull.repository, by, **about)
        return made

    def _settled(self, thread: Thread, action: str, by: User) -> None:
        pull = thread.pull_request
        about = {"pull_request": pull, "thread": thread}
        self.tell("pull_request_review_thread", action, pull.repository, by, **about)
        self.heard_of(pull.repository, pull.head_sha)
