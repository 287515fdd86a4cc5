"""What is to be done once, over a connection that may lose the answer."""

import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ao_core.errors import Rejected, Unavailable

_THERE = re.compile(r"\bconflict on insert\b", re.IGNORECASE)

T = TypeVar("T")


async def repeated(change: Callable[[], Awaitable[T]]) -> T:
    """Do what comes to the same if it is done twice."""
    try:
        return await change()
    except Unavailable:
        return await change()


async def made(make: Callable[[], Awaitable[T]], find: Callable[[], Awaitable[T]]) -> T:
    """Make something under an id of ours: if that is there already, an earlier try made it."""
    try:
        return await repeated(make)
    except Rejected as exc:
        if not _THERE.search(exc.said or ""):
            raise
        return await find()
