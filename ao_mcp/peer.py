"""One client of the engine's socket, as lines in and lines out."""

from collections.abc import AsyncIterator

import anyio
from anyio.abc import ByteStream
from anyio.streams.buffered import BufferedByteReceiveStream

from ao_core.errors import BadRequest
from ao_core.wire import LINE_LIMIT, PROTOCOL, encode

IN_FLIGHT = 64  # calls of one connection under way; more wait in the socket
MALFORMED = 10  # lines that are no message, until a connection is dropped
LAST_WORDS = 0.5  # seconds in which what was answered last is still written

_FAREWELL = 0.2
_GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError)


class Peer:
    """Reads and writes whole lines. A client that is gone reads as its end, and hears nothing."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._received = BufferedByteReceiveStream(stream)
        self._lost = False  # after a line without end there is no next one to find
        self._whole = True  # false from a line's first byte to its last

    async def line(self, limit: int = LINE_LIMIT) -> bytes | None:
        """The next line; None at the end. Half a line at the end was never sent."""
        if self._lost:
            return None
        try:
            return await self._received.receive_until(b"\n", limit)
        except (*_GONE, anyio.IncompleteRead, anyio.EndOfStream):
            return None
        except anyio.DelimiterNotFound as exc:
            self._lost = True
            text = f"A line is longer than {limit} bytes."
            raise BadRequest(text, hint="Send less at once.") from exc

    async def lines(self) -> AsyncIterator[bytes]:
        """All lines that are not blank."""
        while (line := await self.line()) is not None:
            if line.strip():
                yield line

    async def send(self, line: bytes) -> bool:
        """Write one line, waiting for a slow reader; False if there is no reader any more."""
        self._whole = False
        try:
            await self._stream.send(line)
        except _GONE:
            return False
        self._whole = True
        return True

    async def farewell(self) -> None:
        """Tell the client that the engine ends on purpose, unless it is in the middle of a line."""
        with anyio.move_on_after(_FAREWELL, shield=True):
            if self._whole:
                await self.send(encode({"ao": PROTOCOL, "bye": True}))
