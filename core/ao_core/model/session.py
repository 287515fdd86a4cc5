"""A session on three axes of stored facts, and the one status derived from them."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ao_core.ids import ProjectId, SessionId
from ao_core.model.activity import Activity, ActivityState
from ao_core.model.budget import Budget
from ao_core.model.judgement import Judged
from ao_core.model.pause import Paused
from ao_core.model.rule import Precedent
from ao_core.model.saying import Saying
from ao_core.model.standing import FIRM, Footing, Standing
from ao_core.model.usage import Usage


class SessionState(StrEnum):
    """How far the session has come."""

    NOT_STARTED = "not_started"
    WORKING = "working"
    IDLE = "idle"
    NEEDS_INPUT = "needs_input"
    STUCK = "stuck"
    DETECTING = "detecting"
    DONE = "done"
    TERMINATED = "terminated"


class SessionReason(StrEnum):
    """Why it stands there."""

    SPAWN_REQUESTED = "spawn_requested"
    QUEUED = "queued"
    BLOCKED = "blocked"
    AGENT_ACKNOWLEDGED = "agent_acknowledged"
    TASK_IN_PROGRESS = "task_in_progress"
    PR_CREATED = "pr_created"
    PR_CLOSED_WAITING_DECISION = "pr_closed_waiting_decision"
    FIXING_CI = "fixing_ci"
    RESOLVING_REVIEW_COMMENTS = "resolving_review_comments"
    AWAITING_USER_INPUT = "awaiting_user_input"
    AWAITING_PERMISSION = "awaiting_permission"
    AWAITING_EXTERNAL_REVIEW = "awaiting_external_review"
    TURN_ENDED = "turn_ended"
    RESEARCH_COMPLETE = "research_complete"
    MERGED_WAITING_DECISION = "merged_waiting_decision"
    NO_PROGRESS = "no_progress"
    MANUALLY_KILLED = "manually_killed"
    ENGINE_STOPPED = "engine_stopped"
    PR_MERGED = "pr_merged"
    AUTO_CLEANUP = "auto_cleanup"
    RUNTIME_LOST = "runtime_lost"
    AGENT_PROCESS_EXITED = "agent_process_exited"
    PROBE_FAILURE = "probe_failure"
    ERROR_IN_PROCESS = "error_in_process"


class PrState(StrEnum):
    """What the pull request is."""

    NONE = "none"
    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


class PrReason(StrEnum):
    """How an open pull request stands, or why there is none."""

    NOT_CREATED = "not_created"
    IN_PROGRESS = "in_progress"
    CI_FAILING = "ci_failing"
    REVIEW_PENDING = "review_pending"
    CHANGES_REQUESTED = "changes_requested"
    APPROVED = "approved"
    MERGE_READY = "merge_ready"
    MERGED = "merged"
    CLOSED_UNMERGED = "closed_unmerged"
    CLEARED_ON_RESTORE = "cleared_on_restore"


class RuntimeState(StrEnum):
    """What became of the process the agent runs in."""

    UNKNOWN = "unknown"
    ALIVE = "alive"
    EXITED = "exited"
    MISSING = "missing"
    PROBE_FAILED = "probe_failed"


class RuntimeReason(StrEnum):
    """Why the runtime is believed to be so."""

    SPAWN_INCOMPLETE = "spawn_incomplete"
    PROCESS_RUNNING = "process_running"
    PROCESS_EXITED = "process_exited"
    PROCESS_MISSING = "process_missing"
    RUNTIME_MISSING = "runtime_missing"
    HOST_LOST = "host_lost"
    REBOOTED = "rebooted"
    KILL_REQUESTED = "kill_requested"
    CLEANUP = "cleanup"
    PROBE_ERROR = "probe_error"


class Status(StrEnum):
    """What people are shown. Derived, never stored."""

    SPAWNING = "spawning"
    WORKING = "working"
    DETECTING = "detecting"
    PR_OPEN = "pr_open"
    CI_FAILED = "ci_failed"
    REVIEW_PENDING = "review_pending"
    CHANGES_REQUESTED = "changes_requested"
    APPROVED = "approved"
    MERGEABLE = "mergeable"
    MERGED = "merged"
    CLEANUP = "cleanup"
    NEEDS_INPUT = "needs_input"
    STUCK = "stuck"
    ERRORED = "errored"
    KILLED = "killed"
    IDLE = "idle"
    DONE = "done"
    TERMINATED = "terminated"


class Drive(StrEnum):
    """How the agent is spoken to."""

    TERMINAL = "terminal"
    PROTOCOL = "protocol"


class PermissionMode(StrEnum):
    """How much a worker may do unasked."""

    DEFAULT = "default"
    AUTO_EDIT = "auto-edit"
    SUGGEST = "suggest"
    PERMISSIONLESS = "permissionless"


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """The session axis."""

    state: SessionState
    reason: SessionReason
    since: datetime
    note: str | None = None
    counted: datetime | None = None  # since when it works, where the clock was set meanwhile


@dataclass(frozen=True, slots=True)
class PrFacts:
    """The pull request axis."""

    state: PrState = PrState.NONE
    reason: PrReason = PrReason.NOT_CREATED
    number: int | None = None
    url: str | None = None
    head: str | None = None
    observed_at: datetime | None = None
    judged: Judged | None = None


@dataclass(frozen=True, slots=True)
class RuntimeHandle:
    """An opaque, serialisable name for one running agent. Only its runtime reads `data`."""

    id: str
    runtime: str
    data: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        """One fact that the runtime wrote down for itself."""
        return dict(self.data).get(name)


@dataclass(frozen=True, slots=True)
class RuntimeFacts:
    """The runtime axis."""

    state: RuntimeState = RuntimeState.UNKNOWN
    reason: RuntimeReason = RuntimeReason.SPAWN_INCOMPLETE
    handle: RuntimeHandle | None = None
    exit_status: int | None = None
    exit_signal: int | None = None
    observed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is known of a session in `detecting`: how often looked, since when, at what."""

    looks: int
    since: datetime
    evidence: str


