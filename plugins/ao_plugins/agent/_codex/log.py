"""A conversation as Codex logs it: its rollout, a line for each thing that happened."""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from glob import escape
from pathlib import Path
from typing import Any

from ao_core.drive.loose import mapping, moment, number, sequence, text
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.usage import Usage
from ao_core.redact import visible
from ao_core.slots.agent import Launch, Turn
from ao_plugins._found import PLACES, remembered
from ao_plugins._grown import Grown

_KEPT, _TEXT, _DETAIL = 100, 16_000, 500
_DAYS, _FILES, _FIRST = 3, 200, 1024 * 1024
_ROLES = {"UserMessage": "user", "AgentMessage": "assistant"}
_ABOUT = ("tool", "query", "path", "prompt")  # what tells most of an item, where it has it


@dataclass(slots=True)
class Story:
    """What a log amounts to so far."""

    native_id: str | None = None
    summary: str | None = None  # it gives no title
    last: Activity | None = None
    usage: Usage = field(default_factory=Usage)
    turns: deque[Turn] = field(default_factory=lambda: deque[Turn](maxlen=_KEPT))


def take(story: Story, line: Mapping[str, Any]) -> Story:
    """One more line."""
    at, payload = moment(line.get("timestamp")), mapping(line.get("payload"))
    if at is None:
        return story
    match line.get("type"):
        case "session_meta":
            story.native_id = story.native_id or text(payload.get("id"), 200) or None
        case "event_msg":
            _event(story, payload, at)
        case "response_item" if story.last and story.last.state is ActivityState.ACTIVE:
            story.last = Activity(ActivityState.ACTIVE, at, Source.NATIVE)
        case _:
            pass
    return story


stories: Grown[Story] = Grown(Story, take)


def story_of(launch: Launch) -> Story | None:
    """What the log of a session amounts to, if it has one."""
    home = remembered(launch.folder).get("home")
    if home is None:
        return None
    logs = Path(home) / "sessions"
    log = _named(logs, launch.native_id) if launch.native_id else _placed(logs, launch)
    return stories.of(log) if log else None


@lru_cache(maxsize=256)
def _known(logs: Path, native_id: str) -> Path:
    """Where it is; it stays there."""
    found = next(logs.glob(f"*/*/*/rollout-*-{escape(native_id)}.jsonl"), None)
    if found is None:
        raise FileNotFoundError(native_id)  # which is not remembered
    return found


def _named(logs: Path, native_id: str) -> Path | None:
    try:
        return _known(logs, native_id)
    except OSError:
        return None


def _placed(logs: Path, launch: Launch) -> Path | None:
    """The newest that has been begun in its workspace since it was started."""
    since = (launch.folder / PLACES).stat().st_mtime
    days = sorted(logs.glob("*/*/*"), reverse=True)[:_DAYS]
    files = [log for day in days for log in sorted(day.glob("rollout-*.jsonl"), reverse=True)]
    begun = (log for log in files[:_FILES] if log.stat().st_mtime >= since)
    return next((log for log in begun if _begins_in(log, launch.workspace)), None)


def _begins_in(log: Path, workspace: Path) -> bool:
    try:
        with log.open("rb") as file:
            first = mapping(json.loads(file.readline(_FIRST)))
    except (OSError, ValueError):
        return False
    return mapping(first.get("payload")).get("cwd") == str(workspace)


def _event(story: Story, payload: Mapping[str, Any], at: datetime) -> None:
    match payload.get("type"):
        case "task_started":
            story.last = Activity(ActivityState.ACTIVE, at, Source.NATIVE)
        case "task_complete":
            story.last = _ended(payload, at)
        case "turn_aborted":
            story.last = Activity(ActivityState.READY, at, Source.NATIVE, over=True)
        case "item_completed":
            _item(story, mapping(payload.get("item")), at)
        case "token_count":
            _count(story, mapping(mapping(payload.get("info")).get("total_token_usage")))
        case _:
            pass


def _ended(payload: Mapping[str, Any], at: datetime) -> Activity:
    """A turn that ended: by itself, or by an error, which waits for somebody."""
    if error := mapping(payload.get("error")):
        why = text(error.get("message"), _DETAIL) or "its turn failed"
        return Activity(ActivityState.BLOCKED, at, Source.NATIVE, visible(why, _DETAIL))
    said = text(payload.get("last_agent_message"), _DETAIL)
    return Activity(ActivityState.READY, at, Source.NATIVE, visible(said, _DETAIL) or None)


def _item(story: Story, item: Mapping[str, Any], at: datetime) -> None:
    kind = text(item.get("type"), 100)
    if role := _ROLES.get(kind):
        parts = [mapping(part) for part in sequence(item.get("content"))]
        said = "\n".join(text(part.get("text"), _TEXT) for part in parts if "text" in part)
        story.turns.append(Turn(role, visible(said, _TEXT), at))
    elif kind and kind != "Reasoning":
        tool = visible(f"{kind} {_about(item)}".strip(), _DETAIL)
        story.turns.append(Turn("assistant", "", at, (tool,)))


def _about(item: Mapping[str, Any]) -> str:
    """What an item is about, in a line."""
    if words := _texts(item.get("command")):
        return words[-1]  # what a shell was told
    if changes := mapping(item.get("changes")):
        return ", ".join(map(str, changes))
    return next((text(item.get(name), _DETAIL) for name in _ABOUT if item.get(name)), "")


def _texts(value: object) -> Sequence[str]:
    return [one for one in sequence(value) if isinstance(one, str)]


def _count(story: Story, total: Mapping[str, Any]) -> None:
    into, out = number(total.get("input_tokens")), number(total.get("output_tokens"))
    if into is not None and out is not None:
        story.usage = Usage(into, out)
