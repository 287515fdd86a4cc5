"""A chat as the Cursor CLI keeps it: JSON lines with a role and its parts, and no times.

`projects/<the folder, with dashes>/agent-transcripts/<id>/<id>.jsonl` in its home; only
readers of it have written this down: https://github.com/yigitkonur/cli-continues
(src/parsers/cursor.ts).
"""

import re
from collections import deque
from collections.abc import Mapping
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

_WRAPPED = re.compile(r"\s*</?user_query>\s*")
_TEXT, _DETAIL, _KEPT = 16_000, 500, 100


@dataclass(slots=True)
class Story:
    """What it amounts to so far."""

    over: bool = False
    turns: deque[Turn] = field(default_factory=lambda: deque[Turn](maxlen=_KEPT))


def take(story: Story, line: Mapping[str, Any]) -> Story:
    """One more line."""
    role = line.get("role")
    if role in ("user", "assistant"):
        parts = [mapping(one) for one in sequence(mapping(line.get("message")).get("content"))]
        said = "\n".join(text(one.get("text"), _TEXT) for one in parts if one.get("text"))
        uses = [one for one in parts if one.get("type") == "tool_use"]
        tools = tuple(tool_line(use.get("name"), use.get("input")) for use in uses)
        said = _WRAPPED.sub("", said) if role == "user" else said
        story.turns.append(Turn(str(role), visible(said, _TEXT), None, tools))
        story.over = False
    elif line.get("type") == "turn_ended":
        story.over = True
    return story


stories: Grown[Story] = Grown(Story, take)


def activity(log: Path) -> Activity | None:
    """The last thing it shows, at the time at which it was written to last."""
    story = stories.of(log)
    if story is None or not story.turns:
        return None
    written = datetime.fromtimestamp(log.stat().st_mtime, UTC)
    state = ActivityState.READY if story.over else ActivityState.ACTIVE
    said = story.turns[-1].text if story.turns[-1].role == "assistant" else ""
    return Activity(state, written, Source.NATIVE, visible(said, _DETAIL) or None)


def log_of(home: Path, workspace: Path) -> Path | None:
    """The log of the chat that was last in a folder."""
    slug = re.sub(r"[^A-Za-z0-9]", "-", str(workspace)).strip("-")
    found = (home / "projects" / slug / "agent-transcripts").glob("*/*.jsonl")
    own = [one for one in found if one.stem == one.parent.name]
    try:
        return max(own, key=lambda one: one.stat().st_mtime, default=None)
    except OSError:
        return None
