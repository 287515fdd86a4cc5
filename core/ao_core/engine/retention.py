"""What grows is kept within bounds: once a day, what nobody needs any more is removed.

From the journal go its oldest lines, up to the first one that is younger than the limit or that
the stored cursor of some reader has yet to come to; it stays whole from there on, whoever a line
is about. Of sessions that ended before the limit go settled messages, ended permissions and acts,
prompt files, spool folders, what they showed last and what a runtime still has of them. The
sessions themselves stay, and so does all work: branches, workspaces, archives, and snapshots unless
they are nothing but a second name for what another branch holds.
"""

import logging
import shutil
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio

from ao_core.config.own import Retention
from ao_core.engine.engine import Engine
from ao_core.engine.keepsake import FOLDER
from ao_core.engine.outbox import settled
from ao_core.engine.records import Step
from ao_core.engine.side import git_for
from ao_core.errors import AoError
from ao_core.git.spent import remove_spent
from ao_core.model.session import Session, is_terminal
from ao_core.slots.runtime import Forgetting
from ao_core.store.contract import Drop, Kind
from ao_core.store.records import (
    CURSOR,
    INTENT,
    MESSAGE,
    PERMISSION,
    PROJECT,
    SESSION,
)

_log = logging.getLogger(__name__)
_DAY = 24 * 3600.0
_DERIVED = ("prompts", "spool", FOLDER)


async def keep_small(engine: Engine, kept: Callable[[], Awaitable[Retention]]) -> None:
    """Now and once a day, until cancelled. `kept` raises when the limits cannot be understood."""
    while True:
        try:
            await tidy(engine, await kept())
        except Exception:  # tidying must not end the engine; it is tried again tomorrow
            _log.exception("not everything that is old was removed")
        await engine.clock.sleep(_DAY)


async def tidy(engine: Engine, kept: Retention) -> None:
    """One pass."""
    now, course = engine.clock.now(), engine.clock.course
    await engine.keys.forget_old()
    if kept.journal is not None:
        before = course.back(kept.journal, now)
        await _journal(engine, before)
        folders = {row.id: row.value.folder async for row in engine.records.store.scan(PROJECT)}
        over = _over(engine)
        for session in _ended(engine, before):
            await _forget(engine, session, over[session.id], folders.get(session.project))
    if kept.snapshots is not None:
        before = course.back(kept.snapshots, now)
        for session in _ended(engine, before):
            await _snapshots(engine, session, before)


def _ended(engine: Engine, before: datetime) -> list[Session]:
    every = engine.records.all(SESSION)
    return [one for one in every if is_terminal(one) and one.facts.since < before]


async def _journal(engine: Engine, before: datetime) -> None:
    store = engine.records.store
    young = store.head + 1
    async with aclosing(store.follow(0, live=False)) as lines:
        async for event in lines:
            if event.at >= before:
                young = event.seq
                break
    needed = [row.value.seq + 1 async for row in store.scan(CURSOR)]
    if gone := await store.prune(min([young, *needed])):
        _log.info("%d lines of the journal were older than what is kept", gone)


# -- what is known of a session that ended long ago -----------------------------------------------


async def _forget(
    engine: Engine, session: Session, over: Sequence[Drop], folder: str | None
) -> None:
    async with engine.alone(session.id):
        if not is_terminal(engine.session(session.id)):
            return  # somebody brought it back meanwhile
        engine.conversations.forget(session.id)
        try:
            if over:
                await engine.records.commit(over)
            if folder is not None:
                await anyio.to_thread.run_sync(_clear_away, engine.home.path / folder, session.id)
            for runtime in engine.projects.runtimes():
                if isinstance(runtime, Forgetting) and runtime.name == session.runtime:
                    await runtime.forget(session.id)
        except (AoError, OSError) as exc:
            _log.warning("what is left of %s could not be removed: %s", session.id, exc)


def _over(engine: Engine) -> Mapping[str, Sequence[Drop]]:
    """What is settled, by session."""
    records = engine.records
    found: list[tuple[str, Kind[Any], str]] = [
        *((one.session, MESSAGE, one.id) for one in records.all(MESSAGE) if settled(one)),
        *((one.session, PERMISSION, one.id) for one in records.all(PERMISSION) if one.ended_at),
        *((one.session, INTENT, one.id) for one in records.all(INTENT) if one.ended_at),
    ]
    drops = defaultdict[str, list[Drop]](list)
    for session, kind, id in found:
        drops[session].append(Drop(kind, id, records.revision(kind, id)))
    return drops


def _clear_away(home: Path, session: str) -> None:
    """Remove what the next start of the session makes anew."""
    for name in _DERIVED:
        if (folder := home / name / session).exists():
            shutil.rmtree(folder)


# -- saved work ------------------------------------------------------------------------------------


async def _snapshots(engine: Engine, session: Session, before: datetime) -> None:
    refs = [ref for ref in session.salvage if ref != session.kept]
    if not refs:
        return
    try:
        project = await engine.project_of(session)
        git = git_for(project, project.repository)
        spent = {ref for ref in refs if await remove_spent(git, ref, project.home.archive, before)}
    except AoError as exc:
        _log.warning("the saved work of %s could not be judged: %s", session.id, exc.message)
        return

    def without(now: Session) -> Step:
        return Step(replace(now, salvage=tuple(ref for ref in now.salvage if ref not in spent)))

    if spent:
        await engine.records.update(SESSION, session.id, without)
