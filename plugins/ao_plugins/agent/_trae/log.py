"""The trajectories of Trae Agent's: one JSON file for each turn, written anew with every step.

https://github.com/bytedance/trae-agent/blob/main/docs/TRAJECTORY_RECORDING.md. Its times are those
of the machine it runs on, without a zone. Beside each lies the message that began the turn.
"""

import json
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Any

from ao_core.drive.loose import mapping, number, sequence, text
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.usage import Usage
from ao_core.redact import visible
from ao_core.slots.agent import Turn
from ao_plugins._tool_uses import tool_line

_LONGEST = 64 * 1024 * 1024
_TEXT, _DETAIL, _KEPT = 16_000, 500, 100

Trajectory = dict[str, Any]


def messages(folder: Path) -> list[Path]:
    """The messages that began a turn, oldest first; a turn's trajectory is called as they are."""
    return sorted(folder.glob("[0-9]*.md"))


def last_activity(folder: Path) -> Activity | None:
    """What the last turn shows; None while it has no trajectory yet."""
    told = messages(folder)
    found = trajectory(told[-1].with_suffix(".json")) if told else None
    return activity(found) if found else None


def conversation(folder: Path) -> tuple[Turn, ...]:
    """All turns, each with its message and not with the task that was made of that."""
    return tuple(turn for told in messages(folder)[-_KEPT:] for turn in _turns_of(told))


def used(folder: Path) -> Usage | None:
    """What all turns have used; None where there was none."""
    found = [trajectory(told.with_suffix(".json")) for told in messages(folder)]
    each = [usage(one) for one in found if one]
    return reduce(Usage.plus, each) if each else None


def trajectory(path: Path) -> Trajectory | None:
    """What is in the file; None while there is none, or while it is being written."""
    try:
        with path.open("rb") as file:
            return mapping(json.loads(file.read(_LONGEST))) or None
    except (OSError, ValueError, RecursionError):
        return None


def activity(found: Trajectory) -> Activity | None:
    """Its last step, or its end: it has failed, or is done."""
    if at := _time(found.get("end_time")):
        said = visible(text(found.get("final_result"), _DETAIL), _DETAIL) or None
        state = ActivityState.READY if found.get("success") is True else ActivityState.BLOCKED
        return Activity(state, at, Source.NATIVE, said)
    times = [_time(one.get("timestamp")) for one in (*_steps(found), *_asked(found))]
    last = max((one for one in times if one), default=_time(found.get("start_time")))
    return Activity(ActivityState.ACTIVE, last, Source.NATIVE) if last else None


def _turns_of(told: Path) -> tuple[Turn, ...]:
    found = trajectory(told.with_suffix(".json")) or {}
    with told.open("rb") as file:
        said = file.read(4 * _TEXT).decode(errors="replace")
    first = Turn("user", visible(said, _TEXT), _time(found.get("start_time")))
    steps = [_turn(one) for one in _steps(found)[-_KEPT:]]
    return (first, *(one for one in steps if one.text or one.tools))


def usage(found: Trajectory) -> Usage:
    """Tokens in all; what they cost it does not know."""
    used = [mapping(mapping(one.get("response")).get("usage")) for one in _asked(found)]
    if not any(used):
        return Usage()
    into = sum(number(one.get("input_tokens")) or 0 for one in used)
    return Usage(into, sum(number(one.get("output_tokens")) or 0 for one in used))


def _steps(found: Trajectory) -> list[dict[str, Any]]:
    return [mapping(one) for one in sequence(found.get("agent_steps"))]


def _asked(found: Trajectory) -> list[dict[str, Any]]:
    return [mapping(one) for one in sequence(found.get("llm_interactions"))]


def _turn(step: dict[str, Any]) -> Turn:
    said = text(mapping(step.get("llm_response")).get("content"), _TEXT)
    calls = [mapping(one) for one in sequence(step.get("tool_calls"))]
    tools = tuple(tool_line(one.get("name"), one.get("arguments")) for one in calls)
    return Turn("assistant", visible(said, _TEXT), _time(step.get("timestamp")), tools)


def _time(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text(value, 40)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
