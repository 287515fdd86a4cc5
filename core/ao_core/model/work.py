"""Issues and pull requests: the work, as trackers and forges describe it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class IssueState(StrEnum):
    """The states every tracker can be mapped to."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    CLOSED = "closed"
    CANCELLED = "cancelled"


COMPLETED = frozenset({IssueState.CLOSED, IssueState.CANCELLED})


@dataclass(frozen=True, slots=True)
class Issue:
    """One piece of work. Title and body come from outside and stay data.

    `relations` are lines on what it is a part of, and what its parts are, where that is told.
    """

    id: str
    title: str
    body: str
    state: IssueState
    url: str
    labels: tuple[str, ...] = ()
    assignee: str | None = None
    priority: str | None = None
    branch_name: str | None = None
    updated_at: datetime | None = None
    relations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IssueQuery:
    """Which issues to list. Those last touched before `since` may be left out."""

    states: frozenset[IssueState] = frozenset({IssueState.OPEN, IssueState.IN_PROGRESS})
    labels: tuple[str, ...] = ()
    assignee: str | None = None
    text: str | None = None
    limit: int = 50
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class IssueDraft:
    """An issue to be created."""

    title: str
    body: str = ""
    labels: tuple[str, ...] = ()
    assignee: str | None = None


@dataclass(frozen=True, slots=True)
class IssueChange:
    """What to change on an issue; None leaves a field alone."""

    state: IssueState | None = None
    add_labels: tuple[str, ...] = ()
    remove_labels: tuple[str, ...] = ()
    assignee: str | None = None
    comment: str | None = None
    title: str | None = None
    body: str | None = None


class PullState(StrEnum):
    """What became of a pull request."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Pull:
    """One pull request, identified by number and bound to one head commit."""

    number: int
    title: str
    url: str
    branch: str
    base: str
    head: str
    state: PullState
    draft: bool = False
    additions: int | None = None
    deletions: int | None = None
    merged_as: str | None = None
    foreign: bool = False  # its branch is in another repository


class CheckState(StrEnum):
    """How one check stands."""

    PENDING = "pending"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One check on one commit."""

    name: str
    state: CheckState
    url: str | None = None
    detail: str | None = None


class ChecksSummary(StrEnum):
    """All checks together. No checks is not the same as passing."""

    NONE = "none"
    PENDING = "pending"
    PASSING = "passing"
    FAILING = "failing"


def summarise(checks: tuple[Check, ...]) -> ChecksSummary:
    """One word for all checks."""
    states = {check.state for check in checks} - {CheckState.SKIPPED}
    if CheckState.FAILED in states:
        return ChecksSummary.FAILING
    if states & {CheckState.PENDING, CheckState.RUNNING}:
        return ChecksSummary.PENDING
    return ChecksSummary.PASSING if states else ChecksSummary.NONE


class ReviewState(StrEnum):
    """What one reviewer said."""

    APPROVED = "approved"
    CHANGES_REQUESTED = "changes_requested"
    COMMENTED = "commented"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class Review:
    """One review by one person."""

    author: str
    state: ReviewState
    body: str
    at: datetime


class ReviewDecision(StrEnum):
    """What the reviews amount to."""

    APPROVED = "approved"
    CHANGES_REQUESTED = "changes_requested"
    PENDING = "pending"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ReviewComment:
    """One remark on the diff, human or automated.

    `last` is the latest word in its thread that is not by whoever signs in.
    """

    id: str
    author: str
    body: str
    path: str | None = None
    line: int | None = None
    url: str | None = None
    last: str | None = None


@dataclass(frozen=True, slots=True)
class Mergeability:
    """Whether a pull request may be merged, and what stands in its way.

    `files` are those in conflict, where the host tells. `waiting`: only time stands in the way, and
    `behind`: its target has moved on, and must be in it. `promised`: the host merges it by itself.
    """

    mergeable: bool
    checks: ChecksSummary
    decision: ReviewDecision
    conflicts: bool | None
    blockers: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    waiting: bool = False
    behind: bool = False
    promised: bool = False


class MergeMethod(StrEnum):
    """How work reaches its target."""

    MERGE = "merge"
    SQUASH = "squash"
    REBASE = "rebase"


class Landing(StrEnum):
    """How a merge ended."""

    LANDED = "landed"
    ALREADY = "already"
    READY = "ready"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Landed:
    """The outcome of a merge: the new commit, or what blocks it.

    `READY` means the merged result is finished and kept under `ref`, but the target could not be
    moved (a checkout holds it, say); `blockers` says why. `promised`: the host merges by itself,
    when its queue or its checks allow.
    """

    landing: Landing
    commit: str | None = None
    ref: str | None = None
    conflicts: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()
    promised: bool = False
