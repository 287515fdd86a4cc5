"""Signs of life of those who say nothing: output that moves, processor time that is used.

Kept in memory only, and only as far as somebody looked: where nobody did for a while, as while the
machine slept or the engine was away, an agent is given its whole time again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ao_core.ids import SessionId
from ao_core.model.session import Session

_AWAY = timedelta(minutes=2)  # between two looks; the timer's are seconds apart
_BUSY = 0.05  # of one processor, over the time between two looks; waiting alone takes less


@dataclass(slots=True)
class _Known:
    generation: int
    output: str
    at: datetime
    looked: datetime
    busy: float | None = None
    measured: datetime | None = None


class Signs:
    """What is known of each."""

    def __init__(self) -> None:
        self._known: dict[SessionId, _Known] = {}

    def seen(self, session: Session, output: str, now: datetime, *, heard: bool) -> datetime:
        """Take in a look; when something of it moved last."""
        known = self._known.get(session.id)
        if known is None or known.generation != session.generation or _was_away(known, now):
            known = _Known(session.generation, output, now, now)
            self._known[session.id] = known
        known.looked = now
        if heard or output != known.output:
            known.at, known.output, known.busy = now, output, None
        return known.at

    def is_quiet(self, session: Session, now: datetime, silence: timedelta) -> bool:
        """Whether it has been still for so long that its processor time is worth a look."""
        known = self._known.get(session.id)
        return known is not None and now - known.at >= silence / 2

    def used(self, session: Session, busy: float, now: datetime) -> datetime | None:
        """Take in its processor time; None where there is nothing yet to hold it against."""
        known = self._known[session.id]
        before, then = known.busy, known.measured
        known.busy, known.measured = busy, now
        if before is None or then is None:
            return None
        if busy - before > _BUSY * (now - then).total_seconds():
            known.at = now
        return known.at

    def forget(self, session: SessionId) -> None:
        """It has ended."""
        self._known.pop(session, None)


def _was_away(known: _Known, now: datetime) -> bool:
    return not timedelta() <= now - known.looked <= _AWAY
