"""Something new whose reply got lost: it may be there, so it is looked for before it is made again.

For whoever knows no keys by which a request could be repeated. Nothing is written into what is
made: it is known by its words and by its time.
"""

from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime, timedelta
from typing import TypeVar

from ao_core.clock import Clock
from ao_core.errors import PluginError, Unavailable

DRIFT = timedelta(minutes=2)  # by which two clocks may differ
_KEPT = timedelta(hours=1)

T = TypeVar("T")


class LostReplies:
    """What was sent, and may have been done without anybody having heard so."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lost: dict[Hashable, datetime] = {}

    async def made(
        self,
        what: Hashable,
        make: Callable[[], Awaitable[T]],
        find: Callable[[datetime], Awaitable[T | None]],
        since: datetime | None = None,
    ) -> T:
        """Make it, unless an earlier try to make the same turns out to have worked.

        `find` looks for what was made since then. Where it is not there yet, `Unavailable` is
        raised, and the next try looks again before it makes anything. `since` is when somebody
        else, who cannot be asked any more, may have begun to make it.
        """
        self._forget()
        since = self._lost.get(what) or (since - DRIFT if since else None)
        if since and (found := await find(since)) is not None:
            self._lost.pop(what, None)
            return found
        since = since or self._clock.now() - DRIFT
        try:
            done = await make()
        except Unavailable as exc:
            self._lost[what] = since
            done = await self._seen(find, since)
            if done is None:
                raise _unknown(exc) from exc
        except PluginError:  # it was refused
            raise
        except BaseException:  # cancelled, say
            self._lost[what] = since
            raise
        self._lost.pop(what, None)
        return done

    async def _seen(
        self, find: Callable[[datetime], Awaitable[T | None]], since: datetime
    ) -> T | None:
        try:
            return await find(since)
        except PluginError:
            return None

    def _forget(self) -> None:
        old = self._clock.now() - _KEPT
        self._lost = {what: since for what, since in self._lost.items() if since > old}


def _unknown(exc: Unavailable) -> Unavailable:
    return Unavailable(
        f"{exc.message}; it may have been done all the same",
        hint="Repeat it within the hour: it is looked for before it is done again.",
        status=exc.status,
        said=exc.said,
    )


def same(one: str, other: str) -> bool:
    """Whether two texts are the same but for their white space, which a host may change."""
    return one.split() == other.split()
