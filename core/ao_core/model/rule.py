"""A rule of a person's on what workers may do, and the time a request has to be answered in."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

INSIDE, OUTSIDE = "inside", "outside"


class Verdict(StrEnum):
    """What a rule says, or the policy."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Rule:
    """What is said of a tool, of commands that begin so, and of paths; None: of any.

    `place` is where it stands, as people count: "rule 2 of the project".
    """

    says: Verdict
    tool: str | None = None
    command: tuple[str, ...] = ()
    path: str | None = None
    place: str = "a rule"

    def __str__(self) -> str:
        about = " ".join(filter(None, (self.tool, *self.command, self.path)))
        return f"{self.place}: {self.says} {about}"


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a request may still wait, from a moment on; None: it stands still."""

    left: float
    since: datetime | None
    all: float = 0.0  # that it had at first


@dataclass(frozen=True, slots=True)
class Precedent:
    """What was answered for always: whatever has the same mark is, while the session lasts."""

    mark: str
    tool: str
    about: str
    allowed: bool
    by: str
    at: datetime
