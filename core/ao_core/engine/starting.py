"""A session that has a name is brought up, or ends with the reason why it could not be."""

from dataclasses import replace

import anyio

from ao_core.engine.engine import Engine
from ao_core.engine.launching import bring_up
from ao_core.engine.moves import over
from ao_core.engine.project import Project
from ao_core.engine.records import Step
from ao_core.errors import AoError, StoreUnavailable
from ao_core.ids import SessionId
from ao_core.model.event import EventKind, NewEvent, Said
from ao_core.model.session import (
    RuntimeFacts,
    Session,
    SessionFacts,
    SessionReason,
    SessionState,
    is_terminal,
    is_waiting,
)
from ao_core.redact import visible
from ao_core.store.records import SESSION, IntentKind, Outcome

_NOTING = 3.0


async def carry_out(
    engine: Engine, id: SessionId, project: Project, *, redo: bool = False, place: int = 0
) -> Session:
    """Bring a reserved session up, or end it with the reason.

    One that nobody waits for goes back to its `place` in the queue where the disk refuses it.
    """
    intent = f"{IntentKind.SPAWN}/{id}/1"
    async with engine.alone(id):
        if is_terminal(engine.session(id)):  # it was killed before anything of it was there
            await engine.intents.end(intent, Outcome.FAILED, "it was ended first")
            return engine.session(id)
        try:
            session = await bring_up(engine, id, project, resume=False, redo=redo)
        except Exception as exc:
            back = place if isinstance(exc, StoreUnavailable) else 0
            await failed(engine, id, exc, intent, back)
            raise
        end = engine.intents.end
        await engine.noted(lambda: end(intent, Outcome.DONE), f"the start of {id} is noted")
    return session


async def failed(
    engine: Engine, id: SessionId, exc: Exception, intent: str, place: int = 0
) -> None:
    """The session ends where it could not begin, or goes back to its place in the queue."""
    kind = type(exc).__name__

    async def note() -> None:
        await (_put_back(engine, id, place) if place else _over(engine, id, exc))
        await engine.intents.end(intent, Outcome.FAILED, kind)

    await engine.noted(note, f"the failed start of {id} is noted")


async def _put_back(engine: Engine, id: SessionId, place: int) -> None:
    def waiting(session: Session) -> Step | None:
        if is_terminal(session):  # it was killed meanwhile
            return None
        facts = SessionFacts(SessionState.NOT_STARTED, SessionReason.QUEUED, engine.clock.now())
        return Step(replace(session, facts=facts, run=RuntimeFacts(), queued=place))

    await engine.records.update(SESSION, id, waiting)


async def _over(engine: Engine, id: SessionId, exc: Exception) -> None:
    reason = exc.message if isinstance(exc, AoError) else "an internal error; see the engine's log"

    def step(session: Session) -> Step | None:
        if is_terminal(session):  # it was killed meanwhile
            return None
        note, why = visible(reason, 500), SessionReason.ERROR_IN_PROCESS
        kind = EventKind.SESSION_SPAWN_FAILED
        event = NewEvent(kind, Said(note), session.project, session.id)
        return Step(over(session, why, engine.clock.now(), note), (event,))

    await engine.records.update(SESSION, id, step)


async def started(engine: Engine, id: SessionId) -> Session:
    """Wait until the spawn of this session, begun by an earlier call, has ended."""

    session = await settled(engine, id)
    if session.facts.reason is SessionReason.ERROR_IN_PROCESS:
        raise AoError(f"{id} could not be started: {session.facts.note}", hint="Spawn it again.")
    return session


async def settled(engine: Engine, id: SessionId) -> Session:
    """Wait until a start has ended; it cannot have, for long, where nobody is at it any more.

    What waits in the queue is not being started: it is as it is.
    """

    def over() -> Session | None:
        session = engine.session(id)
        begun = session.facts.state is SessionState.NOT_STARTED and not is_waiting(session)
        return None if begun else session

    lock = engine.alone(id)
    while True:
        async with lock:
            pass
        with anyio.move_on_after(_NOTING):
            return await engine.records.until(over)
        if not lock.locked():
            message = f"What became of the start of {id} cannot be written down."
            raise StoreUnavailable(message, hint="Free some space, then repeat the call.")
