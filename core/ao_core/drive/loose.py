"""Values of no known shape, as they come from outside."""

from typing import Any, cast


def mapping(value: object) -> dict[str, Any]:
    """The object, or an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    """The array, or an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def text(value: object, limit: int) -> str:
    """The text, or an empty one; never longer than asked."""
    return value[:limit] if isinstance(value, str) else ""
