"""What a conversation's lines amount to, for whoever keeps the session's state."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from ao_core.drive.messages import Id, Params


@dataclass(frozen=True, slots=True)
class Opened:
    """The agent has a session: a new one, or the old one again."""

    native_id: str
    loaded: bool


@dataclass(frozen=True, slots=True)
class Began:
    """A prompt was handed over; `message` is the outbox's name for it."""

    message: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Taken:
    """The agent's first sign that it has the prompt."""

    message: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """The agent wants something of us, and waits.

    `key` names the request among those that wait, `line` in the whole conversation.
    """

    key: str
    id: Id
    method: str
    params: Params
    line: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """The turn is over. `question` and `blocked` are what an agent says of how it ended."""

    message: str | None
    stop: str
    said: str = ""
    question: str | None = None
    blocked: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The agent refused a request of ours."""

    method: str
    code: int
    why: str
    message: str | None = None
    taken: bool = False


def judged(fact: "Fact", trouble: Callable[[str], str | None]) -> "Fact":
    """An end with which the agent says, in words of its own, that it could not go on, is none."""
    if not isinstance(fact, Ended) or fact.blocked:
        return fact
    return replace(fact, blocked=trouble(fact.said))


def ends_turn(fact: "Fact") -> bool:
    """Whether the agent's turn is over: it stopped, or would not begin."""
    refused = isinstance(fact, Refused) and fact.method == "session/prompt"
    return refused or isinstance(fact, Ended)


Fact: TypeAlias = Opened | Began | Taken | Asked | Ended | Refused
