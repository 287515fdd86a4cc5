"""What the terminal sends, as keys, typed text and pastes; however it is cut into pieces."""

import codecs
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

_PASTE, _PASTE_END = "\x1b[200~", "\x1b[201~"
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|[^\[O])", re.DOTALL)
_TEXT = re.compile(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_NAMES = {
    "\r": "enter",
    "\x7f": "backspace",
    "\x08": "backspace",
    "\x15": "clear",
    "\x03": "interrupt",
    "\x04": "end",
    "\x1b": "escape",
}


class Key(NamedTuple):
    """One thing that came in."""

    kind: Literal["key", "text", "paste"]
    value: str


class Keyboard:
    """Puts together what was read."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._left = ""

    @property
    def undecided(self) -> bool:
        """Whether an Escape may yet turn out to be the beginning of something longer."""
        return self._left == "\x1b"

    def feed(self, data: bytes) -> Iterator[Key]:
        """The keys that are complete now."""
        self._left += self._decoder.decode(data)
        while (key := self._next()) is not None:
            if key.value:
                yield key

    def settle(self) -> Iterator[Key]:
        """Nothing followed: it was the Escape key."""
        if self.undecided:
            self._left = ""
            yield Key("key", "escape")

    def _next(self) -> Key | None:
        if self._left.startswith(_PASTE):
            return self._paste()
        if self._left.startswith("\x1b"):
            return self._sequence()
        if found := _TEXT.match(self._left):
            return Key("text", self._take(found.end()))
        return Key("key", _NAMES.get(self._take(1), "")) if self._left else None

    def _paste(self) -> Key | None:
        end = self._left.find(_PASTE_END)
        if end < 0:
            return None
        pasted = self._take(end)[len(_PASTE) :]
        self._take(len(_PASTE_END))
        pasted = pasted.replace("\r\n", "\n").replace("\r", "\n")
        return Key("paste", _CONTROLS.sub("", pasted))

    def _sequence(self) -> Key | None:
        found = _SEQUENCE.match(self._left)
        if found is None:  # more of it is on its way
            return None
        self._take(found.end())
        return Key("key", "")

    def _take(self, count: int) -> str:
        taken, self._left = self._left[:count], self._left[count:]
        return taken
