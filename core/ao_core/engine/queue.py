"""The queue: sessions that have a name and wait, for room or for the work of others.

Who may start follows from the records alone, so that a crash forgets nobody and starts nobody
twice. It is looked at again whenever the journal tells of something that may have made room; its
reader's place is stored, so that of copies that nobody needs any more is told once.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from ao_core.engine import environment
from ao_core.engine.bookmark import Bookmark
from ao_core.engine.engine import Engine
from ao_core.engine.environment import Grant
from ao_core.engine.keys import Ticket
from ao_core.engine.project import Project
from ao_core.engine.records import Step
from ao_core.engine.reserving import announced, begun, hold, in_line, start_of
from ao_core.engine.room import team_of
from ao_core.engine.starting import carry_out, started
from ao_core.engine.waiting import Team, is_merged, upcoming, waits_for
from ao_core.errors import AoError, CredentialsNeeded, StoreUnavailable, WrongState
from ao_core.ids import SessionId
from ao_core.model.event import Event, EventKind, NewEvent, Said
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
from ao_core.store.records import INTENT, SESSION, IntentKind

_log = logging.getLogger(__name__)
_READER = "queue"
_ROOM_PAUSE = 3.0
_K = EventKind
_MOVES = frozenset({
    _K.SESSION_QUEUED, _K.SESSION_SPAWN_STARTED, _K.SESSION_SPAWN_FAILED, _K.SESSION_RESTORED,
    _K.SESSION_EXITED, _K.SESSION_KILLED, _K.PR_MERGED, _K.SESSION_RESUMED,
    _K.MERGE_COMPLETED, _K.EVIDENCE_VERIFIED, _K.EVIDENCE_UNVERIFIED, _K.EVIDENCE_FAILED,
})  # fmt: skip


class Queue:
    """Reads the journal, and lets sessions in."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._bookmark = Bookmark(engine.records, _READER)

    async def run(self) -> None:
        """Until cancelled."""
        after = await self._bookmark.begin(self._engine.records.head)
        await self._safely(None)
        async with aclosing(self._engine.records.follow(after)) as journal:
            async for event in journal:
                await self._safely(event)

    async def _safely(self, event: Event | None) -> None:
        try:
            await self._engine.patiently(lambda: self._take(event), "the queue goes on")
        except Exception:  # it is looked at again with the next line
            _log.exception("the queue could not be looked at")

    async def _take(self, event: Event | None) -> None:
        if event is not None:
            news = _spare(self._engine, event)
            if news or self._bookmark.is_behind(event.seq):
                await self._bookmark.commit(event.seq, events=news)
        if event is None or event.kind in _MOVES:
            await advance(self._engine)


def _spare(engine: Engine, event: Event) -> Sequence[NewEvent]:
    """Once the work of one copy is merged, its lead is told of those that are not needed."""
    session = engine.records.find(SESSION, event.session or "")
    if event.kind is not EventKind.PR_MERGED or session is None:
        return ()
    text = spare(team_of(engine.records), session)
    return (NewEvent(_K.COPIES_SPARE, Said(text), session.project, session.id),) if text else ()


def spare(team: Team, session: Session) -> str:
    """Which copies of it can go, now that one is merged; nothing where that is not so."""
    others = team.copies(session)
    merged = [one.id for one in (session, *others) if is_merged(one)]
    left = [one.id for one in (session, *others) if not is_terminal(one) and not is_merged(one)]
    if not merged or not left:
        return ""
    return f"{', '.join(merged)} is merged; `kill` the copies nobody needs: {', '.join(left)}"


# -- letting in ------------------------------------------------------------------------------------


async def advance(engine: Engine) -> None:
    """Start whoever may start now, in order; say of the others what keeps them from it."""
    if not team_of(engine.records).line():
        return
    async with engine.room.lock:
        line = team_of(engine.records).line()
        limits = await engine.room.measure(engine.projects, [one.project for one in line])
        for session in line:
            await _judge(engine, session)
        for session in upcoming(team_of(engine.records), limits):
            redo = was_begun(engine, session.id)
            if project := await _let_in(engine, session):
                start = partial(_start, redo=redo, place=session.queued)
                engine.tasks.start_soon(start, engine, session.id, project)


async def enter(engine: Engine, id: SessionId) -> Project | None:
    """Let this one in, if it may start now: whoever holds the room's lock then starts it."""
    team = team_of(engine.records)
    limits = await engine.room.measure(engine.projects, [one.project for one in team.line()])
    await _judge(engine, engine.session(id))
    if id not in {one.id for one in upcoming(team_of(engine.records), limits)}:
        return None
    return await _let_in(engine, engine.session(id))


async def _let_in(engine: Engine, session: Session) -> Project | None:
    let_in: list[Session] = []

    def step(now: Session) -> Step | None:
        let_in.clear()
        if not is_waiting(now):  # it was ended meanwhile
            return None
        let_in.append(begun(engine, now, now.base_commit))
        return Step(let_in[0], (announced(now),), (start_of(engine, now),))

    project = await _project(engine, session)
    await engine.records.update(SESSION, session.id, step)
    engine.room.views.pop(session.id, None)
    return project if let_in else None


