"""The draft at the bottom of the screen, and the envelope a message may come in."""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

_ENVELOPE = re.compile(
    r"\s*\[(?P<token>[A-Za-z0-9]{1,64})\]\s(?P<body>.*)\s\[/(?P=token)\]\s*", re.DOTALL
)
_ORIGIN = re.compile(r"\s*\[from [^\]\n]* · [^\]\n]* · [0-9a-f]+\]\n")
_FOLD_LINES, _FOLD_LENGTH = 3, 800


class Letter(NamedTuple):
    """A message that was submitted, and the line it came with that says who it is from."""

    text: str
    token: str | None
    origin: str = ""


class Part(NamedTuple):
    """A piece of the draft: what is shown, and what it stands for."""

    shown: str
    meant: str


@dataclass(slots=True)
class Draft:
    """What has been typed and not yet submitted. The cursor is always at its end."""

    fold: bool = False
    _parts: list[Part] = field(default_factory=list[Part])
    _pastes: int = 0

    @property
    def shown(self) -> str:
        """As the composer shows it."""
        return "".join(part.shown for part in self._parts)

    def type(self, text: str) -> None:
        """Add typed text."""
        self._parts.append(Part(text, text))

    def paste(self, text: str) -> None:
        """Add pasted text; a long one is shown folded, if that is how this agent is."""
        lines = text.count("\n")
        if not self.fold or (lines < _FOLD_LINES and len(text) < _FOLD_LENGTH):
            return self.type(text)
        self._pastes += 1
        self._parts.append(Part(f"[Pasted text #{self._pastes} +{lines} lines]", text))

    def backspace(self) -> None:
        """Take away the last character, or a folded paste as a whole."""
        if not self._parts:
            return
        last = self._parts.pop()
        if last.shown == last.meant and len(last.shown) > 1:
            self.type(last.shown[:-1])

    def clear(self) -> None:
        """Take everything away."""
        self._parts.clear()

    def take(self) -> Letter | None:
        """Submit: the message, or None if there is none."""
        meant = "".join(part.meant for part in self._parts)
        self.clear()
        return opened(meant) if meant.strip() else None


def opened(text: str) -> Letter:
    """A message without its envelope."""
    found = _ENVELOPE.fullmatch(text)
    if found is None:
        return Letter(text.strip(), None)
    body = bare(found["body"])
    return Letter(body, found["token"], found["body"].removesuffix(body))


def bare(text: str) -> str:
    """A message without the line that says who it is from."""
    return _ORIGIN.sub("", text, count=1) if _ORIGIN.match(text) else text
