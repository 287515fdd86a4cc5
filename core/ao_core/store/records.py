"""Every kind of record the store holds."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ao_core.ids import ProjectId, SessionId
from ao_core.model.evidence import Evidence
from ao_core.model.overlap import Overlap
from ao_core.model.pause import Brake
from ao_core.model.rule import Patience
from ao_core.model.session import Session
from ao_core.store.contract import Kind


class Mode(StrEnum):
    """What a message may do to the turn under way. `command` is one of the agent's own."""

    WHEN_IDLE = "when_idle"
    NOW = "now"
    INTERRUPT = "interrupt"
    COMMAND = "command"


class Delivery(StrEnum):
    """A message's receipt, in order; the last four are ends of their own."""

    QUEUED = "queued"
    PASTING = "pasting"
    TYPED = "typed"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    UNCERTAIN = "uncertain"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


WITHDRAWN = frozenset({Delivery.EXPIRED, Delivery.CANCELLED})  # never typed, and never will be
SETTLED = WITHDRAWN | {Delivery.ACCEPTED, Delivery.UNCERTAIN, Delivery.FAILED}


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one session, from the moment it was handed in.

    `seal` proves to its worker who it is from; `ended` says what became of the turn under way that
    it was to end.
    """

    id: str
    session: SessionId
    body: str
    origin: str
    token: str
    created_at: datetime
    state: Delivery = Delivery.QUEUED
    moved_at: datetime | None = None
    generation: int = 0
    evidence: str | None = None
    reason: str | None = None
    highest: Delivery = Delivery.ACCEPTED
    mode: Mode = Mode.WHEN_IDLE
    seal: str = ""
    expires_at: datetime | None = None
    ended: str | None = None


class IntentKind(StrEnum):
    """Acts that are recorded before they are done."""

    SPAWN = "spawn"
    RESTORE = "restore"
    KILL = "kill"
    MERGE = "merge"
    DELIVER = "deliver"
    NOTIFY = "notify"
    GATES = "gates"


class Outcome(StrEnum):
    """What became of an intent."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Intent:
    """An act about to be done, and afterwards what became of it.

    Its id is `<kind>/<session>/<fingerprint>`: the same act is never begun twice.
    """

    kind: IntentKind
    session: str
    fingerprint: str
    created_at: datetime
    outcome: Outcome = Outcome.PENDING
    ended_at: datetime | None = None
    detail: str = ""

    @property
    def id(self) -> str:
        """Where it is stored."""
        return f"{self.kind}/{self.session}/{self.fingerprint}"


class Decision(StrEnum):
    """What was said to a permission request."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Permission:
    """A worker asks whether it may do something. `arguments` is shown, never run.

    `mark` is the same for whatever is the same wish, where that may be answered for `always`; only
    one that is `plain` may be allowed so.
    """

    id: str
    session: SessionId
    tool: str
    arguments: str
    asked_at: datetime
    choices: tuple[str, ...] = ("allow", "deny")
    decision: Decision | None = None
    by: str | None = None
    reason: str | None = None
    ended_at: datetime | None = None
    expired: bool = False
    always: bool = False
    mark: str = ""
    plain: bool = False
    patience: Patience | None = None


@dataclass(frozen=True, slots=True)
class KeyUse:
    """An idempotency key, what it was used for, and what came of it; `form`: how it is stored."""

    operation: str
    scope: str
    digest: str
    subject: str
    created_at: datetime
    form: int = 0
    reply: str | None = None


@dataclass(frozen=True, slots=True)
class Pursuit:
    """One reaction's attempts at one thing: a session's, or with `all-complete` a project's.

    `fingerprint` is the last evidence that was acted upon, `seen` what was before; `pending`: a
    merge that is to be made.
    Once it is `escalated` it is silent until what it was about is over, and the record with it.
    """

    subject: str
    key: str
    fingerprint: str
    first_at: datetime
    last_at: datetime
    attempts: int = 0
    escalated: bool = False
    pending: bool = False
    seen: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Where it is stored."""
        return f"{self.subject}/{self.key}"

    def knows(self, fingerprint: str) -> bool:
        """Whether it was acted upon this evidence."""
        return fingerprint == self.fingerprint or fingerprint in self.seen


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a reader has failed at since then, for all it was tried."""

    since: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a reader of the journal has come; `trouble` where the last it did has failed."""

    reader: str
    seq: int
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Trust:
    """A person trusted these keys of a configuration, as they were then."""

    path: str
    digest: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Counter:
    """A number that only grows."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class ProjectRecord:
    """A repository this home has worked on. Its git common directory is its identity."""

    id: ProjectId
    path: str
    common_dir: str
    prefix: str
    folder: str
    seen_at: datetime


SESSION = Kind("session", Session)
MESSAGE = Kind("message", Message)
EVIDENCE = Kind("evidence", Evidence)
INTENT = Kind("intent", Intent)
PERMISSION = Kind("permission", Permission)
KEY = Kind("key", KeyUse)
PURSUIT = Kind("pursuit", Pursuit)
CURSOR = Kind("cursor", Cursor)
TRUST = Kind("trust", Trust)
COUNTER = Kind("counter", Counter)
PROJECT = Kind("project", ProjectRecord)
BRAKE = Kind("brake", Brake)
OVERLAP = Kind("overlap", Overlap)

KINDS = (
    SESSION, MESSAGE, EVIDENCE, INTENT, PERMISSION, PURSUIT, KEY, CURSOR, TRUST, COUNTER, PROJECT,
    BRAKE, OVERLAP,
)  # fmt: skip
