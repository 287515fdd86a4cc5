"""A conversation kept as JSON lines of `role`, `text`, `at` and perhaps `state`, in a workspace."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from ao_core.drive.loose import moment
from ao_core.errors import StoreError
from ao_core.files import read_json_lines_tail
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.usage import Usage
from ao_core.redact import visible
from ao_core.slots.agent import Turn

_TAIL = 256 * 1024
_TEXT_LIMIT = 16_000
_DETAIL_LIMIT = 500
_MOST = 1e15
_SPOKEN = ("user", "assistant")
_IMPLIED = {"user": ActivityState.ACTIVE, "assistant": ActivityState.READY}


def last_word(log: Path) -> Activity | None:
    """What the last line shows, with the line's own time."""
    for line in reversed(_lines(log)):
        at, role = moment(line.get("at")), line.get("role")
        state = _state(line.get("state")) or _IMPLIED.get(str(role))
        if at is not None and state is not None:
            return Activity(state, at, Source.NATIVE, _text(line, _DETAIL_LIMIT) or None)
    return None


def conversation(log: Path, limit: int) -> tuple[Turn, ...]:
    """The last messages, oldest first."""
    return tuple(_spoken(log))[-limit:] if limit > 0 else ()


def named(log: Path) -> str | None:
    """The conversation's own id, if a line of role `session` tells."""
    ids = [_text(line, 200) for line in _lines(log) if line.get("role") == "session"]
    return ids[-1] or None if ids else None


def used(log: Path) -> Usage:
    """What it has used in all, if a line of role `usage` tells; what is no number is unknown."""
    told = [line for line in _lines(log) if line.get("role") == "usage"]
    if not told:
        return Usage()
    tokens = [_number(told[-1].get(name)) for name in ("input_tokens", "output_tokens")]
    counts = [None if one is None else int(one) for one in tokens]
    return Usage(counts[0], counts[1], _number(told[-1].get("cost_usd")))


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if 0 <= number <= _MOST else None


def _spoken(log: Path) -> Iterator[Turn]:
    for line in _lines(log):
        role = str(line.get("role"))
        if role in _SPOKEN:
            yield Turn(role, _text(line, _TEXT_LIMIT), moment(line.get("at")))


def _lines(log: Path) -> list[dict[str, object]]:
    try:
        return read_json_lines_tail(log, _TAIL)
    except StoreError:
        return []


def _text(line: Mapping[str, object], limit: int) -> str:
    text = line.get("text")
    return visible(text, limit) if isinstance(text, str) else ""


def _state(value: object) -> ActivityState | None:
    try:
        return ActivityState(value)
    except ValueError:
        return None
