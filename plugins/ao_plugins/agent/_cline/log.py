"""A conversation as cline keeps it: one file of messages, which is written anew each time."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ao_core.drive.loose import mapping, sequence, text
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.usage import Usage
from ao_core.redact import visible
from ao_core.slots.agent import Turn

_LARGEST = 64 * 1024 * 1024
_KEPT, _TEXT, _DETAIL = 100, 16_000, 500
_WRAPPED = re.compile(r"\s*<user_input[^>]*>(.*)</user_input>\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Story:
    """What is kept of one session."""

    native_id: str
    summary: str | None
    usage: Usage
    turns: Sequence[Turn]
    last: Activity | None


def story(sessions: Path, native_id: str | None) -> Story | None:
    """The session of that id, or else the newest that a person or we began."""
    folder = sessions / native_id if native_id else _newest(sessions)
    if folder is None:
        return None
    kept = _loaded(folder / f"{folder.name}.messages.json")
    if not kept:
        return None
    about = mapping(_loaded(folder / f"{folder.name}.json").get("metadata"))
    summary = visible(text(about.get("title"), _DETAIL), _DETAIL) or None
    return Story(folder.name, summary, _usage(about), *_told(sequence(kept.get("messages"))))


def unwrapped(said: str) -> str:
    """What somebody said, without what cline puts around it."""
    found = _WRAPPED.fullmatch(said)
    return found[1] if found else said


def _newest(sessions: Path) -> Path | None:
    """By their names, which begin with the time; those of agents of its own end otherwise."""
    try:
        names = [one.name for one in sessions.iterdir() if "__" not in one.name]
    except OSError:
        return None
    return sessions / max(names) if names else None


def _told(messages: Sequence[object]) -> tuple[Sequence[Turn], Activity | None]:
    turns, last = list[Turn](), None
    for message in map(mapping, messages[-_KEPT:]):
        at, role, parts = _time(message.get("ts")), message.get("role"), _parts(message)
        if at is None or role not in ("user", "assistant"):
            continue
        said = visible(unwrapped("\n".join(filter(None, map(_text, parts)))), _TEXT)
        tools = tuple(visible(one, _DETAIL) for one in map(_tool, parts) if one)
        if said or tools:
            turns.append(Turn(str(role), said, at, tools))
        rests = role == "assistant" and not tools
        state = ActivityState.READY if rests else ActivityState.ACTIVE
        last = Activity(state, at, Source.NATIVE, said[:_DETAIL] or None)
    return tuple(turns), last


def _parts(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    given: object = message.get("content")
    if isinstance(given, str):
        return [{"type": "text", "text": given}]
    return [mapping(part) for part in sequence(given)]


def _text(part: Mapping[str, Any]) -> str:
    return text(part.get("text"), _TEXT) if part.get("type") == "text" else ""


def _tool(part: Mapping[str, Any]) -> str:
    if part.get("type") != "tool_use":
        return ""
    given = json.dumps(part.get("input"), ensure_ascii=False)
    return f"{text(part.get('name'), 200)} {given}"


def _usage(about: Mapping[str, Any]) -> Usage:
    """With what its own agents have used."""
    used = mapping(about.get("aggregateUsage")) or mapping(about.get("usage"))
    tokens = _count(used.get("inputTokens")), _count(used.get("outputTokens"))
    return Usage(*tokens, _cost(used.get("totalCost")))


def _cost(value: object) -> float | None:
    """It says 0 where it has no price."""
    return float(value) if isinstance(value, int | float) and 0 < value < 10**9 else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 10**15 else None


def _time(stamp: object) -> datetime | None:
    if not isinstance(stamp, int) or not 0 < stamp < 10**14:
        return None
    return datetime.fromtimestamp(stamp / 1000, UTC)


def _loaded(file: Path) -> Mapping[str, Any]:
    try:
        if file.stat().st_size > _LARGEST:
            return {}
        return mapping(json.loads(file.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return {}
