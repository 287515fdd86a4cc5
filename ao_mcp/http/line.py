"""One HTTP connection, as uvicorn speaks it, with an end to everybody's patience.

What uvicorn leaves open is bounded here: how many are connected, how long a request's head and
body may take, and how long somebody may leave what it is sent unread. A stream that is followed may
last.
"""

import asyncio
from email.utils import formatdate
from typing import Any, TypeAlias

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS = 128
HEAD = 10.0  # seconds from a connection, or from a request's first byte, to the end of its head
BODY = 30.0
STALL = 30.0  # seconds in which nothing of what is sent is read
REST = 2.0  # seconds in which a body that is not wanted any more may still end
IDLE = 30  # seconds without a request

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n"
    b"content-length: 0\r\n\r\n"
)
Timer: TypeAlias = asyncio.TimerHandle | None


class Line(H11Protocol):
    """Ends a connection whose other side takes too long."""

    limit = CONNECTIONS
    head, body, stall, rest = HEAD, BODY, STALL, REST

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*arguments, **named)
        self._awaited: object = None  # what part of a request has begun and not ended
        self._patience: Timer = None
        self._unread: Timer = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it in, if there is room."""
        if len(self.connections) >= self.limit:
            self.transport = transport
            transport.write(_FULL)
            transport.close()
            return
        super().connection_made(transport)
        self._await(h11.IDLE, self.head)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over; so is all patience."""
        self._await(None)
        self._read_again()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A part of a request, or of several."""
        self.server_state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """The next request may take its time; what is left of this one may not."""
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self._await(h11.DONE, self.rest)
        elif self.conn.their_state is h11.IDLE:
            self._await(None)

    def pause_writing(self) -> None:
        """What was sent is not read."""
        super().pause_writing()
        self._unread = self._unread or self.loop.call_later(self.stall, self._give_up)

    def resume_writing(self) -> None:
        """It is read again."""
        super().resume_writing()
        self._read_again()

    def _look(self) -> None:
        state = self.conn.their_state
        if self._awaited is h11.DONE and state is h11.SEND_BODY:
            return
        if state is h11.IDLE:
            self._await(state, self.head)
        elif state is h11.SEND_BODY:
            self._await(state, self.body)
        else:
            self._await(None)

    def _await(self, part: object, patience: float = 0.0) -> None:
        """From the first of its bytes on, each part of a request has so long."""
        if part is self._awaited:
            return
        self._awaited = part
        if self._patience:
            self._patience.cancel()
        self._patience = self.loop.call_later(patience, self._give_up) if part else None

    def _read_again(self) -> None:
        if self._unread:
            self._unread.cancel()
        self._unread = None

    def _give_up(self) -> None:
        self.transport.abort()
