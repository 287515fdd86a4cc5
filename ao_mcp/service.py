"""What every connection is served from."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ao_core.engine.caller import Role
from ao_core.engine.engine import Engine
from ao_core.ids import SessionId
from ao_mcp.operations.contract import AnyOperation

Authenticate: TypeAlias = Callable[[Role, str], Awaitable[SessionId | None]]


@dataclass(frozen=True, slots=True)
class Service:
    """One engine with its operations. `authenticate` knows whose a worker's token is."""

    engine: Engine
    operations: Sequence[AnyOperation]
    home_id: str
    version: str
    authenticate: Authenticate
    instructions: str = ""
