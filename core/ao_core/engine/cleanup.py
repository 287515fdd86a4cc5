"""Cleanup: what nobody needs any more is taken away by itself, as `kill` would.

That is a worker whose work is merged, once it has rested for the grace that the configuration
gives; and, where it is wanted, the workspace of one that ended long ago. What is not saved
elsewhere is saved first. A worker that has gone on since the merge, that is to be told something,
or whose terminal a person has open, stays.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from ao_core.course import STEADY, Course
from ao_core.engine.down import is_all_merged, is_down
from ao_core.engine.engine import Engine
from ao_core.engine.kill import kill
from ao_core.engine.merge import look_at_head
from ao_core.errors import AoError
from ao_core.ids import ProjectId, SessionId
from ao_core.model.session import Session, SessionReason, SessionState, is_terminal
from ao_core.slots.runtime import Attended
from ao_core.store.records import SESSION

_log = logging.getLogger(__name__)
_TICK = 5.0
_AGAIN = timedelta(hours=1)  # after what could not be taken away
_HEEDED = 10.0  # within so long, a change of the configuration


@dataclass(frozen=True, slots=True)
class Grace:
    """How long each is left alone; None: for ever."""

    merged: timedelta | None = None
    abandoned: timedelta | None = None


def due(
    session: Session, grace: Grace, now: datetime, course: Course = STEADY
) -> SessionReason | None:
    """Why a session is to be cleared away now, if it is."""
    if not session.path or (is_terminal(session) and session.workspace_gone):
        return None
    since = session.facts.since
    if _is_merged(session) and grace.merged is not None:
        since = max(since, session.pr.observed_at or since)
        return SessionReason.PR_MERGED if course.elapsed(since, now) >= grace.merged else None
    left = is_terminal(session) and not is_down(session)
    if left and grace.abandoned is not None and course.elapsed(since, now) >= grace.abandoned:
        return SessionReason.AUTO_CLEANUP
    return None


def _is_merged(session: Session) -> bool:
    """Whether all it did is merged, and it rests."""
    rests = is_terminal(session) or session.facts.state is SessionState.IDLE
    return rests and is_all_merged(session)


class Cleanup:
    """Looks, now and then, whom it is time for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._not_before: dict[SessionId, float] = {}
        self._graces: dict[ProjectId, tuple[float, Grace]] = {}
        self._said: dict[str, str] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._engine.clock.sleep(_TICK)
            await self.look()

    async def look(self) -> None:
        """One pass."""
        for session in list(self._engine.records.all(SESSION)):
            try:
                await self._one(session)
            except AoError as exc:
                self._later(session.id, _AGAIN)
                _log.warning("%s could not be cleared away: %s", session.id, exc.message)
            except Exception:  # one session's trouble must not keep the others
                self._later(session.id, _AGAIN)
                _log.exception("%s could not be cleared away", session.id)

    async def _one(self, session: Session) -> None:
        if not self._may_be(session):
            return
        grace = await self._grace(session)
        if self._due(session, grace) is None or self._is_busy(session):
            return
        if await self._is_attended(session):
            self._later(session.id, grace.merged or timedelta())
            return
        fresh = await look_at_head(self._engine, session.id)  # somebody may have committed by hand
        reason = self._due(fresh, grace)
        if reason is not None:
            await self._clear_away(session.id, reason, grace)

    def _may_be(self, session: Session) -> bool:
        """Whether it can be due at all: no project is opened for one that is not."""
        most = Grace(timedelta(), timedelta())
        waits = self._not_before.get(session.id, 0.0) > self._engine.clock.monotonic()
        return not waits and self._due(session, most) is not None

    def _due(self, session: Session, grace: Grace) -> SessionReason | None:
        clock = self._engine.clock
        return due(session, grace, clock.now(), clock.course)

    async def _grace(self, session: Session) -> Grace:
        now = self._engine.clock.monotonic()
        known = self._graces.get(session.project)
        if known is None or now - known[0] >= _HEEDED:
            known = self._graces[session.project] = now, await self._configured(session)
        return known[1]

    async def _configured(self, session: Session) -> Grace:
        """As it is said by now. What cannot be understood might say to leave everything."""
        project = await self._engine.project_of(session)
        try:
            settings = await self._engine.projects.settings_now(project)
        except AoError as exc:
            if self._said.get(project.id) != exc.message:
                _log.warning("nothing of %s is cleared away: %s", project.id, exc.message)
            self._said[project.id] = exc.message
            return Grace()
        self._said.pop(project.id, None)
        return Grace(settings.merged_grace, settings.abandoned_grace)

    def _is_busy(self, session: Session) -> bool:
        at_it = session.id in self._engine.proving or self._engine.is_ending(session.id)
        return at_it or self._is_told(session)

    async def _is_attended(self, session: Session) -> bool:
        """Whether a person looks on; where nobody can tell, nobody does."""
        if session.run.handle is None or is_terminal(session):
            return False
        if self._engine.conversations.is_followed(session.id, self._engine.clock.monotonic()):
            return True
        runtime = await self._engine.runtime_of(session)
        if not isinstance(runtime, Attended):
            return False
        return await cast("Attended", runtime).attended(session.run.handle)

    async def _clear_away(self, id: SessionId, reason: SessionReason, grace: Grace) -> None:
        engine = self._engine

        def still(now: Session) -> bool:
            return self._due(now, grace) is reason and not self._is_told(now)

        done = await kill(engine, id, reason=reason, still=still)
        if done.kept_because is not None:
            self._later(id, _AGAIN)

    def _is_told(self, session: Session) -> bool:
        return not is_terminal(session) and bool(self._engine.outbox.waiting(session.id))

    def _later(self, id: SessionId, by: timedelta) -> None:
        self._not_before[id] = self._engine.clock.monotonic() + by.total_seconds()
