"""What an agent is doing now, who says so, and since when."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

ACTIVE_WINDOW = timedelta(seconds=30)
READY_WINDOW = timedelta(minutes=5)
INPUT_STALENESS = timedelta(minutes=5)
RECORD_WINDOW = timedelta(seconds=20)


class ActivityState(StrEnum):
    """What the agent does."""

    ACTIVE = "active"
    READY = "ready"
    IDLE = "idle"
    WAITING_INPUT = "waiting_input"
    BLOCKED = "blocked"
    EXITED = "exited"


ACTIONABLE = frozenset({ActivityState.WAITING_INPUT, ActivityState.BLOCKED})


class Source(StrEnum):
    """Where the evidence came from, strongest first."""

    PROTOCOL = "protocol"
    HOOK = "hook"
    NATIVE = "native"
    LOG = "log"
    SCREEN = "screen"
    PROCESS = "process"


@dataclass(frozen=True, slots=True)
class Activity:
    """One piece of evidence about one agent.

    `over` says, in so many words, that its turn has ended: silence is no such word.
    """

    state: ActivityState
    at: datetime
    source: Source
    detail: str | None = None
    over: bool = False
