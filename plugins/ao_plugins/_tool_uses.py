"""The uses of tools, as logs tell of them; in one of Claude Code's form also which are over."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from ao_core.drive.loose import mapping, moment, text
from ao_core.errors import StoreError
from ao_core.files import read_json_lines_tail
from ao_core.redact import visible

_TAIL = 512 * 1024
_NAME, _LINE = 200, 500


def tool_line(name: object, given: object) -> str:
    """One line for a use of a tool: its name, and the first words it was given."""
    about = next((one for one in mapping(given).values() if isinstance(one, str)), "")
    return visible(f"{text(name, _NAME)} {about[:_LINE]}".strip(), _LINE)


def result_at(log: Path, id: str) -> datetime | None:
    """When a log of Claude Code's form has the result of this use of a tool, if it has."""
    for line in reversed(_lines(log)):
        if id in _ended([line]):
            return moment(line.get("timestamp")) or datetime.now(UTC)
    return None


def use_of(log: Path, tool: str, arguments: Mapping[str, Any]) -> str | None:
    """The id of the use of a tool with these arguments that has no result yet, by such a log."""
    lines = _lines(log)
    over = _ended(lines)
    for part in _parts(lines, "tool_use"):
        id, same = part.get("id"), part.get("name") == tool and part.get("input") == arguments
        if same and isinstance(id, str) and id not in over:
            return id
    return None


def _ended(lines: Sequence[Mapping[str, object]]) -> set[object]:
    return {part.get("tool_use_id") for part in _parts(lines, "tool_result")}


def _parts(lines: Sequence[Mapping[str, object]], kind: str) -> Iterator[dict[str, Any]]:
    return (part for line in lines for part in parts_of(line) if part.get("type") == kind)


def parts_of(line: Mapping[str, object]) -> list[dict[str, Any]]:
    """The parts of the message in a line."""
    message = line.get("message")
    inside = cast("dict[str, Any]", message).get("content") if isinstance(message, dict) else None
    parts = cast("list[Any]", inside) if isinstance(inside, list) else []
    return [part for part in parts if isinstance(part, dict)]


def _lines(log: Path) -> list[dict[str, object]]:
    try:
        return read_json_lines_tail(log, _TAIL)
    except StoreError:
        return []
