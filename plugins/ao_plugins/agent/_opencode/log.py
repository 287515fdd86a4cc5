"""opencode's own log: a database that all its sessions share, which is only ever read."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from ao_core.drive.loose import mapping, text
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.usage import Usage
from ao_core.redact import visible
from ao_core.slots.agent import AgentInfo, Turn
from ao_plugins._tool_uses import tool_line

T = TypeVar("T")
_BUSY = 2.0  # seconds; it writes seldom, and never for long
_TEXT, _DETAIL, _LONGEST = 16_000, 500, 4_000_000
_PARTS = 400  # of one message
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ON = ("tool-calls", "unknown")  # it ended a step, and goes on
_UNNAMED = "New session - "
_SESSION = """\
select id from session where directory in (?, ?) and parent_id is null and time_created >= ?
order by time_created desc limit 1"""
_TREE = """\
with recursive tree(id) as (
  select id from session where id = ?
  union select session.id from session join tree on session.parent_id = tree.id)
select sum(tokens_input + tokens_cache_read + tokens_cache_write),
  sum(tokens_output + tokens_reasoning), sum(cost) from session where id in (select id from tree)"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session of ours is in it: by its own id, else by its workspace."""

    database: Path
    workspace: Path
    since: int = 0  # milliseconds; workspaces are used again
    native_id: str | None = None


def last(place: Place) -> Activity | None:
    """What its last message shows."""
    return _read(place, _last)


def about(place: Place) -> AgentInfo | None:
    """Its id, its title and what it has used, its subagents with it."""
    return _read(place, _about)


def conversation(place: Place, limit: int) -> tuple[Turn, ...]:
    """Its last messages, oldest first."""
    return _read(place, lambda log, session: _turns(log, session, limit)) or ()


def session_of(place: Place) -> str | None:
    """Its id of the session, if there is one that has a message."""
    return _read(place, lambda log, session: session if _messages(log, session, 1) else None)


def _read(place: Place, work: Callable[[sqlite3.Connection, str], T]) -> T | None:
    """What its session amounts to; None where there is none, or nothing that can be read."""
    try:
        uri = f"{place.database.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY)) as log:
            session = _session(log, place)
            return work(log, session) if session else None
    except sqlite3.Error:  # not there yet, or of another version
        return None


def _session(log: sqlite3.Connection, place: Place) -> str | None:
    known = log.execute("select id from session where id = ?", (place.native_id,)).fetchone()
    if known is None:
        folders = (str(place.workspace), str(place.workspace.resolve()))
        known = log.execute(_SESSION, (*folders, place.since)).fetchone()
    return known[0] if known else None


def _last(log: sqlite3.Connection, session: str) -> Activity | None:
    rows = _messages(log, session, 1)
    return _activity(log, *rows[0]) if rows else None


def _about(log: sqlite3.Connection, session: str) -> AgentInfo:
    into, out, cost = log.execute(_TREE, (session,)).fetchone()
    (title,) = log.execute("select title from session where id = ?", (session,)).fetchone()
    named = None if title.startswith(_UNNAMED) else visible(title, _DETAIL)
    # a model without a price costs nothing by it: nobody knows then
    return AgentInfo(session, named, Usage(into, out, cost or None) if into or out else Usage())


def _turns(log: sqlite3.Connection, session: str, limit: int) -> tuple[Turn, ...]:
    turns = [_turn(log, *row) for row in _messages(log, session, max(limit, 0))]
    return tuple(turn for turn in reversed(turns) if turn.text or turn.tools)


Row = tuple[str, int, str]  # a message: its id, when it was written, and what


def _messages(log: sqlite3.Connection, session: str, limit: int) -> list[Row]:
    """The last ones, newest first."""
    told = "select id, time_created, substr(data, 1, ?) from message where session_id = ?"
    order = "order by time_created desc, id desc limit ?"
    return log.execute(f"{told} {order}", (_LONGEST, session, limit)).fetchall()


def _parts(log: sqlite3.Connection, message: str) -> list[tuple[int, dict[str, Any]]]:
    told = "select time_updated, substr(data, 1, ?) from part where message_id = ?"
    rows = log.execute(f"{told} order by id limit ?", (_LONGEST, message, _PARTS)).fetchall()
    return [(at, _loaded(data)) for at, data in rows]


def _activity(log: sqlite3.Connection, id: str, at: int, data: str) -> Activity:
    about, parts = _loaded(data), _parts(log, id)
    failed, ended = mapping(about.get("error")), mapping(about.get("time")).get("completed")
    moved = max([at, *(when for when, _ in parts)])
    if failed and failed.get("name") != "MessageAbortedError":
        why = text(mapping(failed.get("data")).get("message"), _DETAIL) or str(failed.get("name"))
        return Activity(ActivityState.BLOCKED, _time(moved), Source.NATIVE, visible(why, _DETAIL))
    over = isinstance(ended, int) and about.get("finish") not in _ON
    if about.get("role") == "assistant" and (over or failed):
        said = visible(_said(parts), _DETAIL) or None
        return Activity(ActivityState.READY, _time(ended or moved), Source.NATIVE, said)
    return Activity(ActivityState.ACTIVE, _time(moved), Source.NATIVE)


def _turn(log: sqlite3.Connection, id: str, at: int, data: str) -> Turn:
    parts, role = _parts(log, id), text(_loaded(data).get("role"), 20)
    uses = [(part, mapping(part.get("state"))) for _, part in parts if part.get("type") == "tool"]
    tools = tuple(tool_line(use.get("tool"), state.get("input")) for use, state in uses)
    return Turn(role, visible(_said(parts), _TEXT), _time(at), tools)


def _said(parts: list[tuple[int, dict[str, Any]]]) -> str:
    texts = (part for _, part in parts if part.get("type") == "text" and not part.get("synthetic"))
    return "\n".join(text(part.get("text"), _TEXT) for part in texts)


def _loaded(data: str) -> dict[str, Any]:
    try:
        return dict(mapping(json.loads(data)))
    except (ValueError, RecursionError):
        return {}


def _time(milliseconds: object) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=float(str(milliseconds)))
    except (ValueError, OverflowError):
        return _EPOCH
