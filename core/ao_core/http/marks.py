"""What our own layers tell each other about a request. None of it is ever sent."""

from enum import IntEnum
from typing import Any

import httpx

from ao_core.allowance import is_acting

_URGENCY = "ao_urgency"
_READ_ONLY = "ao_read_only"
_REPEATABLE = "ao_repeatable"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Urgency(IntEnum):
    """Who goes first, and who may use what is left of a budget."""

    ACT = 0  # a merge, a comment, something new: it was decided and is to happen
    READ = 1  # somebody waits for the answer
    REFRESH = 2  # looking again whether anything has changed


def marks(
    urgency: Urgency | None, *, read_only: bool = False, repeatable: bool = False
) -> dict[str, Any]:
    """The extensions of a request that has this urgency."""
    return {_URGENCY: urgency, _READ_ONLY: read_only, _REPEATABLE: repeatable}


def urgency_of(request: httpx.Request) -> Urgency:
    """How urgent it is; what says nothing of it is a reading or an act, of which it may be part."""
    marked = request.extensions.get(_URGENCY)
    if not isinstance(marked, Urgency):
        marked = Urgency.READ if reads(request) else Urgency.ACT
    return Urgency.ACT if marked is Urgency.READ and is_acting() else marked


def reads(request: httpx.Request) -> bool:
    """Whether it changes nothing on the other side, by its method or its mark."""
    return request.method in _READING or bool(request.extensions.get(_READ_ONLY))


def repeatable(request: httpx.Request) -> bool:
    """Whether whoever sends it says that twice comes to the same as once."""
    return bool(request.extensions.get(_REPEATABLE))
