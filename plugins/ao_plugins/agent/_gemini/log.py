"""A conversation as Gemini CLI logs it: JSON lines, of which one may replace the one before it."""

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ao_core.drive.loose import mapping, moment, number, sequence, text
from ao_core.files import write_atomic
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.usage import Usage
from ao_core.redact import visible
from ao_core.slots.agent import Turn
from ao_plugins._grown import Grown
from ao_plugins._tool_uses import tool_line

_LAST, _TEXT, _DETAIL = 100, 16_000, 500
_KEPT = "kept"
_ROLES = {"user": "user", "gemini": "assistant"}
_CONTEXT = "<session_context>"  # which it tells itself
_CANCELLED = "Request cancelled."


@dataclass(slots=True)
class Story:
    """What a log amounts to so far; `shown` is the message whose turn is the last."""

    native_id: str | None = None
    summary: str | None = None
    last: Activity | None = None
    turns: deque[Turn] = field(default_factory=lambda: deque[Turn](maxlen=_LAST))
    shown: str = ""
    spent: tuple[int, int] = (0, 0)
    current: tuple[str, int, int] = ("", 0, 0)  # a message is written again with what it called

    @property
    def usage(self) -> Usage:
        """Tokens in all; nothing where no answer has told of any."""
        if not self.current[0]:
            return Usage()
        return Usage(self.spent[0] + self.current[1], self.spent[1] + self.current[2])


def take(story: Story, line: Mapping[str, Any]) -> Story:
    """One more line."""
    story.native_id = story.native_id or text(line.get("sessionId")) or None
    told = text(mapping(line.get("$set")).get("summary"))
    story.summary = visible(told, _DETAIL) if told else story.summary
    at, said = moment(line.get("timestamp")), _said(line)
    if at is not None and not said.startswith(_CONTEXT):
        _heard(story, line, at, said)
    return story


stories: Grown[Story] = Grown(Story, take)


def logs_in(home: Path, id: str) -> Sequence[Path]:
    """The conversation with this id, and what was begun in vain under it later."""
    found = (home / "tmp").glob(f"*/chats/session-*-{id[:8]}.jsonl")
    return sorted(found, key=lambda log: (_KEPT not in log.name, log.name))


def mend(log: Path) -> None:
    """Make it one that can be taken up again.

    Gemini CLI writes down each result of a tool twice, of which its model wants to hear once; and
    what it begins anew within the minute of this one's beginning, it would begin in this file.
    """
    *name, id = log.name.split("-")
    lines = log.read_bytes().split(b"\n")
    if any(_object(line).get("type") in _ROLES for line in lines):
        kept = log if _KEPT in name else log.with_name("-".join((*name, _KEPT, id)))
        write_atomic(kept, b"\n".join(_once(lines)))
        if kept == log:
            return
    log.unlink()


def _once(lines: Sequence[bytes]) -> Iterator[bytes]:
    answered: set[object] = set()
    for line in lines:
        said = _object(line)
        anew = sequence(mapping(said.get("$set")).get("messages"))  # all that was said, in a line
        if not anew:
            if not _is_known(said, answered):
                yield line
            continue
        answered = set()
        kept = [one for one in anew if not _is_known(mapping(one), answered)]
        yield json.dumps({**said, "$set": {**said["$set"], "messages": kept}}).encode()


def _is_known(said: Mapping[str, Any], answered: set[object]) -> bool:
    """Whether it has nothing but results that stand with their calls."""
    answered |= {mapping(one).get("id") for one in sequence(said.get("toolCalls"))}
    parts = sequence(said.get("content"))
    ids = [mapping(mapping(part).get("functionResponse")).get("id") for part in parts]
    return said.get("type") == "user" and bool(ids) and all(id in answered for id in ids)


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        return mapping(json.loads(line))
    except (ValueError, RecursionError):
        return {}


def _heard(story: Story, line: Mapping[str, Any], at: datetime, said: str) -> None:
    detail = visible(said, _DETAIL) or None
    match line.get("type"):
        case "user" | "gemini":
            story.last = _message(story, line, at, said)
        case "error":
            story.last = Activity(ActivityState.BLOCKED, at, Source.NATIVE, detail)
        case "info" if said == _CANCELLED:
            story.last = Activity(ActivityState.READY, at, Source.NATIVE, detail, over=True)
        case _:
            pass


def _message(story: Story, line: Mapping[str, Any], at: datetime, said: str) -> Activity | None:
    role, id = _ROLES[line["type"]], text(line.get("id"))
    calls = [mapping(one) for one in sequence(line.get("toolCalls"))]
    tools = tuple(tool_line(one.get("name"), one.get("args")) for one in calls)
    if said or tools:
        if id and id == story.shown:
            story.turns.pop()
        story.turns.append(Turn(role, visible(said, _TEXT), at, tools))
        story.shown = id
    _count(story, id, mapping(line.get("tokens")))
    if role == "assistant" and said and not tools:  # whether a tool follows, nobody knows yet
        return None
    detail = visible(said, _DETAIL) or None
    return Activity(ActivityState.ACTIVE, at, Source.NATIVE, detail)


def _count(story: Story, id: str, tokens: Mapping[str, Any]) -> None:
    if not tokens or not id:
        return
    into, out = (
        sum(number(tokens.get(part)) or 0 for part in parts)
        for parts in (("input", "tool"), ("output", "thoughts"))
    )
    if id != story.current[0]:
        story.spent = (story.spent[0] + story.current[1], story.spent[1] + story.current[2])
    story.current = (id, into, out)


def _said(line: Mapping[str, Any]) -> str:
    inside = line.get("displayContent") or line.get("content")
    if isinstance(inside, str):
        return inside
    texts = (text(mapping(part).get("text")) for part in sequence(inside))
    return "\n".join(text for text in texts if text)
