"""Filters, as GraphQL writes them, over plain records."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, cast

from standins.linear.records import Record, User

Filter = Mapping[str, Any]
_CAPITAL = re.compile(r"(?<=[a-z0-9])([A-Z])")


def _lower(one: Any, other: str) -> tuple[str, str]:
    return str(one).lower(), other.lower()


_COMPARES: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda one, wanted: one == wanted,
    "neq": lambda one, wanted: one != wanted,
    "in": lambda one, wanted: one in wanted,
    "nin": lambda one, wanted: one not in wanted,
    "contains": lambda one, wanted: one is not None and wanted in one,
    "eqIgnoreCase": lambda one, wanted: one is not None and len({*_lower(one, wanted)}) == 1,
    "containsIgnoreCase": lambda one, wanted: one is not None and wanted.lower() in one.lower(),
    "gte": lambda one, wanted: datetime.fromisoformat(one) >= datetime.fromisoformat(wanted),
    "null": lambda one, wanted: (one is None) is wanted,
}


def fits(one: Record, wanted: Filter, me: User) -> bool:
    """Whether a record is as it is wanted. What nobody ever asks for is not known here."""
    return all(_part(one, name, value, me) for name, value in wanted.items() if value is not None)


def _part(one: Record, name: str, value: Any, me: User) -> bool:
    match name:
        case "and":
            return all(fits(one, each, me) for each in value)
        case "or":
            return any(fits(one, each, me) for each in value)
        case "isMe":
            return (one is me) is value["eq"]
        case "null":
            return value is False  # there is something
        case _:
            return _holds(getattr(one, _CAPITAL.sub(r"_\1", name).lower()), value, me)


def _holds(own: Any, value: Filter, me: User) -> bool:
    if isinstance(own, list):
        return _listed(cast("list[Record]", own), value, me)
    if isinstance(own, Record):
        return fits(own, value, me)
    if own is None and not value.keys() <= _COMPARES.keys():
        return _nothing(value)
    return all(_COMPARES[how](own, wanted) for how, wanted in value.items() if wanted is not None)


def _nothing(value: Filter) -> bool:
    """Where there is none, no wish is granted but that there be none."""
    return value.get("null") is True or any(_nothing(each) for each in value.get("or") or ())


def _listed(own: list[Record], value: Filter, me: User) -> bool:
    if "every" in value:
        return all(fits(one, value["every"], me) for one in own)
    return any(fits(one, value.get("some", value), me) for one in own)
