"""What an operation is: a verb with a typed request, a typed reply and one function.

The faces are made from the list of operations; none of them adds a verb of its own.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from ao_core.engine.caller import Caller, Role
from ao_core.engine.engine import Engine

# `defer_build`: of all of them one process uses few, and a validator is made at its first use.


class Request(BaseModel):
    """Arguments as they come in from outside: unknown ones are refused, strings are capped."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=100_000, defer_build=True)


class Reply(BaseModel):
    """What a face shows. `said` is the one line a person reads first."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class Progress(Protocol):
    """Tells the caller how far a long call has come."""

    async def __call__(self, done: float, total: float | None, text: str) -> None:
        """So much of so much is done."""
        ...


async def silent(done: float, total: float | None, text: str) -> None:
    """Nobody asked for progress."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call under way."""

    engine: Engine
    caller: Caller
    progress: Progress = silent


Q = TypeVar("Q", bound=Request)
R = TypeVar("R", bound=Reply)

EVERYONE = frozenset({Role.LEAD, Role.PERSON})
PEOPLE = frozenset({Role.PERSON})
WORKERS = frozenset({Role.WORKER})


@dataclass(frozen=True, slots=True)
class Operation(Generic[Q, R]):
    """One verb. `description` is written for a model; `tool` says whether it is one for a model,
    for leads in whichever toolset has it.

    `question` is what a person is asked before it is carried out for a lead, where there is reason;
    the home's `confirm` says by its name, or by that of what is `confirmed_as`, whether to ask.
    """

    name: str
    title: str
    description: str
    request: type[Q]
    reply: type[R]
    run: Callable[[Call, Q], Awaitable[R]]
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    open_world: bool = False
    tool: bool = True
    roles: frozenset[Role] = EVERYONE
    positional: tuple[str, ...] = field(default=())
    question: Callable[[Call, Q], Awaitable[str | None]] | None = None
    confirmed_as: str = ""


AnyOperation = Operation[Any, Any]
