"""What a conversation looks like to people: who said what, which tools were used, what was asked.

All of it comes from outside. It is kept within bounds, and whoever shows it escapes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

_ITEMS = 400
_TEXT = 20_000
_ALL = 200_000
_CUT = "\n[…]"


class Part(StrEnum):
    """What an item is."""

    USER = "user"
    AGENT = "agent"
    THOUGHT = "thought"
    TOOL = "tool"
    PLAN = "plan"
    PERMISSION = "permission"
    NOTE = "note"


@dataclass(slots=True)
class Item:
    """One thing in the conversation. `number` grows; `changed` is the count of the last change."""

    number: int
    part: Part
    text: str
    id: str = ""
    state: str = ""
    detail: str = ""
    changed: int = 0


@dataclass(slots=True)
class Transcript:
    """The last items, oldest first."""

    items: list[Item] = field(default_factory=list[Item])
    added: int = 0
    changes: int = 0
    open: bool = False  # whether a further chunk of the same kind belongs to the last item

    def add(
        self, part: Part, text: str, *, id: str = "", state: str = "", detail: str = ""
    ) -> Item:
        """One more."""
        item = Item(self.added, part, _cut(text), id, state, _cut(detail))
        self.items.append(item)
        self.added, self.open = self.added + 1, False
        self._forget()
        return self._touched(item)

    def _forget(self) -> None:
        """Let the oldest go, where it has become too many or too much."""
        room, kept = _ALL, 0
        for item in reversed(self.items[-_ITEMS:]):
            room -= len(item.text) + len(item.detail)
            if room < 0 and kept:
                break
            kept += 1
        del self.items[:-kept]

    def chunk(self, part: Part, text: str) -> None:
        """A piece of text that goes on where the last one ended."""
        last = self.items[-1] if self.items else None
        if last is None or last.part is not part or not self.open:
            self.add(part, text)
        elif len(last.text) < _TEXT:
            last.text = _cut(last.text + text)
            self._touched(last)
        self.open = True

    def set(self, part: Part, id: str, text: str, state: str = "", detail: str = "") -> None:
        """Something that changes as it goes on: what is given anew replaces what was known."""
        for item in reversed(self.items):
            if item.part is part and item.id == id:
                item.text, item.state = _cut(text) or item.text, state or item.state
                item.detail = _cut(detail) or item.detail
                self._touched(item)
                return
        self.add(part, text, id=id, state=state, detail=detail)

    def halve(self) -> None:
        """Let the older half go."""
        del self.items[: (len(self.items) + 1) // 2]

    def since(self, change: int) -> Sequence[Item]:
        """What is new, or different, after so many changes."""
        return [item for item in self.items if item.changed > change]

    def reply(self) -> str:
        """What the agent said last since it was told something; it may have said nothing."""
        said = (one for one in reversed(self.items) if one.part in (Part.AGENT, Part.USER))
        last = next(said, None)
        return last.text if last is not None and last.part is Part.AGENT else ""

    def _touched(self, item: Item) -> Item:
        self.changes += 1
        item.changed = self.changes
        return item


_MARKS: Mapping[Part, str] = {
    Part.USER: ">", Part.AGENT: "●", Part.THOUGHT: "…", Part.TOOL: "+",
    Part.PLAN: "=", Part.PERMISSION: "?", Part.NOTE: "*",
}  # fmt: skip


def rendered(items: Sequence[Item]) -> str:
    """The conversation as plain text."""
    return "\n".join(_lines(item) for item in items)


def _lines(item: Item) -> str:
    state = f" [{item.state}]" if item.state else ""
    first, *rest = f"{item.text}{state}".split("\n")
    return "\n".join([f"{_MARKS[item.part]} {first}", *(f"  {line}" for line in rest)])


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT else text[: _TEXT - len(_CUT)] + _CUT
