"""What an agent does now: evidence weighed by one cascade, and the log it falls back to.

The log is `<workspace>/.ao/activity.jsonl`. An agent can write there as well, so its lines are
claims: capped, cleaned, and never believed when they come from the future.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio

from ao_core.errors import StoreError, StoreUnavailable
from ao_core.files import append_line, read_json_lines_tail
from ao_core.model.activity import (
    ACTIONABLE,
    ACTIVE_WINDOW,
    INPUT_STALENESS,
    READY_WINDOW,
    RECORD_WINDOW,
    Activity,
    ActivityState,
    Source,
)
from ao_core.redact import visible

FOLDER = ".ao"
LOG = "activity.jsonl"

_SKEW = timedelta(minutes=1)
_TAIL = 16 * 1024
_LOG_LIMIT = 1024 * 1024
_DETAIL_LIMIT = 500
_LIVELY = (ActivityState.ACTIVE, ActivityState.READY, ActivityState.IDLE)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is at hand; `alive` None means that nobody could tell."""

    workspace: Path
    alive: bool | None
    ended_at: datetime | None = None
    native: Activity | None = None
    screen: ActivityState | None = None


async def cascade(
    evidence: Evidence, now: datetime, threshold: timedelta = READY_WINDOW
) -> Activity | None:
    """Weigh the evidence, strongest first; None only when there is none at all."""
    if evidence.alive is False:
        return Activity(ActivityState.EXITED, evidence.ended_at or now, Source.PROCESS)
    entry = await anyio.to_thread.run_sync(_look, evidence, now)
    return weigh(evidence.native, entry, now, threshold)


def weigh(
    native: Activity | None, entry: Activity | None, now: datetime, threshold: timedelta
) -> Activity | None:
    """Judge a running agent by its own log and by the last entry of the activity log."""
    if native is not None and native.state in ACTIONABLE:
        return native
    if entry is not None and _acts(entry, native, now):
        return entry
    if native is not None and not _stands_still(native, entry, now, threshold):
        return decay(native, now, threshold)
    return None if entry is None else decay(entry, now, threshold)


def decay(seen: Activity, now: datetime, threshold: timedelta = READY_WINDOW) -> Activity:
    """What is left of an older observation. It only ever sinks: idle is never promoted."""
    if seen.state in ACTIONABLE:
        return seen if _is_current(seen, now) else replace(seen, state=ActivityState.IDLE)
    age = now - seen.at
    by_age = ActivityState.IDLE
    if -_SKEW <= age < min(ACTIVE_WINDOW, threshold):
        by_age = ActivityState.ACTIVE
    elif -_SKEW <= age <= threshold:
        by_age = ActivityState.READY
    return replace(seen, state=max(by_age, _ceiling(seen.state), key=_LIVELY.index))


def last(workspace: Path) -> Activity | None:
    """The last entry of the activity log, however old; what cannot be read is passed over."""
    try:
        lines = read_json_lines_tail(workspace / FOLDER / LOG, _TAIL)
    except StoreError:
        return None
    return next(filter(None, map(_entry, reversed(lines))), None)


def record(
    workspace: Path,
    state: ActivityState,
    source: Source,
    now: datetime,
    detail: str | None = None,
) -> Activity:
    """Note what was seen, and return it; what was noted moments ago is not noted again.

    Raises `StoreUnavailable` where the workspace cannot be written to.
    """
    seen = Activity(state, now, source, detail and visible(detail, _DETAIL_LIMIT))
    before = last(workspace)
    if before is not None and _repeats(seen, before):
        return before
    _append(workspace / FOLDER, seen)
    return seen


def _look(evidence: Evidence, now: datetime) -> Activity | None:
    if evidence.screen is not None:
        # a screen that was seen counts, also where it cannot be written down
        with suppress(StoreUnavailable):
            return record(evidence.workspace, evidence.screen, Source.SCREEN, now)
        return Activity(evidence.screen, now, Source.SCREEN)
    return last(evidence.workspace)


def _stands_still(
    native: Activity, entry: Activity | None, now: datetime, threshold: timedelta
) -> bool:
    # as in a long tool call: it gives way to what was seen since, unless it said idle itself
    if entry is None or entry.at <= native.at or native.state is ActivityState.IDLE:
        return False
    return decay(native, now, threshold).state is ActivityState.IDLE


def _acts(entry: Activity, native: Activity | None, now: datetime) -> bool:
    # what the agent has logged since then shows that it was answered
    overtaken = native is not None and native.at > entry.at
    return entry.state in ACTIONABLE and _is_current(entry, now) and not overtaken


def _is_current(seen: Activity, now: datetime) -> bool:
    return -_SKEW <= now - seen.at <= INPUT_STALENESS


def _ceiling(state: ActivityState) -> ActivityState:
    # a running agent has not exited, whatever an entry says
    return state if state in _LIVELY else ActivityState.IDLE


def _repeats(seen: Activity, before: Activity) -> bool:
    recent = timedelta() <= seen.at - before.at < RECORD_WINDOW
    return recent and seen.state == before.state and seen.state not in ACTIONABLE


def _append(folder: Path, seen: Activity) -> None:
    log = folder / LOG
    try:
        folder.mkdir(exist_ok=True)
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            os.replace(log, log.with_suffix(".old"))
    except OSError as exc:
        raise StoreUnavailable(f"the activity log cannot be written: {exc.strerror}") from exc
    append_line(log, _line(seen))


def _line(seen: Activity) -> bytes:
    values = {
        "ts": seen.at.isoformat(),
        "state": seen.state.value,
        "source": seen.source.value,
        "detail": seen.detail,
    }
    return json.dumps({key: value for key, value in values.items() if value}).encode()


def _entry(values: Mapping[str, object]) -> Activity | None:
    detail = values.get("detail")
    try:
        state = ActivityState(values.get("state"))
        source = Source(values.get("source", Source.LOG))
        at = datetime.fromisoformat(str(values.get("ts")))
        shown = visible(detail, _DETAIL_LIMIT) if isinstance(detail, str) else None
        return Activity(state, at.astimezone(UTC), source, shown) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None
