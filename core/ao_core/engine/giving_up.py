"""Permissions that nobody answers in time: they are denied, where the configuration says when.

Counted is what was lived through while the worker was not paused. How much that is, is noted where
it stops being plain: so neither a pause nor a night asleep uses it up, whichever engine goes on.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import anyio

from ao_core.engine.engine import Engine
from ao_core.engine.permissions import TIMEOUT
from ao_core.engine.telling import Said, conclude
from ao_core.model.pause import Paused
from ao_core.model.rule import Patience
from ao_core.store.records import SESSION, Decision, Permission

_log = logging.getLogger(__name__)


async def give_up(engine: Engine) -> None:
    """Until cancelled."""
    while True:
        state = _state(engine)
        async with anyio.create_task_group() as tasks:
            for asked, _ in state:
                tasks.start_soon(_look, engine, asked)
        await _rest(engine, state)


async def _look(engine: Engine, asked: Permission) -> None:
    try:
        await engine.patiently(lambda: _look_at(engine, asked), f"{asked.id} is denied")
    except Exception:  # one request's trouble is not that of the others
        _log.exception("could not look at %s", asked.id)
        await engine.clock.sleep(1)


async def _look_at(engine: Engine, asked: Permission) -> None:
    now = engine.clock.now()
    counted = _counted(engine, asked, now)
    if counted is not None and counted != asked.patience:
        asked = await engine.permissions.count(asked, counted)
    if (due := _due(engine, asked, now)) is None or due > now:
        return
    given = f"nobody has answered within {_words(counted or asked.patience)}"
    await conclude(engine, asked, Said(Decision.DENY, TIMEOUT, reason=given))


def _counted(engine: Engine, asked: Permission, now: datetime) -> Patience | None:
    """How long it may still wait: noted anew where its worker was paused, goes on, or slept."""
    known, course = asked.patience, engine.clock.course
    paused = _paused(engine, asked)
    if known is None or known.since is None:
        return replace(known, since=now) if known and paused is None else known
    if paused is None and not course.lost(known.since, now):
        return known
    end = min(paused.since, now) if paused else now
    used = max(0.0, course.elapsed(known.since, now).total_seconds())
    used -= course.elapsed(end, now).total_seconds()
    return replace(known, left=known.left - max(0.0, used), since=None if paused else now)


def _due(engine: Engine, asked: Permission, now: datetime) -> datetime | None:
    """When its time is up; None while it stands still, or has ended."""
    known = asked.patience
    if known is None or known.since is None or asked.ended_at is not None:
        return None
    left = known.left - engine.clock.course.elapsed(known.since, now).total_seconds()
    return now + timedelta(seconds=left)


async def _rest(engine: Engine, state: Sequence[tuple[Permission, bool]]) -> None:
    """Until the next is due, or anything else is so than when it was looked."""
    async with anyio.create_task_group() as tasks:

        async def sleep() -> None:
            now = engine.clock.now()
            due = [_due(engine, asked, now) for asked in engine.permissions.timed()]
            if first := min(filter(None, due), default=None):
                await engine.clock.sleep_until(first)
                tasks.cancel_scope.cancel()

        tasks.start_soon(sleep)
        await engine.records.until(lambda: _state(engine) != state or None)
        tasks.cancel_scope.cancel()


def _state(engine: Engine) -> list[tuple[Permission, bool]]:
    """What is waited for, and whether it stands still."""
    timed = engine.permissions.timed()
    return [(asked, _paused(engine, asked) is not None) for asked in timed]


def _paused(engine: Engine, asked: Permission) -> Paused | None:
    session = engine.records.find(SESSION, asked.session)
    return session.paused if session else None


def _words(patience: Patience | None) -> str:
    seconds = round(patience.all) if patience else 0
    return f"{seconds // 60} min" if seconds >= 120 and seconds % 60 == 0 else f"{seconds} s"
