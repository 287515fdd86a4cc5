"""A conversation as Claude Code logs it: JSON lines, one for each piece of a message."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from ao_core.drive.loose import mapping
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.usage import Usage
from ao_core.redact import visible
from ao_core.slots.agent import Turn
from ao_plugins._grown import Grown
from ao_plugins._tool_uses import parts_of

_KEPT, _TEXT, _DETAIL = 100, 16_000, 500
_OVER = ("end_turn", "stop_sequence", "refusal")


@dataclass(slots=True)
class Story:
    """What a log amounts to so far."""

    native_id: str | None = None
    summary: str | None = None
    last: Activity | None = None
    cost: float | None = None
    turns: deque[Turn] = field(default_factory=lambda: deque[Turn](maxlen=_KEPT))
    spent: tuple[int, int] = (0, 0)
    current: tuple[str, int, int] = ("", 0, 0)  # one message takes several lines

    @property
    def usage(self) -> Usage:
        """Tokens in all; nothing where no answer has told of any."""
        if not self.current[0]:
            return Usage(cost_usd=self.cost)
        into, out = self.spent[0] + self.current[1], self.spent[1] + self.current[2]
        return Usage(into, out, self.cost)


def take(story: Story, line: Mapping[str, Any]) -> Story:
    """One more line."""
    story.native_id = story.native_id or _text(line.get("sessionId")) or None
    match line.get("type"):
        case "user" | "assistant" if not line.get("isMeta"):
            _message(story, line)
        case "summary":
            story.summary = visible(_text(line.get("summary")), _DETAIL)
        case "cost-state":
            cost = line.get("totalCostUSD")
            story.cost = float(cost) if isinstance(cost, int | float) else story.cost
        case _:
            pass
    return story


stories: Grown[Story] = Grown(Story, take)


def _message(story: Story, line: Mapping[str, Any]) -> None:
    at, message = _time(line), mapping(line.get("message"))
    if at is None or line.get("isSidechain"):
        return
    role, said = str(line["type"]), _said(line)
    tools = tuple(_tool(part) for part in parts_of(line) if part.get("type") == "tool_use")
    if said or tools:
        story.turns.append(Turn(role, visible(said, _TEXT), at, tools))
    if role == "assistant":
        _count(story, message)
    broken_off = role == "user" and said.startswith("[Request interrupted by user")
    state = _state(line, role, broken_off, str(message.get("stop_reason")))
    detail = visible(said, _DETAIL) or None
    story.last = Activity(state, at, Source.NATIVE, detail, over=broken_off)


def _state(line: Mapping[str, Any], role: str, broken_off: bool, stop: str) -> ActivityState:
    if line.get("isApiErrorMessage"):
        return ActivityState.BLOCKED
    over = role == "assistant" and stop in _OVER
    return ActivityState.READY if over or broken_off else ActivityState.ACTIVE


def _count(story: Story, message: Mapping[str, Any]) -> None:
    used, id = mapping(message.get("usage")), _text(message.get("id"))
    if not used or not id:
        return
    parts = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    into, out = sum(_number(used.get(one)) for one in parts), _number(used.get("output_tokens"))
    if id != story.current[0]:
        story.spent = (story.spent[0] + story.current[1], story.spent[1] + story.current[2])
    story.current = (id, into, out)


def _said(line: Mapping[str, Any]) -> str:
    inside = mapping(line.get("message")).get("content")
    if isinstance(inside, str):
        return inside
    return "\n".join(_text(part.get("text")) for part in parts_of(line) if "text" in part)


def _tool(part: Mapping[str, Any]) -> str:
    given = cast("dict[str, object]", mapping(part.get("input")))
    about = next((value for value in given.values() if isinstance(value, str)), "")
    return visible(f"{_text(part.get('name'))} {about}".strip(), _DETAIL)


def _number(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 10**12 else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _time(line: Mapping[str, Any]) -> datetime | None:
    try:
        at = datetime.fromisoformat(_text(line.get("timestamp")))
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None
