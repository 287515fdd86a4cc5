"""A conversation as goose keeps it: rows of a database that all its sessions share."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ao_core.drive.loose import mapping, sequence, text
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.usage import Usage
from ao_core.redact import visible
from ao_core.slots.agent import Turn
from ao_plugins._tool_uses import tool_line

_PATIENCE = 2.0  # seconds, while goose writes
_KEPT, _LONGEST, _TEXT, _DETAIL = 100, 4 * 1024 * 1024, 16_000, 500
_NEWEST = "SELECT {} FROM sessions WHERE {} = ? ORDER BY created_at DESC, rowid DESC LIMIT 1"
_SAID = (
    "SELECT role, created_timestamp, content_json FROM messages"
    " WHERE session_id = ? AND length(content_json) <= ?"
    """ AND coalesce(metadata_json, '') NOT LIKE '%"userVisible":false%'"""
    " ORDER BY id DESC LIMIT ?"
)
_USED = "accumulated_input_tokens, accumulated_output_tokens, accumulated_cost"


@dataclass(frozen=True, slots=True)
class Story:
    """What is kept of one session."""

    native_id: str
    usage: Usage
    turns: Sequence[Turn]
    last: Activity | None
    summary: str | None = None  # it gives no title


def story(database: Path, name: str, native_id: str | None) -> Story | None:
    """The session of that id, or else the newest of that name; None where there is none."""
    uri = f"file:{quote(str(database))}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE)) as kept:
            which = ("id", native_id) if native_id else ("name", name)
            row = kept.execute(_NEWEST.format(f"id, {_USED}", which[0]), (which[1],)).fetchone()
            if row is None:
                return None
            said = kept.execute(_SAID, (row[0], _LONGEST, _KEPT)).fetchall()
    except sqlite3.Error:
        return None
    usage = Usage(_count(row[1]), _count(row[2]), _cost(row[3]))
    return Story(str(row[0]), usage, *_told(said[::-1]))


def _told(rows: Sequence[Sequence[object]]) -> tuple[Sequence[Turn], Activity | None]:
    turns, last = list[Turn](), None
    for role, stamp, content in rows:
        at, parts = _time(stamp), list(_parts(content))
        if at is None or role not in ("user", "assistant") or not parts:
            continue
        said = visible("\n".join(filter(None, map(_text, parts))), _TEXT)
        tools = tuple(visible(one, _DETAIL) for one in map(_tool, parts) if one)
        if said or tools:
            turns.append(Turn(str(role), said, at, tools))
        rests = role == "assistant" and not tools
        state = ActivityState.READY if rests else ActivityState.ACTIVE
        last = Activity(state, at, Source.NATIVE, said[:_DETAIL] or None)
    return tuple(turns), last


def _parts(content: object) -> Iterator[Mapping[str, Any]]:
    try:
        loaded: object = json.loads(content) if isinstance(content, str) else None
    except (ValueError, RecursionError):
        return
    yield from (part for part in sequence(loaded) if isinstance(part, dict))


def _text(part: Mapping[str, Any]) -> str:
    return text(part.get("text"), _TEXT) if part.get("type") == "text" else ""


def _tool(part: Mapping[str, Any]) -> str:
    if part.get("type") != "toolRequest":
        return ""
    call = mapping(mapping(part.get("toolCall")).get("value"))
    return tool_line(call.get("name"), call.get("arguments"))


def _time(stamp: object) -> datetime | None:
    """Seconds; it wrote milliseconds once."""
    if not isinstance(stamp, int) or not 0 < stamp < 10**14:
        return None
    return datetime.fromtimestamp(stamp / 1000 if stamp > 10**11 else stamp, UTC)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 10**15 else None


def _cost(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value < 10**9 else None
