"""A session of Kiro's as it keeps it: `<id>.json` about it, and `<id>.jsonl` with what was said.

They are in `sessions/cli` of its home: https://kiro.dev/docs/cli/acp, under "Session storage". Only
prompts have a time of their own; for what comes after one, the file's is taken.
"""

import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ao_core.drive.loose import mapping, sequence, text
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.redact import visible
from ao_core.slots.agent import Turn
from ao_plugins._grown import Grown
from ao_plugins._tool_uses import tool_line

_TEXT, _DETAIL, _KEPT = 16_000, 500, 100
_SESSIONS, _LONGEST = 200, 4 * 1024 * 1024


@dataclass(slots=True)
class Story:
    """What it amounts to so far."""

    state: ActivityState = ActivityState.ACTIVE
    said: str = ""
    asked: datetime | None = None
    turns: deque[Turn] = field(default_factory=lambda: deque[Turn](maxlen=_KEPT))


def take(story: Story, line: Mapping[str, Any]) -> Story:
    """One more line."""
    data = mapping(line.get("data"))
    said, tools = _said(data), _tools(data)
    match line.get("kind"):
        case "Prompt":
            story.asked = _time(mapping(data.get("meta")).get("timestamp"))
            story.turns.append(Turn("user", visible(said, _TEXT), story.asked))
            story.state, story.said = ActivityState.ACTIVE, ""
        case "AssistantMessage":
            story.turns.append(Turn("assistant", visible(said, _TEXT), None, tools))
            story.state = ActivityState.ACTIVE if tools else ActivityState.READY
            story.said = visible(said, _DETAIL)
        case "ToolResults":
            story.state = ActivityState.ACTIVE
        case _:
            pass
    return story


stories: Grown[Story] = Grown(Story, take)


def activity(log: Path) -> Activity | None:
    """The last thing it shows; at the time of a prompt, or when the file was last written."""
    story = stories.of(log)
    if story is None or not story.turns:
        return None
    written = datetime.fromtimestamp(log.stat().st_mtime, UTC)
    asked = story.asked if story.turns[-1].role == "user" else None
    return Activity(story.state, asked or written, Source.NATIVE, story.said or None)


def log_of(sessions: Path, native_id: str | None, workspace: Path) -> Path | None:
    """The log of that session, or of the one that was last in this folder."""
    if native_id:
        found = sessions / f"{native_id}.jsonl"
        return found if found.is_file() else None
    return next(_of_folder(sessions, str(workspace)), None)


def _of_folder(sessions: Path, workspace: str) -> Iterator[Path]:
    try:
        every = sorted(sessions.glob("*.json"), key=lambda one: -one.stat().st_mtime)
    except OSError:
        return
    for about in every[:_SESSIONS]:
        log = about.with_suffix(".jsonl")
        if _about(about).get("cwd") == workspace and log.is_file():
            yield log


def _about(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return mapping(json.loads(file.read(_LONGEST)))
    except (OSError, ValueError, RecursionError):
        return {}


def _said(data: Mapping[str, Any]) -> str:
    parts = [mapping(one) for one in sequence(data.get("content"))]
    return "\n".join(text(one.get("data"), _TEXT) for one in parts if one.get("kind") == "text")


def _tools(data: Mapping[str, Any]) -> tuple[str, ...]:
    parts = [mapping(one) for one in sequence(data.get("content"))]
    uses = [mapping(one.get("data")) for one in parts if one.get("kind") == "toolUse"]
    return tuple(tool_line(one.get("name"), one.get("input")) for one in uses)


def _time(value: object) -> datetime | None:
    if not isinstance(value, int | float) or not 0 < value < 10**11:
        return None
    return datetime.fromtimestamp(value, UTC)
