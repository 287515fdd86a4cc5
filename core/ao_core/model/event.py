"""The journal's events: every kind, the shape of its body, and how urgent it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from ao_core.model.budget import Spent
from ao_core.model.pause import Halted


class Priority(StrEnum):
    """How soon somebody should look."""

    URGENT = "urgent"
    ACTION = "action"
    WARNING = "warning"
    INFO = "info"


class EventKind(StrEnum):
    """Everything that can happen."""

    ENGINE_STARTED = "engine.started"
    ENGINE_STOPPED = "engine.stopped"
    SESSION_QUEUED = "session.queued"
    SESSION_BLOCKED = "session.blocked"
    SESSION_SPAWN_STARTED = "session.spawn_started"
    SESSION_SPAWNED = "session.spawned"
    SESSION_SPAWN_FAILED = "session.spawn_failed"
    SESSION_WORKING = "session.working"
    SESSION_IDLE = "session.idle"
    SESSION_NEEDS_INPUT = "session.needs_input"
    SESSION_DETECTING = "session.detecting"
    SESSION_STUCK = "session.stuck"
    SESSION_EXITED = "session.exited"
    SESSION_KILLED = "session.killed"
    SESSION_OVERLAPS = "session.overlaps"
    SESSION_CLEANED_UP = "session.cleaned_up"
    SESSION_RESTORED = "session.restored"
    SESSION_REPORTED = "session.reported"
    SESSION_PROPOSED = "session.proposed"
    SESSION_PAUSED = "session.paused"
    SESSION_RESUMED = "session.resumed"
    ENGINE_PAUSED = "engine.paused"
    ENGINE_RESUMED = "engine.resumed"
    BUDGET_NEAR = "budget.near"
    BUDGET_REACHED = "budget.reached"
    BUDGET_UNKNOWN = "budget.unknown"
    QUOTA_EXHAUSTED = "quota.exhausted"
    SESSION_SAID = "session.said"
    SESSION_TOLD = "session.told"
    SESSION_OVERSTEPPED = "session.overstepped"
    SESSION_COMMITTED = "session.committed"
    SESSION_SALVAGED = "session.salvaged"
    COPIES_SPARE = "copies.spare"
    WORKSPACE_ASTRAY = "workspace.astray"
    WORKSPACE_FOUND = "workspace.found"
    SPARE_TOUCHED = "spare.touched"
    PR_CREATED = "pr.created"
    PR_UPDATED = "pr.updated"
    PR_MERGED = "pr.merged"
    PR_CLOSED = "pr.closed"
    CI_PASSING = "ci.passing"
    CI_FAILING = "ci.failing"
    CI_FIX_SENT = "ci.fix_sent"
    CI_FIX_FAILED = "ci.fix_failed"
    REVIEW_PENDING = "review.pending"
    REVIEW_APPROVED = "review.approved"
    REVIEW_CHANGES_REQUESTED = "review.changes_requested"
    REVIEW_COMMENTS_SENT = "review.comments_sent"
    REVIEW_COMMENTS_UNRESOLVED = "review.comments_unresolved"
    AUTOMATED_REVIEW_FOUND = "automated_review.found"
    AUTOMATED_REVIEW_FIX_SENT = "automated_review.fix_sent"
    MERGE_READY = "merge.ready"
    MERGE_CONFLICTS = "merge.conflicts"
    MERGE_FAILED = "merge.failed"
    MERGE_BLOCKED = "merge.blocked"
    MERGE_COMPLETED = "merge.completed"
    MESSAGE_QUEUED = "message.queued"
    MESSAGE_TYPED = "message.typed"
    MESSAGE_SUBMITTED = "message.submitted"
    MESSAGE_ACCEPTED = "message.accepted"
    MESSAGE_UNCERTAIN = "message.uncertain"
    MESSAGE_FAILED = "message.failed"
    MESSAGE_EXPIRED = "message.expired"
    MESSAGE_CANCELLED = "message.cancelled"
    PERMISSION_ASKED = "permission.asked"
    PERMISSION_ANSWERED = "permission.answered"
    PERMISSION_EXPIRED = "permission.expired"
    INTENT_UNRESOLVED = "intent.unresolved"
    HOST_SLOW = "host.slow"
    HOST_FREE = "host.free"
    ISSUE_CREATED = "issue.created"
    ISSUE_UPDATED = "issue.updated"
    NOTE_LEAD = "note.lead"
    NOTIFICATION_SENT = "notification.sent"
    NOTIFICATION_FAILED = "notification.failed"
    REACTION_TRIGGERED = "reaction.triggered"
    REACTION_ESCALATED = "reaction.escalated"
    EVIDENCE_VERIFIED = "evidence.verified"
    EVIDENCE_FAILED = "evidence.failed"
    EVIDENCE_STALE = "evidence.stale"
    EVIDENCE_UNVERIFIED = "evidence.unverified"
    SUMMARY_ALL_COMPLETE = "summary.all_complete"


@dataclass(frozen=True, slots=True)
class Said:
    """One line about what happened."""

    text: str


@dataclass(frozen=True, slots=True)
class Started:
    """A session begins."""

    title: str
    agent: str
    issue: str | None = None
    branch: str = ""
    path: str = ""
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Moved:
    """The session axis went from one state to another."""

    before: str
    after: str
    reason: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """An agent ended."""

    reason: str
    exit_status: int | None = None
    exit_signal: int | None = None
    salvage: str | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """Work was saved outside the workspace."""

    ref: str
    commit: str
    archive: str | None = None


@dataclass(frozen=True, slots=True)
class PullSeen:
    """A pull request, as observed. `message`: what tells the worker of it is on its way."""

    number: int
    url: str
    head: str
    detail: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Merged:
    """Work reached its target, or did not: `head` was tried on the target's commit `onto`."""

    target: str
    method: str
    commit: str | None = None
    ref: str | None = None
    blockers: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    head: str | None = None
    onto: str | None = None
    whom: tuple[str, ...] = ()
    why: str | None = None


