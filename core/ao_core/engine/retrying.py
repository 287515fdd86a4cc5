"""Waits out what cannot be done as things are: a project whose configuration is broken, say."""

import logging
from collections.abc import Awaitable, Callable
from itertools import chain, repeat
from typing import TypeVar

from ao_core.clock import Clock
from ao_core.errors import AoError, Unknown

_log = logging.getLogger(__name__)
T = TypeVar("T")
_PAUSES = (1.0, 5.0, 15.0)  # seconds between the attempts
_AT_LAST = 60.0


async def waited_out(work: Callable[[], Awaitable[T]], clock: Clock, what: str) -> T | None:
    """What comes of it once it can be done; None where what it is about is no more."""
    logged = False
    for pause in chain(_PAUSES, repeat(_AT_LAST)):
        try:
            return await work()
        except Unknown:
            return None
        except AoError as exc:
            if not logged:
                _log.warning("%s once it can be done: %s", what, exc.message)
            logged = True
        await clock.sleep(pause)
    raise AssertionError("it is tried for ever")  # pragma: no cover
