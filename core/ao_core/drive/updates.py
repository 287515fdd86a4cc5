"""What `session/update` tells of: text, tools, the plan. Kinds not known yet are let be."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ao_core.drive.loose import mapping, sequence, text
from ao_core.drive.transcript import Part, Transcript

_CHUNK = 20_000
_TITLE = 500
_DETAIL = 4_000
_CURRENCY, _RICHEST = "USD", 1e9


@dataclass(frozen=True, slots=True)
class Update:
    """What concerns more than the transcript."""

    mode: str | None = None
    cost_usd: float | None = None


def fold(transcript: Transcript, update: Mapping[str, Any]) -> Update:
    """Take one update in."""
    known = _KINDS.get(text(update.get("sessionUpdate"), 100))
    return (known(transcript, update) if known else None) or Update()


def _chunk(part: Part) -> Callable[[Transcript, Mapping[str, Any]], None]:
    def fold(transcript: Transcript, update: Mapping[str, Any]) -> None:
        said = shown(update.get("content"))
        if said:
            transcript.chunk(part, said)

    return fold


def _tool(transcript: Transcript, update: Mapping[str, Any]) -> None:
    id = text(update.get("toolCallId"), 200)
    title, state = text(update.get("title"), _TITLE), text(update.get("status"), 40)
    said = "\n".join(filter(None, map(_content, sequence(update.get("content")))))
    detail = said or _raw(update.get("rawOutput")) or _raw(update.get("rawInput"))
    transcript.set(Part.TOOL, id, title, state, detail[:_DETAIL])


def _content(given: object) -> str:
    content = mapping(given)
    if content.get("type") == "diff":
        return f"changes {text(content.get('path'), _TITLE)}"
    return shown(content.get("content"))


def _raw(given: object) -> str:
    return "" if given is None else json.dumps(given, ensure_ascii=False)[:_DETAIL]


def _plan(transcript: Transcript, update: Mapping[str, Any]) -> None:
    entries = [mapping(entry) for entry in sequence(update.get("entries"))]
    lines = [f"[{text(one.get('status'), 20)}] {text(one.get('content'), 300)}" for one in entries]
    transcript.set(Part.PLAN, "plan", "\n".join(lines))


def _mode(transcript: Transcript, update: Mapping[str, Any]) -> Update:
    return Update(mode=text(update.get("currentModeId"), 200) or None)


def _usage(transcript: Transcript, update: Mapping[str, Any]) -> Update:
    cost = mapping(update.get("cost"))
    if cost.get("currency") != _CURRENCY:
        return Update()
    return Update(cost_usd=_bounded(cost.get("amount")))


def _bounded(amount: object) -> float | None:
    """A number that can be one of money, or nothing."""
    if isinstance(amount, bool) or not isinstance(amount, int | float):
        return None
    return float(amount) if 0 <= amount <= _RICHEST else None


_KINDS: Mapping[str, Callable[[Transcript, Mapping[str, Any]], Update | None]] = {
    "user_message_chunk": _chunk(Part.USER),
    "agent_message_chunk": _chunk(Part.AGENT),
    "agent_thought_chunk": _chunk(Part.THOUGHT),
    "tool_call": _tool,
    "tool_call_update": _tool,
    "plan": _plan,
    "current_mode_update": _mode,
    "usage_update": _usage,
}


def shown(content: object) -> str:
    """A content block as text; what is no text is named."""
    block = mapping(content)
    kind = text(block.get("type"), 40)
    if kind == "text":
        return text(block.get("text"), _CHUNK)
    return f"[{kind}]" if kind else ""
