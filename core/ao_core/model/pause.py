"""That a session is paused, and why: nothing is told to it, and no turn of its goes on."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

AGAIN = timedelta(seconds=10)  # before an interruption that showed no effect is repeated
MOST = 3


class PauseReason(StrEnum):
    """Why a session is paused, the weightiest first."""

    ASKED = "asked"
    BUDGET = "budget"
    QUOTA = "quota"


@dataclass(frozen=True, slots=True)
class Paused:
    """A session at a standstill. `until`: it goes on by itself then.

    `interrupted`: a turn was broken off, which is to be gone on with. `tries`: how often that was
    attempted, `tried_at` for the last time; noted before it is done.
    """

    why: PauseReason
    since: datetime
    by: str
    note: str = ""
    until: datetime | None = None
    interrupted: bool = False
    tries: int = 0
    tried_at: datetime | None = None

    @property
    def asks(self) -> bool:
        """Whether somebody has to decide how it goes on."""
        return self.why is PauseReason.BUDGET or (
            self.why is PauseReason.QUOTA and self.until is None
        )

    def may_try(self, at: datetime) -> bool:
        """Whether its turn may be interrupted, or interrupted again."""
        early = self.tried_at is not None and timedelta() <= at - self.tried_at < AGAIN
        return self.tries < MOST and not early


@dataclass(frozen=True, slots=True)
class Brake:
    """What holds for all sessions: that all are paused, or what was told of the ceiling."""

    at: datetime
    by: str
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Halted:
    """A session, or all of them, were paused or go on."""

    why: str
    by: str
    note: str = ""
    until: datetime | None = None