@dataclass(frozen=True, slots=True)
class MessageMoved:
    """A message's receipt."""

    message: str
    evidence: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class PermissionMoved:
    """A permission request, and what became of it. `always`: of the same wish from then on."""

    request: str
    tool: str
    shown: str
    answer: str | None = None
    by: str | None = None
    reason: str | None = None
    always: bool | None = None


@dataclass(frozen=True, slots=True)
class Unresolved:
    """An action whose outcome is not known."""

    intent: str
    action: str
    detail: str


@dataclass(frozen=True, slots=True)
class IssueMoved:
    """An issue was created or changed from here."""

    issue: str
    title: str
    change: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A notification, and whether it arrived."""

    note: str
    notifier: str
    text: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Reacted:
    """A reaction ran or gave up."""

    key: str
    action: str
    attempts: int
    fingerprint: str
    cause: str | None = None
    priority: Priority | None = None  # where the configuration says so


@dataclass(frozen=True, slots=True)
class Summary:
    """How all of a project's workers ended."""

    text: str
    priority: Priority | None = None  # where the configuration says so


@dataclass(frozen=True, slots=True)
class Shown:
    """How a worker's word that it is done was found, at one commit."""

    commit: str
    gates: int = 0
    failed: tuple[str, ...] = ()
    why: str | None = None


