"""A conversation as Claude Code logs it: JSON lines, one for each piece of a message."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ao_core.drive.loose import mapping, moment, number, text
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.usage import Usage
from ao_core.redact import visible
from ao_core.slots.agent import Turn
from ao_plugins._grown import Grown
from ao_plugins._tool_uses import parts_of, tool_line

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
    story.native_id = story.native_id or text(line.get("sessionId")) or None
    match line.get("type"):
        case "user" | "assistant" if not line.get("isMeta"):
            _message(story, line)
        case "summary":
            story.summary = visible(text(line.get("summary")), _DETAIL)
        case "cost-state":
            cost = line.get("totalCostUSD")
            story.cost = float(cost) if isinstance(cost, int | float) else story.cost
        case _:
            pass
    return story


stories: Grown[Story] = Grown(Story, take)


def _message(story: Story, line: Mapping[str, Any]) -> None:
    at, message = moment(line.get("timestamp")), mapping(line.get("message"))
    if at is None or line.get("isSidechain"):
        return
    role, said = str(line["type"]), _said(line)
    uses = [part for part in parts_of(line) if part.get("type") == "tool_use"]
    tools = tuple(tool_line(use.get("name"), use.get("input")) for use in uses)
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
    used, id = mapping(message.get("usage")), text(message.get("id"))
    if not used or not id:
        return
    parts = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    into = sum(number(used.get(one)) or 0 for one in parts)
    out = number(used.get("output_tokens")) or 0
    if id != story.current[0]:
        story.spent = (story.spent[0] + story.current[1], story.spent[1] + story.current[2])
    story.current = (id, into, out)


def _said(line: Mapping[str, Any]) -> str:
    inside = mapping(line.get("message")).get("content")
    if isinstance(inside, str):
        return inside
    return "\n".join(text(part.get("text")) for part in parts_of(line) if "text" in part)
