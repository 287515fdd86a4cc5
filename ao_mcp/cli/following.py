"""A conversation heard as it goes on, over whichever engine there is."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from ao_core.engine.home import running
from ao_core.errors import EngineRestarted, EngineUnreachable, TimedOut
from ao_core.wire import Connection, Message
from ao_mcp.cli.place import Place

_LISTENING = 45.0
_LATE = 15.0
_AWAY = 30.0
_LOOK = 0.2
_BREATH, _QUIET = 0.05, 0.5


class Listener:
    """Blocks until there is news. What was heard once is not heard again."""

    def __init__(self, place: Place, session: str, lost: Callable[[], None]) -> None:
        self._place, self._session, self._lost = place, session, lost
        self._connection: Connection | None = None
        self._after, self._life, self._standing = 0, None, None
        self._closed = threading.Event()

    @property
    def away(self) -> bool:
        """Whether no engine is heard at the moment."""
        return self._connection is None

    def news(self) -> Message:
        """What is new; the first time, and whenever the engine was away, how things stand."""
        while True:
            try:
                return self._heard()
            except (EngineRestarted, TimedOut):
                self._drop()
                self._lost()

    def pause(self, seconds: float) -> None:
        """Let some time pass, unless nobody listens any more."""
        self._closed.wait(seconds)

    def close(self) -> None:
        """Hang up, which ends the call that is waited for."""
        self._closed.set()
        if connection := self._connection:
            opened, _ = connection.detach()
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    def _heard(self) -> Message:
        begun, anew = time.monotonic(), self.away
        news = self._ask(0 if anew else _LISTENING)
        if self._after and news["life"] != self._life:
            self._after = 0
            news = self._ask(0)
        if not (anew or news["items"] or news["ended"]) and time.monotonic() - begun < _QUIET:
            self._closed.wait(_QUIET)  # nobody speaks yet
        self._after, self._life, self._standing = news["change"], news["life"], news["standing"]
        self._closed.wait(_BREATH)  # what streams comes in larger pieces
        return news

    def _ask(self, seconds: float) -> Message:
        connection = self._connection or self._connected()
        known = {"session": self._session, "after": self._after, "standing": self._standing}
        return connection.call("transcript", {**known, "seconds": seconds}, seconds + _LATE)

    def _connected(self) -> Connection:
        until = time.monotonic() + _AWAY
        while not self._closed.is_set():
            self._connection = self._reached()
            if self._connection:
                return self._connection
            if time.monotonic() > until:
                hint = f"`ao start`, then `ao attach {self._session}`."
                raise EngineUnreachable("The engine was stopped.", hint=hint)
            self._closed.wait(_LOOK)
        raise EngineUnreachable("Nobody listens any more.")

    def _reached(self) -> Connection | None:
        """The engine that runs; only one that crashed is started again."""
        if found := self._place.connect_running():
            return found
        last = running(self._place.home)
        if last is None or last.lives:  # ended on purpose; another one may be on its way
            return None
        with suppress(EngineUnreachable):
            return self._place.connect()
        return None

    def _drop(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None
