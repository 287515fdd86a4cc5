"""What every connection is served from."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ao_core.engine.caller import Role
from ao_core.engine.engine import Engine
from ao_core.ids import SessionId
from ao_mcp.operations.contract import AnyOperation

Authenticate: TypeAlias = Callable[[Role, str], Awaitable[SessionId | None]]


@dataclass(frozen=True, slots=True)
class Service:
    """One engine with its operations. `authenticate` knows whose a worker's token is.

    `instructions` are what an MCP client of each role is told of its tools.
    """

    engine: Engine
    operations: Sequence[AnyOperation]
    home_id: str
    version: str
    authenticate: Authenticate
    instructions: Mapping[Role, str] = field(default_factory=dict[Role, str])
