"""Screen and keyboard of an agent on a terminal of ours.

The screen is made from the log, as far as it was read. Each step that types has the host listen to
the agent no further for a moment, judges the screen as it then is, and says to the host how far the
log had come: where that has moved all the same, nothing is typed, and it is judged again. The
moment is made longer while there is more to be shown. So an agent that draws without pause can be
typed to, also on a slow machine, and never to a screen that nobody has judged.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from ao_core.errors import BadRequest, Unavailable, WrongState
from ao_core.host_log import SAID, SIZED
from ao_core.model.session import RuntimeHandle
from ao_core.slots.runtime import Attended, Marks, Typable
from ao_plugins.runtime._process.client import ANYWHERE, Connection, connected
from ao_plugins.runtime._process.held import Held, held_of
from ao_plugins.runtime._process.keys import pressed
from ao_plugins.runtime._process.places import Place

if TYPE_CHECKING:
    from ao_plugins.runtime._process.screen import Feed, Screen

_WINDOW = 1 << 20  # bytes that are shown; of what was before only the modes matter
_GLANCE = 1 << 17  # the same while the agent is held up
_STEP = 1 << 13  # so much of it before the host is told to hold on
_HOLD = 1000  # milliseconds
_PATIENCE = 20.0
_MARK_LIMIT = 200
_TEXT_LIMIT = 500
_PASTED, _SUBMITTED, _UNMARKED = b"p", b"s", b"\0"


@dataclass(slots=True)
class Followed:
    """A screen, and how much of the log is on it."""

    feed: "Feed"
    at: int = 0
    busy: anyio.Lock = field(default_factory=anyio.Lock)

    async def catch_up(self, place: Place, window: int, most: int = sys.maxsize) -> "Screen":
        """The screen as the log has it now, or once about so much more of it was read."""
        async with self.busy:
            await anyio.to_thread.run_sync(self._read, place, window, most)
        return self.feed.screen

    def _read(self, place: Place, window: int, most: int) -> None:
        start, until = self.at, place.extent()[1]
        for kind, data, end in place.entries(self.at):
            if kind == SIZED:
                columns, rows = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:], "big")
                self.feed.screen.resize(rows, columns)
            elif kind == SAID:
                (self.feed.skim if until - end > window else self.feed.take)(data)
            self.at = end
            # what has come since may be more than one can ever catch up with
            if end >= until or end - start >= most:
                return


@dataclass(frozen=True, slots=True)
class _Step:
    """What is typed, if a text of `expect` is visible and none of `refuse`."""

    keys: tuple[str, ...] = ()
    text: str | None = None
    mark: tuple[bytes, str] = (_UNMARKED, "")
    expect: tuple[str, ...] | None = None
    refuse: tuple[str, ...] = ()

    def suits(self, screen: "Screen") -> bool:
        """Whether the screen is as it should be."""
        rows = screen.visible()
        return (self.expect is None or _visible(rows, self.expect)) and not (
            _visible(rows, self.refuse)
        )

    def typed(self, screen: "Screen") -> bytes:
        """The bytes that the agent reads."""
        if self.text is None:
            return b"".join(pressed(key, application=screen.application) for key in self.keys)
        text = self.text.encode()
        if not screen.brackets or not text:
            return text
        return b"\x1b[200~" + text.replace(b"\x1b[201~", b"") + b"\x1b[201~"

    def marking(self) -> bytes:
        """The mark, as the host is told it."""
        which, mark = self.mark
        data = mark.encode()
        if not mark.isprintable() or len(data) > _MARK_LIMIT:
            raise BadRequest("a mark must be short and printable")
        return which + bytes([len(data)]) + data


class ProcessKeyboard(Typable, Attended):
    """The part of the process runtime that shows and types."""

    state: Path
    feeds: dict[str, Followed]

    async def screen(self, handle: RuntimeHandle) -> str:
        """What is visible now."""
        return "\n".join((await self.shown(handle)).visible()).rstrip("\n")

    async def paste(
        self, handle: RuntimeHandle, text: str, *, mark: str, refuse: Sequence[str]
    ) -> bool:
        """Paste, bracketed if the agent has asked its terminal for that."""
        step = _Step(text=text, mark=(_PASTED, mark), refuse=_checked(refuse))
        return await self._type(handle, step)

    async def shows(self, handle: RuntimeHandle, texts: Sequence[str]) -> bool:
        """Whether one of the texts is visible."""
        wanted = _checked(texts)
        return bool(wanted) and _visible((await self.shown(handle)).visible(), wanted)

    async def submit(
        self, handle: RuntimeHandle, keys: Sequence[str], *, mark: str,
        expect: Sequence[str], refuse: Sequence[str],
    ) -> bool:  # fmt: skip
        """Press the keys if the screen is as it should be."""
        step = _Step(
            tuple(keys),
            mark=(_SUBMITTED, mark),
            expect=_checked(expect),
            refuse=_checked(refuse),
        )
        return await self._type(handle, step)

    async def press(
        self, handle: RuntimeHandle, keys: Sequence[str], *, expect: Sequence[str]
    ) -> bool:
        """Press the keys if one of the texts is visible."""
        return await self._type(handle, _Step(tuple(keys), expect=_checked(expect) or None))

    async def marks(self, handle: RuntimeHandle) -> Marks:
        """What the host has written down."""
        return self.own_place(handle).marks()

    async def attended(self, handle: RuntimeHandle) -> bool:
        """Whether a person is attached. We read a terminal's log from its files, a line's not."""
        held = held_of(handle)
        if held.piped or not held.is_hosted():
            return False
        async with connected(held) as host:
            return int((await host.status()).get("readers", 0)) > 0

    def place(self, name: str) -> Place:
        """The folder of a session."""
        return Place(self.state / name)

    def own_place(self, handle: RuntimeHandle) -> Place:
        """The folder of this very agent; raises if it is gone."""
        place = self.place(handle.id)
        if not place.is_of(held_of(handle)):
            raise WrongState(f"{handle.id} is gone", hint="`restore` brings it back.")
        return place

    async def shown(self, handle: RuntimeHandle, window: int = _WINDOW) -> "Screen":
        """Its screen as it is now."""
        held, place = held_of(handle), self.own_place(handle)
        if held.piped:
            raise WrongState(f"{handle.id} has no screen: it speaks a protocol")
        return await self._followed(held).catch_up(place, window)

    async def type_text(self, handle: RuntimeHandle, text: str) -> bool:
        """Write a text, whatever is on the screen; False if nobody reads it any more."""
        return await self._type(handle, _Step(text=text))

    def _followed(self, held: Held) -> Followed:
        from ao_plugins.runtime._process.screen import Feed  # pyte is heavy

        if held.token not in self.feeds:
            self.feeds[held.token] = Followed(Feed(*held.size))
        return self.feeds[held.token]

    async def _type(self, handle: RuntimeHandle, step: _Step) -> bool:
        held, marking = held_of(handle), step.marking()
        if not held.runs():
            return False
        try:
            async with connected(held) as host:
                if held.piped:
                    text = (step.text or "").encode()
                    return (await host.ask(b"w", ANYWHERE.to_bytes(8, "big") + text)).done
                return await self._typed(handle, host, step, marking)
        except Unavailable:
            if held.runs() and held.is_hosted():
                raise
            return False
        except WrongState:  # it has ended, or let go of its terminal
            self.own_place(handle)
            return False

    async def _typed(
        self, handle: RuntimeHandle, host: Connection, step: _Step, marking: bytes
    ) -> bool:
        screen = await self.shown(handle)  # most of it, while the agent goes on
        followed, until = self._followed(held_of(handle)), anyio.current_time() + _PATIENCE
        while anyio.current_time() < until:
            end = (await host.ask(b"h", _HOLD.to_bytes(2, "big"))).end
            if followed.at < end:
                screen = await followed.catch_up(self.own_place(handle), _GLANCE, _STEP)
                continue
            if not step.suits(screen):
                await host.ask(b"h", bytes(2))
                return False
            typed = end.to_bytes(8, "big") + marking + step.typed(screen)
            if (await host.ask(b"c", typed)).done:
                return True
        raise Unavailable(f"the screen of {handle.id} did not hold still")


def _checked(texts: Sequence[str]) -> tuple[str, ...]:
    bare = tuple(text.strip() for text in texts)
    if any(not one or not one.isprintable() or len(one) > _TEXT_LIMIT for one in bare):
        raise BadRequest("only a short text within one line can be looked for on a screen")
    return bare


def _visible(rows: Sequence[str], texts: Sequence[str]) -> bool:
    return any(text in row for text in texts for row in rows)
