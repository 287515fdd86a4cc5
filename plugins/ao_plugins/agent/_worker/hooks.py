"""What the worker tells the engine, and the one thing it asks: whether it may."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from time import monotonic

from ao_core import spool, wire
from ao_core.errors import AoError, EngineRestarted, EngineUnreachable
from ao_core.ids import new_id
from ao_core.spool import HookEvent, HookKind
from ao_plugins._console.later import Later

_PATIENCE = 600.0
_AGAIN = 0.25


@dataclass(frozen=True, slots=True)
class Request:
    """One question for permission. `closed` is set once it no longer matters."""

    id: str
    tool: str
    arguments: str
    closed: Event


@dataclass(frozen=True, slots=True)
class Hooks:
    """Where to tell and ask; without a spool nothing is told, without a socket nothing asked."""

    folder: Path | None = None
    socket: str | None = None
    token: str = ""
    later: Later = field(default_factory=Later)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Hooks":
        """As the environment of a worker says."""
        folder = environment.get("AO_SPOOL")
        place = Path(folder) if folder else None
        return cls(place, environment.get("AO_SOCKET"), environment.get("AO_TOKEN", ""))

    def tell(
        self, kind: HookKind, text: str | None = None, *, id: str = "", token: str | None = None,
        native_id: str | None = None, tool: str | None = None, arguments: str | None = None,
    ) -> None:  # fmt: skip
        """Drop one event."""
        if self.folder is None:
            return
        folder, now = self.folder, datetime.now(UTC)
        event = HookEvent(id, kind, now, text, token, native_id, tool, arguments)
        # an agent outlives its hooks: where they fail, its log and screen still show what it does
        with suppress(OSError):
            self.later.write(lambda: spool.drop(folder, event))

    def ask(self, request: Request) -> str:
        """Allow, deny, or ask at the keyboard. Waits long: a person may have to answer."""
        until = monotonic() + _PATIENCE
        while self.socket and not request.closed.is_set() and (left := until - monotonic()) > 0:
            try:
                return self._asked(self.socket, request, left)
            except (EngineUnreachable, EngineRestarted):
                request.closed.wait(_AGAIN)  # it may come back: the same id asks only once
            except AoError:
                break
        return "ask"

    def _asked(self, socket: str, request: Request, deadline: float) -> str:
        preamble = wire.Preamble(
            wire.OPERATIONS, "worker", cwd=os.getcwd(), pid=os.getpid(), token=self.token
        )
        params = {"id": request.id, "tool": request.tool, "arguments": request.arguments}
        reply = wire.call(socket, preamble, "permission", params, deadline)
        return str(reply.get("decision", "ask"))


def new_request(tool: str, arguments: str) -> Request:
    """A question with an id of its own."""
    return Request(new_id("perm"), tool, arguments, Event())
