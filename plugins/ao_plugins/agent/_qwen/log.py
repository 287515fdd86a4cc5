"""A conversation as Qwen Code logs it: JSON lines, one for each message."""

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

_LAST, _TEXT, _DETAIL = 100, 16_000, 500


@dataclass(slots=True)
class Story:
    """What a log amounts to so far."""

    native_id: str | None = None
    summary: str | None = None  # it gives no title
    last: Activity | None = None
    turns: deque[Turn] = field(default_factory=lambda: deque[Turn](maxlen=_LAST))
    usage: Usage = field(default_factory=Usage)


def take(story: Story, line: Mapping[str, Any]) -> Story:
    """One more line."""
    story.native_id = story.native_id or text(line.get("sessionId")) or None
    at, kind = moment(line.get("timestamp")), line.get("type")
    if at is None or line.get("isSidechain"):
        return story
    if kind in ("user", "assistant"):
        story.last = _message(story, line, at, str(kind))
    elif kind == "tool_result":
        story.last = Activity(ActivityState.ACTIVE, at, Source.NATIVE)
    elif line.get("subtype") == "ui_telemetry":
        told = mapping(line.get("systemPayload")).get("uiEvent")
        story.usage = story.usage.plus(_used(mapping(told)))
    return story


stories: Grown[Story] = Grown(Story, take)


def _message(story: Story, line: Mapping[str, Any], at: datetime, role: str) -> Activity:
    parts = [mapping(part) for part in sequence(mapping(line.get("message")).get("parts"))]
    said = "\n".join(text(part.get("text")) for part in parts if _is_said(part))
    calls = [mapping(part["functionCall"]) for part in parts if part.get("functionCall")]
    if said or calls:
        tools = tuple(tool_line(one.get("name"), one.get("args")) for one in calls)
        story.turns.append(Turn(role, visible(said, _TEXT), at, tools))
    over = role == "assistant" and not calls
    state = ActivityState.READY if over else ActivityState.ACTIVE
    return Activity(state, at, Source.NATIVE, visible(said, _DETAIL) or None)


def _is_said(part: Mapping[str, Any]) -> bool:
    return bool(part.get("text")) and not part.get("thought")


def _used(told: Mapping[str, Any]) -> Usage:
    """By one answer of its model, also to what it asked beside its conversation."""
    if told.get("event.name") != "qwen-code.api_response":
        return Usage()
    return Usage(number(told.get("input_token_count")), number(told.get("output_token_count")))
