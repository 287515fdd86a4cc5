"""The conversation of a folder, as Amazon Q keeps it: one JSON text in a table of its database.

`conversations` in https://github.com/aws/amazon-q-developer-cli
(crates/chat-cli/src/database/mod.rs); a message is written once its answer is there.
"""

import json
import sqlite3
from collections import OrderedDict
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ao_core.drive.loose import mapping, moment, sequence, text
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.redact import visible
from ao_core.slots.agent import Turn
from ao_plugins._tool_uses import tool_line

_LONGEST = 64 * 1024 * 1024
_TEXT, _DETAIL, _KEPT, _MOST = 16_000, 500, 100, 64
_ASKED = "select value from conversations where key = ? and length(value) <= ?"


@dataclass(frozen=True, slots=True)
class History:
    """What it amounts to."""

    native_id: str | None = None
    summary: str | None = None
    last: Activity | None = None
    turns: tuple[Turn, ...] = field(default=())


_known: OrderedDict[tuple[Path, Path], tuple[object, History | None]] = OrderedDict()


def history(database: Path, workspace: Path) -> History | None:
    """What is kept for a folder; None where nothing is. It is read again only if it was written."""
    stamp = _stamp(database)
    if stamp is None:
        return None
    key = (database, workspace)
    known = _known.get(key)
    if known is None or known[0] != stamp:
        known = (stamp, _read(database, workspace))
        _known[key] = known
        while len(_known) > _MOST:
            _known.popitem(last=False)
    return known[1]


def _stamp(database: Path) -> tuple[tuple[int, int] | None, ...] | None:
    """When and how far it was written, with what is still to be moved into it."""
    found: list[tuple[int, int] | None] = []
    for path in (database, database.with_name(database.name + "-wal")):
        try:
            about = path.stat()
        except OSError:
            found.append(None)
        else:
            found.append((about.st_mtime_ns, about.st_size))
    return tuple(found) if found[0] else None


def _read(database: Path, workspace: Path) -> History | None:
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=1)) as found:
            row = found.execute(_ASKED, (str(workspace), _LONGEST)).fetchone()
        return _history(mapping(json.loads(row[0]))) if row else None
    except (sqlite3.Error, ValueError, RecursionError, TypeError):
        return None


def _history(state: dict[str, Any]) -> History | None:
    entries = [mapping(one) for one in sequence(state.get("history"))]
    if not entries:
        return None
    turns = [turn for entry in entries[-_KEPT:] for turn in _turns(entry)]
    summary = next(iter(sequence(state.get("latest_summary"))), "")
    return History(
        text(state.get("conversation_id"), 200) or None,
        visible(text(summary, _DETAIL), _DETAIL) or None,
        _last(entries[-1]),
        tuple(turns),
    )


def _turns(entry: dict[str, Any]) -> list[Turn]:
    user, (said, tools) = mapping(entry.get("user")), _answer(entry)
    asked = text(mapping(mapping(user.get("content")).get("Prompt")).get("prompt"), _TEXT)
    both = (Turn("user", visible(asked, _TEXT), moment(user.get("timestamp"))),) if asked else ()
    answered = Turn("assistant", visible(said, _TEXT), _ended(entry), tools)
    return [*both, answered] if said or tools else [*both]


def _answer(entry: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """What it said, and the tools it wants to use."""
    answer = mapping(entry.get("assistant"))
    kind = mapping(answer.get("ToolUse") or answer.get("Response"))
    uses = [mapping(one) for one in sequence(kind.get("tool_uses"))]
    return text(kind.get("content"), _TEXT), tuple(
        tool_line(one.get("name"), one.get("args")) for one in uses
    )


def _last(entry: dict[str, Any]) -> Activity | None:
    at, (said, tools) = _ended(entry), _answer(entry)
    state = ActivityState.ACTIVE if tools else ActivityState.READY
    detail = visible(said, _DETAIL) or None
    return Activity(state, at, Source.NATIVE, detail) if at else None


def _ended(entry: dict[str, Any]) -> datetime | None:
    at = mapping(entry.get("request_metadata")).get("stream_end_timestamp_ms")
    if not isinstance(at, int) or not 0 < at < 10**14:
        return None
    return datetime.fromtimestamp(at / 1000, UTC)