@dataclass(frozen=True, slots=True)
class Word:
    """When it last told of its work, by a report or at the end of a turn, and how that stands."""

    at: datetime
    state: str | None = None  # as its last report has it, until it is told something new


@dataclass(frozen=True, slots=True)
class Session:
    """One worker: what it is for, where it works, and how it stands."""

    id: SessionId
    project: ProjectId
    created_at: datetime
    title: str
    agent: str
    runtime: str
    workspace: str
    facts: SessionFacts
    issue: str | None = None
    prompt: str | None = None
    model: str | None = None
    drive: Drive = Drive.TERMINAL
    permissions: PermissionMode = PermissionMode.DEFAULT
    branch: str = ""
    base: str = ""
    adopted: bool = False  # its branch was there before it
    pull: int | None = None  # the pull request that it took over
    base_commit: str = ""
    path: str = ""
    workspace_gone: bool = False
    pr: PrFacts = PrFacts()
    run: RuntimeFacts = RuntimeFacts()
    activity: Activity | None = None
    doubt: Doubt | None = None
    generation: int = 0
    native_id: str | None = None
    commits: tuple[str, ...] = ()
    salvage: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()  # nobody else's while it lives
    question: str | None = None
    asked_at: datetime | None = None  # by our own tool: the end of the turn is no answer to it
    report: str | None = None
    said: tuple[Saying, ...] = ()  # the last things it told somebody
    merged_as: str | None = None
    consumed: tuple[str, ...] = ()
    kept: str | None = None  # the one of `salvage` that `restore` has yet to put back
    heard: int = 0  # how many lines of its conversation have been taken in
    turn: str | None = None  # the message whose turn is under way, where a protocol tells
    usage: Usage = field(default_factory=Usage)
    done: datetime | None = None  # when it said that its work is done, unless it went on since
    standing: Standing = FIRM
    word: Word | None = None
    proposed: datetime | None = None  # when it told last of a pull request that it has opened
    paused: Paused | None = None
    budget: Budget = field(default_factory=Budget)
    told_of: tuple[str, ...] = ()  # what of its budget was told and is still so
    spent: Usage = field(default_factory=Usage)  # in conversations before this one
    worked: float = 0.0  # seconds, before `facts.since`
    exhausted: str | None = None  # how it said so last, which its screen may still show
    after: tuple[SessionId, ...] = ()  # whose work has to be done before it starts
    group: SessionId | None = None  # the first of the copies it is one of
    queued: int = 0  # its number in the queue, from when it is put there until it starts
    started: datetime | None = None  # when it was first let in
    unproved: str | None = None  # why nobody could look at what it said is done
    precedents: tuple[Precedent, ...] = ()  # what it may do, or not, for as long as it lasts


