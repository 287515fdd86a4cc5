"""The way to speak with a piped program through its host, and to read what it said when it is gone.

What was told is numbered by where its entry ends in the log: whoever writes says how far it has
read, and the host refuses what was not said with all before in view. So a write of an engine that
died, which arrives late, comes to nothing once another engine has written; or else that one reads
it first.
"""

from collections.abc import AsyncGenerator

import anyio

from ao_core.deaths import gone
from ao_core.errors import BadRequest, Unavailable, WrongState
from ao_core.host import NOTE_LIMIT
from ao_core.host_log import HEAD, SAID, TOLD
from ao_core.slots.runtime import Direction, Entry, Line
from ao_plugins.runtime._process.client import Answer, Connection, connected
from ao_plugins.runtime._process.held import Held
from ao_plugins.runtime._process.places import Place

_DIRECTIONS = {SAID: Direction.SAID, TOLD: Direction.TOLD}
_PASSING = 2.0  # seconds a host needs at most to go


class HostLine(Line):
    """One line."""

    def __init__(self, id: str, held: Held, place: Place, end: int) -> None:
        self._id, self._held, self._place = id, held, place
        self._capacity = place.capacity(held)
        self._start, self._note = place.mark()
        self._read, self._known = self._start, max(end, self._start)
        self._speaking = anyio.Lock()

    @property
    def note(self) -> bytes:
        """What was kept with the mark."""
        return self._note

    @property
    def begins(self) -> int:
        """Where the entries begin."""
        return self._start

    @property
    def known(self) -> int:
        """Where the log ended when the line was opened."""
        return self._known

    @property
    def capacity(self) -> int:
        """What its host takes after a mark; it keeps the cap that it was started with."""
        return self._capacity

    async def entries(self) -> AsyncGenerator[Entry]:
        """From the mark on, as they come; the rest from the files once the host is gone."""
        at = self._start
        try:
            async with connected(self._held) as host:
                at = (await host.ask(b"a", at.to_bytes(8, "big"))).told
                async for kind, data, end in _streamed(host, at):
                    at = end
                    if kind in _DIRECTIONS:
                        yield self._yielded(kind, data, end)
        except Unavailable:
            pass  # what is to be said of that depends on what is left
        await self._passing()
        for kind, data, end in self._place.own_entries(self._held, at):
            if kind in _DIRECTIONS:
                yield self._yielded(kind, data, end)
        if not any(place.exit(self._held) for place in (self._place, self._place.aside)):
            raise Unavailable(f"the line to {self._id} is lost")

    async def write(self, data: bytes) -> bool:
        """Tell the program something."""
        async with self._speaking:
            answer = await self._ask(b"w", self._read.to_bytes(8, "big") + data)
            if answer.done:
                self._read = max(self._read, answer.told)
            return answer.done

    async def mark(self, end: int, note: bytes) -> None:
        """Have what is before dropped."""
        if len(note) > NOTE_LIMIT:
            raise BadRequest("a note holds at most 1 MB")
        if self._place.exit(self._held) is not None:
            await anyio.to_thread.run_sync(self._place.write_mark, end, note)
        elif not (await self._ask(b"m", end.to_bytes(8, "big") + note)).done:
            raise BadRequest("a mark cannot go back")
        self._start, self._note = end, note

    def _yielded(self, kind: bytes, data: bytes, end: int) -> Entry:
        self._read = max(self._read, end)
        return Entry(_DIRECTIONS[kind], data, end)

    async def _ask(self, kind: bytes, data: bytes) -> Answer:
        try:
            async with connected(self._held) as host:
                return await host.ask(kind, data)
        except (Unavailable, WrongState) as exc:
            if isinstance(exc, WrongState) or not self._held.is_hosted():
                raise WrongState(f"{self._id} has ended; nothing can be said to it") from exc
            raise

    async def _passing(self) -> None:
        """Wait until a host that hung up is gone."""
        with anyio.move_on_after(_PASSING):
            if self._held.is_hosted() and not self._place.exit(self._held):
                await gone(self._held.host, self._held.host_started)


async def _streamed(host: Connection, at: int) -> AsyncGenerator[tuple[bytes, bytes, int]]:
    """The entries that a host sends to one who has attached."""
    while (frame := await host.frame()) and frame[0] != b"x":
        kind, data = frame
        if kind == b"G":
            at = int.from_bytes(data, "big")
        else:
            at += HEAD + len(data)
            yield kind, data, at
