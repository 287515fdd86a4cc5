"""Keeps the time: what the clock skipped, nobody worked; and after it everything is looked at."""

import logging
from collections.abc import Sequence
from datetime import datetime

from ao_core.course import Lapse
from ao_core.engine.engine import Engine
from ao_core.errors import Conflict
from ao_core.model.session import Session, interrupted
from ao_core.store.contract import Put
from ao_core.store.records import SESSION

_log = logging.getLogger(__name__)
_TICK = 10.0
_ATTEMPTS = 20


async def keep_time(engine: Engine) -> None:
    """Until cancelled."""
    last: Lapse | None = None
    while True:
        await engine.clock.sleep(_TICK)
        engine.clock.now()
        if news := _after(last, engine):
            last = news[-1]
            for lapse in news:
                _log.warning("the time of day went from %s to %s", lapse.left, lapse.found)
            await _look(engine)


async def _look(engine: Engine) -> None:
    """See how everybody is."""
    try:
        await engine.patiently(lambda: reckon(engine), "the time goes on")
    except Exception:  # whoever needs it tries again
        _log.exception("what the clock has skipped may count as worked")
    engine.nudge(*(session.id for session in engine.live()))


async def reckon(engine: Engine) -> None:
    """See to it that what the clock has skipped until now does not count as worked."""
    engine.clock.now()  # who asks finds out
    if not _after(engine.lapsed, engine):
        return
    async with engine.reckoning:
        for _ in range(_ATTEMPTS):
            news, at = _after(engine.lapsed, engine), engine.clock.now()
            try:
                if puts := _interrupted(engine, news, at):
                    await engine.records.commit(puts)
            except Conflict:
                continue
            engine.lapsed = news[-1] if news else engine.lapsed
            return
    raise Conflict("The workers keep changing.", hint="Repeat the call.")


def _after(last: Lapse | None, engine: Engine) -> Sequence[Lapse]:
    lapses = engine.clock.course.lapses
    return lapses[lapses.index(last) + 1 :] if last in lapses else lapses


def _interrupted(engine: Engine, news: Sequence[Lapse], at: datetime) -> list[Put[Session]]:
    puts: list[Put[Session]] = []
    for session in engine.live():
        after = session
        for lapse in news:
            after = interrupted(after, lapse.left, lapse.found, at)
        if after != session:
            revision = engine.records.revision(SESSION, session.id)
            puts.append(Put(SESSION, session.id, after, revision))
    return puts