_STARTED = timedelta(seconds=30)
TERMINAL_STATES = frozenset({SessionState.DONE, SessionState.TERMINATED})
GONE = frozenset({RuntimeState.EXITED, RuntimeState.MISSING})
TERMINAL_STATUSES = frozenset(
    {
        Status.KILLED,
        Status.TERMINATED,
        Status.DONE,
        Status.CLEANUP,
        Status.ERRORED,
        Status.MERGED,
    }
)

_DIRECT = {
    SessionState.NOT_STARTED: Status.SPAWNING,
    SessionState.NEEDS_INPUT: Status.NEEDS_INPUT,
    SessionState.STUCK: Status.STUCK,
    SessionState.DETECTING: Status.DETECTING,
    SessionState.DONE: Status.DONE,
}
_ENDED = {
    SessionReason.MANUALLY_KILLED: Status.KILLED,
    SessionReason.ENGINE_STOPPED: Status.KILLED,
    SessionReason.RUNTIME_LOST: Status.KILLED,
    SessionReason.AUTO_CLEANUP: Status.CLEANUP,
    SessionReason.PR_MERGED: Status.CLEANUP,
    SessionReason.ERROR_IN_PROCESS: Status.ERRORED,
    SessionReason.PROBE_FAILURE: Status.ERRORED,
    SessionReason.AGENT_PROCESS_EXITED: Status.TERMINATED,
}
TERMINAL_REASONS = frozenset(_ENDED)
_OPEN_PR = {
    PrReason.CI_FAILING: Status.CI_FAILED,
    PrReason.REVIEW_PENDING: Status.REVIEW_PENDING,
    PrReason.CHANGES_REQUESTED: Status.CHANGES_REQUESTED,
    PrReason.APPROVED: Status.APPROVED,
    PrReason.MERGE_READY: Status.MERGEABLE,
}


def derive_status(session: Session) -> Status:
    """The one word people see, from the stored facts alone."""
    state = session.facts.state
    if state is SessionState.TERMINATED:
        return _ENDED.get(session.facts.reason, Status.TERMINATED)
    if has_no_place(session):
        return Status.STUCK
    if state in _DIRECT:
        return _DIRECT[state]
    if session.pr.state is PrState.MERGED:
        return Status.MERGED
    if session.pr.state is PrState.OPEN:
        return _OPEN_PR.get(session.pr.reason, Status.PR_OPEN)
    return Status.IDLE if state is SessionState.IDLE else Status.WORKING


_BUSY = frozenset({SessionState.WORKING, SessionState.DETECTING})


def worked(session: Session, at: datetime) -> float:
    """How many seconds it has worked so far; while it is paused it does not."""
    if session.facts.state not in _BUSY:
        return session.worked
    end = min(at, session.paused.since) if session.paused else at
    since = session.facts.counted or session.facts.since
    return session.worked + max(0.0, (end - since).total_seconds())


def interrupted(session: Session, left: datetime, found: datetime, at: datetime) -> Session:
    """The same, where the time of day went from `left` to `found`: what it has worked by then is
    kept, and it is counted from there on.
    """
    facts, paused = session.facts, session.paused
    since = facts.counted or facts.since
    if facts.state not in _BUSY or found <= since <= at:
        return session
    end, anew = left, found
    if paused and not found <= paused.since <= at:
        end = anew = paused.since
    done = max(0.0, (end - since).total_seconds())
    return replace(session, worked=session.worked + done, facts=replace(facts, counted=anew))


def is_in_turn(session: Session, at: datetime) -> bool:
    """Whether a turn is under way that could be interrupted, as far as anybody can tell."""
    if is_terminal(session) or session.run.handle is None:
        return False
    if session.drive is Drive.PROTOCOL:
        return session.turn is not None
    if session.facts.state not in _BUSY:
        return False
    if session.activity is None:  # it may only be starting: a key might end it
        return at - session.facts.since >= _STARTED
    return session.activity.state is ActivityState.ACTIVE


def has_no_place(session: Session) -> bool:
    """Whether it lives, and has nowhere to work: what it says of itself is beside the point."""
    return not is_terminal(session) and session.standing.footing is Footing.REMOVED


def is_terminal(session: Session) -> bool:
    """Whether the session has ended; it may still be restored."""
    return session.facts.state in TERMINAL_STATES


def is_waiting(session: Session) -> bool:
    """Whether it is in the queue: it has a name, and nothing else yet."""
    waits = session.facts.reason in (SessionReason.QUEUED, SessionReason.BLOCKED)
    return waits and session.facts.state is SessionState.NOT_STARTED


def activity_of(session: Session) -> ActivityState | None:
    """What the agent does, if anything is known."""
    return session.activity.state if session.activity else None
