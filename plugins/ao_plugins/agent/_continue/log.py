"""A conversation as Continue keeps it: one JSON file, written anew whenever something is added.

Its messages have no times of their own; the file's is that of the last.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from ao_core.drive.loose import mapping, number, sequence, text
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.usage import Usage
from ao_core.redact import visible
from ao_core.slots.agent import Asked, Turn
from ao_plugins._tool_uses import tool_line

_INDEX = "sessions.json"
_LONGEST = 64 * 1024 * 1024
_KEPT, _TEXT, _DETAIL = 100, 16_000, 500
_UNTITLED = "Untitled Session"


@dataclass(frozen=True, slots=True)
class Story:
    """What a conversation amounts to."""

    native_id: str | None
    summary: str | None
    usage: Usage
    turns: tuple[Turn, ...]
    last: Activity | None
    asked: Asked | None


def log_in(sessions: Path) -> Path | None:
    """The conversation that was written last."""
    found: list[tuple[int, Path]] = []
    for path in sessions.glob("*.json"):
        try:
            found.append((path.stat().st_mtime_ns, path))
        except OSError:
            continue
    return max((one for one in found if one[1].name != _INDEX), default=(0, None))[1]


def story_of(log: Path) -> Story | None:
    """What is in it; None while it is half written."""
    try:
        about = log.stat()
    except OSError:
        return None
    return _read(log, about.st_mtime_ns) if about.st_size <= _LONGEST else None


@lru_cache(maxsize=64)
def _read(log: Path, written: int) -> Story | None:
    try:
        loaded: object = json.loads(log.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    session, at = mapping(loaded), datetime.fromtimestamp(written // 1000 / 1e6, UTC)
    said = [mapping(one) for one in sequence(session.get("history"))]
    title = text(session.get("title"))
    return Story(
        text(session.get("sessionId")) or None,
        visible(title, _DETAIL) if title and title != _UNTITLED else None,
        _usage(mapping(session.get("usage"))),
        tuple(turn for one in said[-_KEPT:] if (turn := _turn(one))),
        Activity(_state(said[-1]), at, Source.NATIVE) if said else None,
        _asked(said[-1]) if said else None,
    )


def _usage(spent: Mapping[str, Any]) -> Usage:
    """Tokens; its costs are guessed for models it does not know, so they are not taken over."""
    into, out = number(spent.get("promptTokens")), number(spent.get("completionTokens"))
    return Usage(into, out) if into or out else Usage()


def _turn(item: Mapping[str, Any]) -> Turn | None:
    message = mapping(item.get("message"))
    role, said = text(message.get("role")), _said(message.get("content"))
    tools = tuple(tool_line(*_called(call)) for call in _calls(item))
    return Turn(role, visible(said, _TEXT), None, tools) if role and (said or tools) else None


def _state(item: Mapping[str, Any]) -> ActivityState:
    over = mapping(item.get("message")).get("role") == "assistant" and not _calls(item)
    return ActivityState.READY if over else ActivityState.ACTIVE


def _asked(item: Mapping[str, Any]) -> Asked | None:
    """The call that was made and not begun: if it may be is asked at this moment."""
    waiting = next((call for call in _calls(item) if call.get("status") == "generated"), None)
    if waiting is None:
        return None
    name, given = _called(waiting)
    return Asked(name, json.dumps(given, ensure_ascii=False))


def _called(call: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    function = mapping(mapping(call.get("toolCall")).get("function"))
    return text(function.get("name")) or "a tool", mapping(call.get("parsedArgs"))


def _calls(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [mapping(one) for one in sequence(item.get("toolCallStates"))]


def _said(content: object) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(filter(None, (text(mapping(one).get("text")) for one in sequence(content))))
