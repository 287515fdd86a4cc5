"""What is new in a conversation, as lines to print: each thing once, and once more as it changes.

Texts come as they are spoken: their whole lines are told, the rest once nothing will be added.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from ao_core.wire import Message
from ao_mcp.cli.blocks import cell, clean

ITEMS_FIRST = 100
_ENTRIES = 8
_ENTRY = re.compile(r"\[(\w*)\] ?(.*)")
_ORIGIN = re.compile(r"\A\[from (\S+) · \S+ · [0-9a-f]+\]\n")  # as the engine writes it
_TOOL_MARKS = {"completed": ("✓", "green"), "failed": ("✗", "red")}
_ENTRY_MARKS = {"completed": "✓", "in_progress": "▸"}
_ASKED = "bold yellow"


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `prose` may have marks of Markdown; `folded` is cut where the terminal ends."""

    text: str
    mark: str = ""
    style: str = ""
    prose: bool = False
    folded: bool = False


EMPTY = Line("")


class Teller:
    """Remembers what it has told of one session."""

    def __init__(self, session: str) -> None:
        self._session = session
        self._life: object = None
        self._begin()

    def _begin(self) -> None:
        self._texts: dict[int, int] = {}  # how much of each text was told
        self._states: dict[int, str] = {}  # and what of everything else
        self._open: Message | None = None  # the text that may go on
        self._fenced = False
        self._said = ""
        self._requests: set[str] = set()
        self._question: str | None = None

    def told(self, news: Message) -> list[Line]:
        """What is to be printed now."""
        lines = self._reborn(news.get("life"))
        fresh = not (self._texts or self._states)
        # what was said before is told in the order it began, what is new as it changed
        items = sorted(news["items"], key=itemgetter("number" if fresh else "changed"))
        early = items[:-ITEMS_FIRST] if fresh else []
        lines += self._left_out(early)
        for item in items[len(early) :]:
            lines += self._item(item)
        if news["ended"] or not news["turn"]:
            lines += self._close()
        return [*lines, *self._asked(news)]

    def _reborn(self, life: object) -> list[Line]:
        before, self._life = self._life, life
        if before in (None, life):
            return []
        self._begin()
        return [EMPTY, Line("it was brought back; its conversation begins anew", "*", "dim")]

    def _left_out(self, items: Sequence[Message]) -> list[Line]:
        if not items:
            return []
        for item in items:
            self._item(item)
        self._close()
        more = f"{len(items)} earlier; `ao read {self._session} turns` has them"
        return [Line(more, "…", "dim")]

    def _item(self, item: Message) -> list[Line]:
        ends = self._open is not None and item["number"] > self._open["number"]
        tellers: Mapping[str, Callable[[Message], list[Line]]] = {
            "user": self._user, "agent": self._streamed, "thought": self._streamed,
            "tool": self._tool, "plan": self._plan, "permission": self._permission,
        }  # fmt: skip
        closed = self._close() if ends else []
        return [*closed, *tellers.get(item["part"], self._note)(item)]

    def _turned(self, item: Message, state: str) -> bool:
        """Whether this is new of it."""
        before = self._states.get(item["number"])
        self._states[item["number"]] = state
        return state != before

    # -- texts ------------------------------------------------------------------------------------

    def _user(self, item: Message) -> list[Line]:
        lines = self._spoken(item, _ORIGIN.sub(_from, clean(item["text"])))
        return [*([EMPTY] if lines and lines[0].mark else []), *lines]

    def _streamed(self, item: Message) -> list[Line]:
        self._open = item
        text = clean(item["text"])
        return self._spoken(item, text[: text.rfind("\n") + 1])

    def _close(self) -> list[Line]:
        """Nothing will be added: tell the rest."""
        item, self._open = self._open, None
        return self._spoken(item, clean(item["text"])) if item else []

    def _spoken(self, item: Message, text: str) -> list[Line]:
        text, at = text.rstrip("\n"), self._texts.setdefault(item["number"], 0)
        if len(text) <= at:
            return []
        self._texts[item["number"]] = len(text)
        fresh = text[at:].removeprefix("\n") if at else text.lstrip("\n")
        self._fenced = self._fenced and at > 0
        first, *others = fresh.split("\n")
        look = _LOOKS[item["part"]]
        lines = [(first, "" if at else look.mark), *((other, "") for other in others)]
        if item["part"] != "agent":
            return [Line(line, mark, look.style) for line, mark in lines]
        self._said = text
        return [self._agent(line, mark) for line, mark in lines]

    def _agent(self, text: str, mark: str) -> Line:
        if text.lstrip().startswith("```"):
            self._fenced = not self._fenced
            return Line(text, mark, "dim")
        if self._fenced:
            return Line(text, mark, "cyan")
        return Line(text, mark, prose=True)

    # -- everything else --------------------------------------------------------------------------

    def _tool(self, item: Message) -> list[Line]:
        state = cell(item.get("state", ""))
        if not self._turned(item, state):
            return []
        title, detail = cell(item["text"]), cell(item.get("detail", ""))
        mark, style = _TOOL_MARKS.get(state, ("+", "cyan"))
        more = "" if detail in ("", title) else f"  {detail}"
        stands = f" [{state}]" if state else ""
        return [Line(f"{title}{stands}{more}", mark, style, folded=True)]

    def _plan(self, item: Message) -> list[Line]:
        text = clean(item["text"])
        if not self._turned(item, text):
            return []
        entries = [found.groups() for found in map(_ENTRY.match, text.split("\n")) if found]
        done = sum(1 for state, _ in entries if state == "completed")
        left = [one for one in entries if one[0] != "completed"]
        head = Line(f"plan: {done} of {len(entries)} done", "=", "magenta")
        shown = [Line(f"{_ENTRY_MARKS.get(state, '·')} {about}", "", "magenta", folded=True)
                 for state, about in left[:_ENTRIES]]  # fmt: skip
        hidden = len(left) - len(shown)
        more = [Line(f"… {hidden} more", "", "magenta")] if hidden else []
        return [head, *shown, *more]

    def _permission(self, item: Message) -> list[Line]:
        """What became of a request; one that waits is shown with what else waits."""
        state = cell(item.get("state", ""))
        if not self._turned(item, state) or state in ("", "asked"):
            return []
        return [Line(f"{cell(item['text'])} [{state}]", "?", "dim", folded=True)]

    def _note(self, item: Message) -> list[Line]:
        text = clean(item["text"])
        return [Line(text, "*", "dim")] if self._turned(item, text) else []

    # -- what it waits for ------------------------------------------------------------------------

    def _asked(self, news: Message) -> list[Line]:
        lines: list[Line] = []
        for one in news["permissions"]:
            if one["request"] not in self._requests:
                self._requests.add(one["request"])
                lines += self._requested(one)
        asked = question(news)
        if asked != self._question and asked is not None:
            lines += self._questioned(asked)
        self._question = asked
        return lines

    def _requested(self, permission: Message) -> list[Line]:
        arguments = clean(permission["arguments"]).split("\n")
        return [
            Line(f"{self._session} asks to use {cell(permission['tool'])}:", "?", _ASKED),
            *(Line(f"  {line}", "", "yellow") for line in arguments),
            Line(f"  request {cell(permission['request'])}", "", "dim"),
        ]

    def _questioned(self, asked: str) -> list[Line]:
        repeated = asked.strip() == self._said.strip()
        first, *others = ["it waits for your answer"] if repeated else asked.split("\n")
        return [Line(first, "?", _ASKED), *(Line(other, "", _ASKED) for other in others)]


@dataclass(frozen=True, slots=True)
class _Look:
    mark: str
    style: str = ""


_LOOKS = {"user": _Look(">", "bold"), "agent": _Look("●"), "thought": _Look("…", "dim italic")}


def _from(line: re.Match[str]) -> str:
    """Who it is from, in place of the line that proves it; people know what they said."""
    return "" if line[1] == "person" else f"{line[1]}: "


def question(news: Message) -> str | None:
    """What it waits to be told, if anything."""
    asked = news.get("question")
    return clean(asked) if asked and news["status"] == "needs_input" else None
