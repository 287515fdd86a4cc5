"""What every connection is served from."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ao_core.config.own import Confirm
from ao_core.engine.caller import Role
from ao_core.engine.engine import Engine
from ao_core.ids import SessionId
from ao_mcp.operations.contract import AnyOperation

Authenticate: TypeAlias = Callable[[Role, str], Awaitable[SessionId | None]]
Vet: TypeAlias = Callable[[Role, SessionId | None, int | None], Awaitable[None]]


async def as_by_default() -> Confirm:
    """Where nobody says otherwise."""
    return Confirm()


async def anybody(role: Role, session: SessionId | None, pid: int | None) -> None:
    """Whoever it is, is believed."""


@dataclass(frozen=True, slots=True)
class Service:
    """One engine with its operations. `authenticate` knows whose a worker's token is;
    `vet` refuses a process that cannot be whom it claims to be.

    `instructions` are what an MCP client of each role is told of its tools; `confirm` says before
    what a person is asked.
    """

    engine: Engine
    operations: Sequence[AnyOperation]
    home_id: str
    version: str
    authenticate: Authenticate
    instructions: Mapping[Role, str] = field(default_factory=dict[Role, str])
    confirm: Callable[[], Awaitable[Confirm]] = as_by_default
    vet: Vet = anybody
