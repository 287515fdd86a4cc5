"""What others make of a pull request: its checks, its reviewers and its target."""

from dataclasses import dataclass

from ao_core.model.work import Check, ChecksSummary, Review, ReviewComment, ReviewDecision


@dataclass(frozen=True, slots=True)
class Judgement:
    """All of it, for one head. `reviews` has the latest of each reviewer; `comments` and
    `automated` are unresolved. None of `conflicts` is that the host does not know yet.
    """

    head: str
    checks: tuple[Check, ...] = ()
    decision: ReviewDecision = ReviewDecision.NONE
    reviews: tuple[Review, ...] = ()
    comments: tuple[ReviewComment, ...] = ()
    automated: tuple[ReviewComment, ...] = ()
    conflicts: bool | None = None
    files: tuple[str, ...] = ()
    mergeable: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """What of it was told, as far as it was clear: the same is told once.

    `head` is the commit whose checks came to an end; `failures` names those that failed on it.
    `remarks` and `automated` are short marks of what was said, `conflicts` is the commit that does.
    """

    head: str | None = None
    checks: ChecksSummary = ChecksSummary.NONE
    failures: tuple[str, ...] = ()
    decision: ReviewDecision = ReviewDecision.NONE
    remarks: tuple[str, ...] = ()
    automated: tuple[str, ...] = ()
    conflicts: str | None = None