async def _project(engine: Engine, session: Session) -> Project:
    return engine.room.views.get(session.id) or await engine.project_of(session)


async def _start(
    engine: Engine, id: SessionId, project: Project, *, redo: bool, place: int
) -> None:
    try:
        await carry_out(engine, id, project, redo=redo, place=place)
    except StoreUnavailable as exc:
        _log.warning("%s starts once there is room: %s", id, exc.message)
        await engine.clock.sleep(_ROOM_PAUSE)
        await engine.patiently(lambda: advance(engine), f"{id} starts")
    except AoError as exc:  # its record says so, and the journal
        _log.warning("%s could not be started: %s", id, exc.message)
    except Exception:  # one session's trouble must not end the engine
        _log.exception("%s could not be started", id)


def was_begun(engine: Engine, id: SessionId) -> bool:
    """Whether a start was tried before, which may have left something of it."""
    return engine.records.find(INTENT, f"{IntentKind.SPAWN}/{id}/1") is not None


# -- what keeps one from starting ------------------------------------------------------------------


async def _judge(engine: Engine, session: Session) -> None:
    """Ask for attention where waiting will not help; no longer, where it will again."""
    why = await _trouble(engine, session)
    reason = SessionReason.BLOCKED if why else SessionReason.QUEUED

    def step(now: Session) -> Step | None:
        if not is_waiting(now) or (now.facts.reason, now.facts.note) == (reason, why):
            return None
        facts = SessionFacts(SessionState.NOT_STARTED, reason, engine.clock.now(), why)
        after = replace(now, facts=facts)
        return Step(after, (_told(engine, after),))

    await engine.records.update(SESSION, session.id, step)


def _told(engine: Engine, session: Session) -> NewEvent:
    if session.facts.note is None:
        return in_line(team_of(engine.records), engine.room.limits, session)
    said = Said(session.facts.note)
    return NewEvent(EventKind.SESSION_BLOCKED, said, session.project, session.id)


async def _trouble(engine: Engine, session: Session) -> str | None:
    team = team_of(engine.records)
    if lost := team.lost(session):
        names = ", ".join(lost)
        return f"{names} ended before its work was done: `restore` it, or `kill` what waits for it"
    if merged := [one.id for one in team.copies(session) if is_merged(one)]:
        return f"the work of {merged[0]}, a copy of it, is merged: `kill` it if it is not needed"
    try:
        project = await _project(engine, session)
        settings, granted = project.settings.env, engine.granted(session.id)
        layers = environment.layered(settings, granted, engine.login())
        environment.require(session.credentials, layers)
    except CredentialsNeeded:
        names = ", ".join(session.credentials)
        return f"the engine no longer has {names}: `restore` it from a client that has them"
    except AoError as exc:
        return visible(f"its project cannot be opened: {exc.message}", 300)
    return None


# -- back into the queue ---------------------------------------------------------------------------


def is_of_the_queue(session: Session) -> bool:
    """Whether it waits, or has ended while it did: so that there is nothing to resume."""
    return session.queued > 0


async def take_back(
    engine: Engine, project: Project, id: SessionId, ticket: Ticket, granted: Grant
) -> Session:
    """Queue a session anew, or give one that is blocked what its new client has."""
    session = engine.session(id)
    if is_waiting(session) and session.facts.reason is not SessionReason.BLOCKED:
        raise WrongState(f"{id} waits in the queue.", hint="It starts by itself; `show` says when.")
    return await requeued(engine, project, id, granted, lambda now: _again(engine, now, ticket))


async def requeued(
    engine: Engine,
    project: Project,
    id: SessionId,
    granted: Grant,
    step: Callable[[Session], Step | None],
) -> Session:
    """Put it into the queue by this step; it is started at once where there is room."""
    redo = was_begun(engine, id)
    async with engine.room.lock:
        session = await engine.records.update(SESSION, id, step)
        if is_waiting(session):
            hold(engine, session, project, granted)
        let_in = await enter(engine, id) if is_waiting(session) else None
    if let_in is not None:
        return await engine.detached(lambda: carry_out(engine, id, let_in, redo=redo))
    session = engine.session(id)
    return session if is_waiting(session) else await started(engine, id)


def _again(engine: Engine, session: Session, ticket: Ticket) -> Step | None:
    used = tuple(ticket.used_for(session.id))
    if not is_terminal(session):
        return Step(session, beside=used) if is_waiting(session) else None
    team = team_of(engine.records)
    facts = SessionFacts(SessionState.NOT_STARTED, SessionReason.QUEUED, engine.clock.now())
    after = replace(
        session, facts=facts, run=RuntimeFacts(), workspace_gone=False,
        queued=team.next_number(), generation=session.generation + 1,
    )  # fmt: skip
    return Step(after, (in_line(team, engine.room.limits, after),), used)


def place_of(engine: Engine, session: Session) -> str:
    """Where a session stands in the queue, and what it waits for; nothing if it does not."""
    if not is_waiting(session):
        return ""
    team = team_of(engine.records)
    waits = waits_for(team, engine.room.limits, session)
    return f"queued, place {team.place(session)} of {len(team.line())}: {waits}"
