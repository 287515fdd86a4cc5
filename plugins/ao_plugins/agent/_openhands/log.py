"""A conversation as OpenHands keeps it: a file with its state, and one for each event."""

import json
import re
from collections.abc import Mapping, Sequence
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

_STATE, _EVENTS = "base_state.json", "events/event-*.json"
_LONGEST = 8 * 1024 * 1024
_KEPT, _TEXT, _DETAIL = 60, 16_000, 500
_SPENT = re.compile(r"exceeded your current quota|insufficient_quota|credit balance", re.IGNORECASE)
_DOES = {
    "running": ActivityState.ACTIVE,
    "waiting_for_confirmation": ActivityState.WAITING_INPUT,
    "error": ActivityState.BLOCKED,
    "stuck": ActivityState.BLOCKED,
}


@dataclass(frozen=True, slots=True)
class Story:
    """What a conversation amounts to."""

    native_id: str
    usage: Usage
    last: Activity | None  # none: a turn is about to begin, or was broken off
    turns: tuple[Turn, ...] = ()
    asked: Asked | None = None
    summary: str | None = None  # it gives no title


def story_in(conversations: Path) -> Story | None:
    """The conversation that was written last."""
    found = [(_written(state), state) for state in conversations.glob(f"*/{_STATE}")]
    at, state = max(found, default=(0, None))
    if state is None:
        return None
    told = _read(state, at)
    id, status = text(told.get("id"), 80), text(told.get("execution_status"), 80)
    if not id:
        return None
    events = [_read(one, _written(one)) for one in sorted(state.parent.glob(_EVENTS))[-_KEPT:]]
    turns = tuple(turn for one in events if (turn := _turn(one)))
    does, when = _DOES.get(status, ActivityState.READY), datetime.fromtimestamp(at / 1e9, UTC)
    blocked = does is ActivityState.BLOCKED
    begins = status == "idle" and (not turns or turns[-1].role == "user")
    last = Activity(does, when, Source.NATIVE, _trouble(events) if blocked else None)
    return Story(
        id,
        _usage(mapping(mapping(told.get("stats")).get("usage_to_metrics"))),
        None if begins else last,
        turns,
        _asked(events) if does is ActivityState.WAITING_INPUT else None,
    )


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=2_000)
def _read(path: Path, written: int) -> Mapping[str, Any]:
    """A file, which is read once as long as nothing is written to it."""
    try:
        with path.open("rb") as file:
            return mapping(json.loads(file.read(_LONGEST)))
    except (OSError, ValueError, RecursionError):
        return {}


def _usage(metrics: Mapping[str, Any]) -> Usage:
    """Of all its models; a cost of nothing is one it does not know."""
    used = Usage()
    for one in map(mapping, metrics.values()):
        tokens, cost = mapping(one.get("accumulated_token_usage")), one.get("accumulated_cost")
        price = float(cost) if isinstance(cost, int | float) and 0 < cost < 10**6 else None
        into, out = (number(tokens.get(f"{part}_tokens")) or 0 for part in ("prompt", "completion"))
        used = used.plus(Usage(into, out, price) if into or out else Usage())
    return used


def _turn(event: Mapping[str, Any]) -> Turn | None:
    at, message = _time(event), mapping(event.get("llm_message"))
    match event.get("kind"):
        case "MessageEvent" if said := _said(message.get("content")):
            return Turn(text(message.get("role"), 20), visible(said, _TEXT), at)
        case "ActionEvent" if event.get("tool_name") == "finish":
            said = text(mapping(event.get("action")).get("message"), _TEXT)
            return Turn("assistant", visible(said, _TEXT), at) if said else None
        case "ActionEvent":
            said = _said(event.get("thought"))
            tool = visible(text(event.get("summary"), _DETAIL), _DETAIL)
            return Turn("assistant", visible(said, _TEXT), at, (tool,) if tool else ())
        case _:
            return None


def _asked(events: Sequence[Mapping[str, Any]]) -> Asked | None:
    """The actions nothing has come of yet: it asks for all of them at once."""
    over = {event.get("tool_call_id") for event in events if event.get("kind") != "ActionEvent"}
    acts = [event for event in events if event.get("kind") == "ActionEvent"]
    open = [event for event in acts if event.get("tool_call_id") not in over]
    if not open:
        return None
    about = [_about(mapping(one.get("action"))) for one in open]
    return Asked(", ".join(text(one.get("tool_name"), 80) for one in open), "\n".join(about))


def _about(action: Mapping[str, Any]) -> str:
    told = {name: value for name, value in action.items() if name != "kind" and value}
    return json.dumps(told, ensure_ascii=False)


def _trouble(events: Sequence[Mapping[str, Any]]) -> str | None:
    """What it says went wrong; that a quota is used up, in the words that are known for it."""
    found = (text(one.get("detail"), _DETAIL) or text(one.get("error"), _DETAIL)
             for one in reversed(events) if "Error" in str(one.get("kind")))  # fmt: skip
    said = next((visible(one, _DETAIL) for one in found if one), None)
    return f"Quota exceeded: {said}" if said and _SPENT.search(said) else said


def _said(content: object) -> str:
    parts = (text(mapping(one).get("text"), _TEXT) for one in sequence(content))
    return "\n".join(filter(None, parts)).strip()


def _time(event: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(text(event.get("timestamp"), 40)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
