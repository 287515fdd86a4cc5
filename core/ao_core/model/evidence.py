"""What shows that work is done: the gates, as the engine itself saw them end on one commit."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ao_core.ids import SessionId
from ao_core.model.session import Session, SessionReason, SessionState, is_terminal

NONE = "none"  # what is said where there is no evidence


class Verdict(StrEnum):
    """What the gates amount to."""

    VERIFIED = "verified"
    FAILED = "failed"
    STALE = "stale"
    UNVERIFIED = "unverified"


TRIES = 5  # for gates that cannot be run


@dataclass(frozen=True, slots=True)
class GateRun:
    """One gate, run once. Without status and signal it could not be started, or not in time."""

    name: str
    command: tuple[str, ...]
    status: int | None
    signal: int | None
    seconds: float
    tail: str
    timed_out: bool = False

    @property
    def passed(self) -> bool:
        """Whether it ended well."""
        return self.status == 0 and not self.timed_out

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        if self.timed_out:
            return f"did not end within {self.seconds:.0f} s"
        if self.signal is not None:
            return f"was ended by signal {self.signal}"
        return "could not be run" if self.status is None else f"ended with status {self.status}"


@dataclass(frozen=True, slots=True)
class Evidence:
    """How a session's work was found, at one commit.

    `claimed` is when the worker said that it was done, as `Session.done` had it: that much is
    answered. `ungated` means that there was nothing to run; `told` that the worker knows; `tries`,
    how often the gates could not be run.
    """

    session: SessionId
    commit: str
    tree: str
    verdict: Verdict
    at: datetime
    runs: tuple[GateRun, ...] = ()
    why: str | None = None
    claimed: datetime | None = None
    ungated: bool = False
    told: bool = False
    tries: int = 0

    @property
    def put_off(self) -> bool:
        """Whether the gates could not be run, and are to be tried again."""
        return 0 < self.tries < TRIES

    @property
    def given_up(self) -> bool:
        """Whether the gates could not be run, however often it was tried."""
        return self.tries >= TRIES

    @property
    def failures(self) -> tuple[GateRun, ...]:
        """The gates that did not pass."""
        return tuple(run for run in self.runs if not run.passed)


def is_owed(session: Session, known: Evidence | None) -> bool:
    """Whether the worker said that it is done, and nobody has looked yet."""
    if session.done is None:
        return False
    if known is not None and known.claimed == session.done and not known.put_off:
        return False
    left = session.facts.reason is SessionReason.AGENT_PROCESS_EXITED and not session.workspace_gone
    return left or not is_terminal(session)


def is_shown(session: Session, known: Evidence | None) -> bool:
    """Whether it is done as far as can be shown, or has ended and nothing more will come."""
    if is_owed(session, known):
        return False
    if session.done is None or known is None:
        return is_terminal(session)
    return is_terminal(session) or known.ungated or known.verdict is Verdict.VERIFIED


def is_at_rest(session: Session) -> bool:
    """Whether its turn is over, so that what it says of its work is its last word."""
    return is_terminal(session) or session.facts.state in (SessionState.IDLE, SessionState.STUCK)