Body: TypeAlias = (
    Said | Started | Moved | Ended | Saved | PullSeen | Merged | MessageMoved
    | PermissionMoved | Unresolved | IssueMoved | Told | Reacted | Summary | Shown | Halted
    | Spent
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spec:
    """What an event of one kind looks like."""

    body: type[Body]
    priority: Priority


_U, _A, _W, _I = Priority.URGENT, Priority.ACTION, Priority.WARNING, Priority.INFO
_K = EventKind

SPECS: Mapping[EventKind, Spec] = {
    _K.ENGINE_STARTED: Spec(Said, _I),
    _K.ENGINE_STOPPED: Spec(Said, _I),
    _K.SESSION_QUEUED: Spec(Said, _I),
    _K.SESSION_BLOCKED: Spec(Said, _A),
    _K.SESSION_SPAWN_STARTED: Spec(Started, _I),
    _K.SESSION_SPAWNED: Spec(Started, _I),
    _K.SESSION_SPAWN_FAILED: Spec(Said, _U),
    _K.SESSION_WORKING: Spec(Moved, _I),
    _K.SESSION_IDLE: Spec(Moved, _I),
    _K.SESSION_NEEDS_INPUT: Spec(Moved, _U),
    _K.SESSION_DETECTING: Spec(Moved, _I),
    _K.SESSION_STUCK: Spec(Moved, _U),
    _K.SESSION_EXITED: Spec(Ended, _U),
    _K.SESSION_KILLED: Spec(Ended, _W),
    _K.SESSION_OVERLAPS: Spec(Said, _W),
    _K.SESSION_CLEANED_UP: Spec(Ended, _I),
    _K.SESSION_RESTORED: Spec(Started, _I),
    _K.SESSION_REPORTED: Spec(Said, _I),
    _K.SESSION_PROPOSED: Spec(Said, _I),
    _K.SESSION_PAUSED: Spec(Halted, _I),
    _K.SESSION_RESUMED: Spec(Halted, _I),
    _K.ENGINE_PAUSED: Spec(Halted, _W),
    _K.ENGINE_RESUMED: Spec(Halted, _I),
    _K.BUDGET_NEAR: Spec(Spent, _W),
    _K.BUDGET_REACHED: Spec(Spent, _U),
    _K.BUDGET_UNKNOWN: Spec(Spent, _W),
    _K.QUOTA_EXHAUSTED: Spec(Halted, _W),
    _K.SESSION_SAID: Spec(Said, _A),
    _K.SESSION_TOLD: Spec(Said, _I),
    _K.SESSION_OVERSTEPPED: Spec(Said, _U),
    _K.SESSION_COMMITTED: Spec(Said, _I),
    _K.SESSION_SALVAGED: Spec(Saved, _I),
    _K.COPIES_SPARE: Spec(Said, _A),
    _K.WORKSPACE_ASTRAY: Spec(Said, _U),
    _K.WORKSPACE_FOUND: Spec(Said, _I),
    _K.SPARE_TOUCHED: Spec(Said, _W),
    _K.PR_CREATED: Spec(PullSeen, _I),
    _K.PR_UPDATED: Spec(PullSeen, _I),
    _K.PR_MERGED: Spec(PullSeen, _A),
    _K.PR_CLOSED: Spec(PullSeen, _A),
    _K.CI_PASSING: Spec(PullSeen, _I),
    _K.CI_FAILING: Spec(PullSeen, _W),
    _K.CI_FIX_SENT: Spec(PullSeen, _I),
    _K.CI_FIX_FAILED: Spec(PullSeen, _W),
    _K.REVIEW_PENDING: Spec(PullSeen, _I),
    _K.REVIEW_APPROVED: Spec(PullSeen, _A),
    _K.REVIEW_CHANGES_REQUESTED: Spec(PullSeen, _W),
    _K.REVIEW_COMMENTS_SENT: Spec(PullSeen, _I),
    _K.REVIEW_COMMENTS_UNRESOLVED: Spec(PullSeen, _W),
    _K.AUTOMATED_REVIEW_FOUND: Spec(PullSeen, _W),
    _K.AUTOMATED_REVIEW_FIX_SENT: Spec(PullSeen, _I),
    _K.MERGE_READY: Spec(PullSeen, _A),
    _K.MERGE_CONFLICTS: Spec(Merged, _W),
    _K.MERGE_FAILED: Spec(Merged, _W),
    _K.MERGE_BLOCKED: Spec(Merged, _W),
    _K.MERGE_COMPLETED: Spec(Merged, _A),
    _K.MESSAGE_QUEUED: Spec(MessageMoved, _I),
    _K.MESSAGE_TYPED: Spec(MessageMoved, _I),
    _K.MESSAGE_SUBMITTED: Spec(MessageMoved, _I),
    _K.MESSAGE_ACCEPTED: Spec(MessageMoved, _I),
    _K.MESSAGE_UNCERTAIN: Spec(MessageMoved, _W),
    _K.MESSAGE_FAILED: Spec(MessageMoved, _W),
    _K.MESSAGE_EXPIRED: Spec(MessageMoved, _W),
    _K.MESSAGE_CANCELLED: Spec(MessageMoved, _I),
    _K.PERMISSION_ASKED: Spec(PermissionMoved, _U),
    _K.PERMISSION_ANSWERED: Spec(PermissionMoved, _I),
    _K.PERMISSION_EXPIRED: Spec(PermissionMoved, _W),
    _K.INTENT_UNRESOLVED: Spec(Unresolved, _W),
    _K.HOST_SLOW: Spec(Said, _W),
    _K.HOST_FREE: Spec(Said, _I),
    _K.ISSUE_CREATED: Spec(IssueMoved, _I),
    _K.ISSUE_UPDATED: Spec(IssueMoved, _I),
    _K.NOTE_LEAD: Spec(Told, _A),
    _K.NOTIFICATION_SENT: Spec(Told, _I),
    _K.NOTIFICATION_FAILED: Spec(Told, _W),
    _K.REACTION_TRIGGERED: Spec(Reacted, _I),
    _K.REACTION_ESCALATED: Spec(Reacted, _U),
    _K.EVIDENCE_VERIFIED: Spec(Shown, _I),
    _K.EVIDENCE_FAILED: Spec(Shown, _W),
    _K.EVIDENCE_STALE: Spec(Shown, _I),
    _K.EVIDENCE_UNVERIFIED: Spec(Shown, _I),
    _K.SUMMARY_ALL_COMPLETE: Spec(Summary, _I),
}


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event about to be committed."""

    kind: EventKind
    body: Body
    project: str | None = None
    session: str | None = None

    def __post_init__(self) -> None:
        expected = SPECS[self.kind].body
        if type(self.body) is not expected:
            found = type(self.body).__name__
            raise TypeError(f"{self.kind} carries {expected.__name__}, not {found}")


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the journal."""

    seq: int
    at: datetime
    kind: EventKind
    body: Body
    project: str | None = None
    session: str | None = None

    @property
    def priority(self) -> Priority:
        """How soon somebody should look."""
        return SPECS[self.kind].priority
