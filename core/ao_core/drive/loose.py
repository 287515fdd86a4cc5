"""Values of no known shape, as they come from outside."""

from datetime import UTC, datetime
from typing import Any, cast

_MOST = 10**12


def mapping(value: object) -> dict[str, Any]:
    """The object, or an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    """The array, or an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def text(value: object, limit: int | None = None) -> str:
    """The text, or an empty one; never longer than asked."""
    return value[:limit] if isinstance(value, str) else ""


def number(value: object) -> int | None:
    """The count, if it can be one."""
    return value if isinstance(value, int) and 0 <= value < _MOST else None


def moment(value: object) -> datetime | None:
    """The time, if it is written as ISO 8601 has it, with its zone."""
    try:
        at = datetime.fromisoformat(text(value, 64))
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None
