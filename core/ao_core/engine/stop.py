"""Stop: end the agents, remember them for the next start, and let the engine go."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import anyio

from ao_core.engine.engine import Engine
from ao_core.engine.kill import end_agent, released
from ao_core.engine.moves import ended
from ao_core.engine.records import Step
from ao_core.engine.team import gone_down
from ao_core.engine.timekeeping import reckon
from ao_core.errors import AoError, StoreError
from ao_core.files import write_atomic
from ao_core.ids import ProjectId, SessionId
from ao_core.model.event import EventKind
from ao_core.model.session import Session, SessionReason, is_terminal, is_waiting
from ao_core.store.records import SESSION

_log = logging.getLogger(__name__)
_DEADLINE = 8.0


@dataclass(frozen=True, slots=True)
class Stopped:
    """Which sessions were ended, and which would not end; workspaces and branches stay."""

    sessions: tuple[SessionId, ...]
    stubborn: tuple[SessionId, ...] = ()


async def stop(engine: Engine, project: ProjectId | None = None) -> Stopped:
    """End the agents of one project, or of all."""
    stubborn: list[SessionId] = []
    async with engine.room.lock:  # nobody starts in the place of one that ends
        live = [one for one in engine.live() if project in (None, one.project)]
        await _end_all(engine, [one for one in live if is_waiting(one)], stubborn)
        await _end_all(engine, [one for one in live if not is_waiting(one)], stubborn)
    if project is None:
        await _open_runtimes(engine)
    _remember(engine)
    ended = tuple(session.id for session in live if session.id not in stubborn)
    return Stopped(ended, tuple(stubborn))


async def _end_all(engine: Engine, live: Sequence[Session], stubborn: list[SessionId]) -> None:
    async with anyio.create_task_group() as tasks:
        for session in live:
            tasks.start_soon(_end, engine, session, stubborn)


async def _open_runtimes(engine: Engine) -> None:
    """What an earlier engine left running for agents that ended goes when its runtime closes."""
    for id in {one.project for one in engine.records.all(SESSION) if one.run.handle is not None}:
        try:
            await engine.projects.by_id(id)
        except AoError as exc:
            _log.warning("project %s cannot be opened any more: %s", id, exc.message)


async def _end(engine: Engine, session: Session, stubborn: list[SessionId]) -> None:
    """End one. Whoever hangs is left as it is, and named."""
    try:
        with anyio.fail_after(_DEADLINE), engine.ending(session.id):
            async with engine.alone(session.id):
                await end_agent(engine, await engine.project_of(session), session)
                await reckon(engine)
                await engine.records.update(SESSION, session.id, lambda now: _over(engine, now))
                await released(engine, session.id, "the engine was stopped")
    except Exception:  # one that will not end must not keep the others, nor the engine
        _log.exception("%s would not end", session.id)
        stubborn.append(session.id)


def _over(engine: Engine, session: Session) -> Step | None:
    if is_terminal(session):
        return None
    why = SessionReason.ENGINE_STOPPED
    return Step(*ended(session, why, engine.clock.now(), EventKind.SESSION_KILLED))


def left(engine: Engine) -> dict[ProjectId, tuple[SessionId, ...]]:
    """Who went down with a stop, a runtime or the machine, by project."""
    by_project: dict[ProjectId, list[SessionId]] = {}
    for session in gone_down(engine):
        by_project.setdefault(session.project, []).append(session.id)
    return {id: tuple(sessions) for id, sessions in by_project.items()}


def _remember(engine: Engine) -> None:
    """For people and other programs; the next engine reads its records."""
    told = {"stopped_at": engine.clock.now().isoformat(), "sessions": left(engine)}
    try:
        write_atomic(engine.home.path / "last-stop.json", json.dumps(told, indent=2) + "\n")
    except StoreError as exc:  # on a full disk, say: nobody is forgotten by it
        _log.warning("%s", exc.message)
