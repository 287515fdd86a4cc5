"""A conversation as Copilot CLI logs it: JSON lines, one for each event."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ao_core.drive.loose import mapping, moment, number, sequence, text
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.usage import Usage
from ao_core.redact import visible
from ao_core.slots.agent import Turn
from ao_plugins._grown import Grown
from ao_plugins._tool_uses import tool_line

_KEPT, _TEXT, _DETAIL = 100, 16_000, 500
_DOING: Mapping[str, ActivityState] = {
    "user.message": ActivityState.ACTIVE,
    "assistant.turn_start": ActivityState.ACTIVE,
    "tool.execution_start": ActivityState.ACTIVE,
    "tool.execution_complete": ActivityState.ACTIVE,
    "permission.requested": ActivityState.WAITING_INPUT,
    "permission.completed": ActivityState.ACTIVE,
    "user_input.requested": ActivityState.WAITING_INPUT,
    "user_input.completed": ActivityState.ACTIVE,
    "session.error": ActivityState.BLOCKED,
    "abort": ActivityState.READY,
}


@dataclass(slots=True)
class Story:
    """What a log amounts to so far; `calls`: its last message was to be followed by tools."""

    native_id: str | None = None
    summary: str | None = None
    last: Activity | None = None
    usage: Usage = field(default_factory=Usage)
    turns: deque[Turn] = field(default_factory=lambda: deque[Turn](maxlen=_KEPT))
    calls: bool = False


def take(story: Story, line: Mapping[str, Any]) -> Story:
    """One more event; a subagent's tell of its use alone."""
    kind, data, at = line.get("type"), mapping(line.get("data")), moment(line.get("timestamp"))
    if kind == "session.usage_record":
        _count(story, mapping(data.get("usage")))
    if at is None or line.get("agentId"):
        return story
    match kind:
        case "session.start":
            story.native_id = text(data.get("sessionId"), 200) or None
        case "session.title_changed":
            story.summary = visible(text(data.get("title"), _DETAIL), _DETAIL) or None
        case "user.message" | "assistant.message":
            _message(story, kind, data, at)
        case "assistant.turn_end" if not story.calls:
            said = story.turns[-1].text[:_DETAIL] if story.turns else None
            story.last = Activity(ActivityState.READY, at, Source.NATIVE, said)
        case _:
            pass
    _does(story, str(kind), data, at)
    return story


stories: Grown[Story] = Grown(Story, take)


def _does(story: Story, kind: str, data: Mapping[str, Any], at: datetime) -> None:
    if kind in _DOING and not data.get("resolvedByHook"):
        said = visible(text(data.get("message"), _DETAIL), _DETAIL) or None
        story.last = Activity(_DOING[kind], at, Source.NATIVE, said)


def _message(story: Story, kind: str, data: Mapping[str, Any], at: datetime) -> None:
    asked = [mapping(one) for one in sequence(data.get("toolRequests"))]
    tools = tuple(tool_line(one.get("name"), one.get("arguments")) for one in asked)
    story.calls = bool(tools)
    said = visible(text(data.get("content"), _TEXT), _TEXT)
    if said or tools:
        story.turns.append(Turn(kind.partition(".")[0], said, at, tools))


def _count(story: Story, used: Mapping[str, Any]) -> None:
    into, out = (number(used.get(name)) for name in ("inputTokens", "outputTokens"))
    story.usage = story.usage.plus(Usage(into, out))
