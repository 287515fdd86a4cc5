"""Looks at pull requests: once for all sessions of a project, and what was seen is decided upon.

Of who has ended it is looked at, too, while its work is open: somebody may merge it by hand. Where
the host tells of changes by webhooks, one looks without being told only to find what was missed.
"""

import logging
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeAlias, cast

from ao_core.engine.case import Observation, Want
from ao_core.engine.engine import Engine
from ao_core.engine.merge import work_of
from ao_core.engine.observing import observe
from ao_core.engine.project import Project
from ao_core.engine.reviewing import is_approved, reconsider
from ao_core.engine.side import collected
from ao_core.engine.webhooks import POLL, REPAIR
from ao_core.errors import AoError
from ao_core.ids import ProjectId, SessionId
from ao_core.model.judgement import Judgement
from ao_core.model.session import PrFacts, PrState, Session, is_terminal
from ao_core.model.work import Pull, PullState
from ao_core.slots.scm import BatchObservable, Judging
from ao_core.store.records import SESSION

Wants: TypeAlias = Container[Want]

_log = logging.getLogger(__name__)
_LATER = 3_600.0  # after what could not be looked at
_SOON, _TRIES = 5.0, 4  # what is not known yet is looked at again after 5, 10, 20 and 40 seconds
_FORGOTTEN = timedelta(days=30)  # after its end, and nobody has merged it


class Pulls:
    """The pull requests of one engine's sessions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._looked: dict[SessionId, float] = {}  # since this engine started
        self._tries: dict[SessionId, int] = {}  # looks that did not find out all there is
        self._unasked: set[SessionId] = set()  # to be looked at, though nobody told of anything
        self._not_before: dict[ProjectId, float] = {}
        self._called: dict[ProjectId, set[SessionId]] = {}  # to be looked at elsewhere
        self._looking: set[ProjectId] = set()

    async def run(self) -> None:
        """See to those of who has ended, until cancelled."""
        while True:
            await self.look_after()
            await self._engine.clock.sleep(POLL)

    async def look_after(self) -> None:
        """One look at all of them."""
        left: dict[ProjectId, list[SessionId]] = defaultdict(list)
        for session in self._engine.records.all(SESSION):
            if self._is_left(session) and self._is_open_again(session):
                left[session.project].append(session.id)
        now = self._engine.clock.monotonic()
        for id, ids in left.items():
            if self._not_before.get(id, 0.0) > now:
                continue
            try:
                await self.look(await self._engine.projects.by_id(id), ids)
            except Exception as exc:  # one project's trouble must not keep the others
                self._not_before[id] = now + _LATER
                told = isinstance(exc, AoError)  # its repository is gone, or not trusted, say
                _log.warning("what the ended of %s have left: %s", id, exc, exc_info=not told)

    def _is_left(self, session: Session) -> bool:
        if not is_terminal(session) or session.pr.state is not PrState.OPEN:
            return False
        clock = self._engine.clock
        return clock.course.elapsed(session.facts.since, clock.now()) < _FORGOTTEN

    def due(
        self, project: Project, sessions: Sequence[Session], wants: Mapping[SessionId, Wants]
    ) -> list[SessionId]:
        """Those that live and are to be looked at now. A host that has to be asked is asked once
        for all whose time would come soon.
        """
        there = project.scm.remote is not None
        called = [one for one in sessions if self._is_due(one, wants.get(one.id, ()), there=there)]
        if there and called:
            known = {one.id for one in called}
            others = [one for one in self._engine.live() if one.project == project.id]
            others = [one for one in others if one.id not in known and _may_have_one(one)]
            called += [one for one in others if self._is_open_again(one, of_the_pace=0.5)]
        return [one.id for one in called]

    def _is_due(self, session: Session, wanted: Wants, *, there: bool) -> bool:
        """For what was seen, since the last engine may have meant to, or since an open one may
        have been merged by hand; of one that is elsewhere nobody here may know that it was opened.
        """
        if session.id not in self._looked or Want.PULL in wanted:
            self._looked[session.id] = self._engine.clock.monotonic()
            return True
        waits = session.pr.state is PrState.OPEN or (there and _may_have_one(session))
        return waits and self._is_open_again(session)

    def _is_open_again(self, session: Session, of_the_pace: float = 1.0) -> bool:
        """Whether it was last looked at so long ago that it is looked at again."""
        now, pace = self._engine.clock.monotonic(), self._engine.webhooks.pace(session)
        id = session.id
        last = self._looked.get(id)
        if last is not None and now - last < pace * of_the_pace:
            return False
        self._looked[id] = now
        if last is not None and pace == REPAIR and id not in self._tries:
            self._unasked.add(id)
        return True

    def forget(self, id: SessionId) -> None:
        """It has ended."""
        self._looked.pop(id, None)
        self._tries.pop(id, None)

    async def look_beside(self, project: Project, ids: Sequence[SessionId]) -> None:
        """The same; but nobody waits for a host that may be slow to answer."""
        if project.scm.remote is None:
            await self.look(project, ids)
        elif ids:
            self._called.setdefault(project.id, set()).update(ids)
            if project.id not in self._looking:
                self._looking.add(project.id)
                self._engine.tasks.start_soon(self._elsewhere, project)

    async def _elsewhere(self, project: Project) -> None:
        """One look after the other, as long as there is somebody to look at."""
        ids = set[SessionId]()
        try:
            while ids := self._called.pop(project.id, None):
                await self.look(project, sorted(ids))
        except Exception as exc:  # it is looked again in a while
            self._look_soon_at(ids or ())
            told = isinstance(exc, AoError)
            _log.warning("pull requests of %s: %s", project.id, exc, exc_info=not told)
        finally:
            self._looking.discard(project.id)

    async def look(self, project: Project, ids: Sequence[SessionId]) -> None:
        """Look at the work of these, and take in what was seen."""
        if not ids:
            return
        sessions = [self._engine.session(id) for id in ids]
        unasked = [one for one in sessions if one.id in self._unasked]
        self._unasked.difference_update(ids)
        seen = await _observed(project, sessions)
        found = {id: one for id, one in seen.items() if one}
        for id, pull in found.items():
            await self._commit(id, Observation(self._engine.clock.now(), pull=pull))
        judged = await _judged(project, found)
        for id, judgement in judged.items():
            await self._commit(id, Observation(self._engine.clock.now(), judgement=judgement))
        if project.scm.remote is not None:
            waits = isinstance(project.scm, Judging)
            known = {id for id in seen if not waits or _is_known(seen[id], judged.get(id))}
            self._look_soon_at([id for id in ids if id not in known], known)
        if any(_stands(self._engine.session(one.id)) != _stands(one) for one in unasked):
            _log.info("no webhook told of all that changed in %s", project.id)
            self._engine.webhooks.missed(project.id)
        for id in ids:
            if is_approved(self._engine.session(id)):
                self._engine.tasks.start_soon(reconsider, self._engine, id)

    def _look_soon_at(self, unknown: Iterable[SessionId], known: Iterable[SessionId] = ()) -> None:
        """What could not be seen, or what its host has not found out yet, is looked at again
        sooner: a few times, each time later than before.
        """
        for id in known:
            self._tries.pop(id, None)
        now = self._engine.clock.monotonic()
        for id in unknown:
            tries = self._tries[id] = self._tries.get(id, 0) + 1
            if tries <= _TRIES:
                pace = self._engine.webhooks.pace(self._engine.session(id))
                self._looked[id] = now - pace + _SOON * 2 ** (tries - 1)

    async def _commit(self, id: SessionId, seen: Observation) -> None:
        await observe(self._engine, id, seen, "its pull request")


def _may_have_one(session: Session) -> bool:
    """Whether it has done work that is neither merged nor given up."""
    return bool(session.commits) and session.pr.state in (PrState.NONE, PrState.OPEN)


def _is_known(pull: Pull | None, judgement: Judgement | None) -> bool:
    """Whether all was told of it that there is to be told."""
    if pull is None or pull.state is not PullState.OPEN:
        return True
    return judgement is not None and judgement.conflicts is not None


def _stands(session: Session) -> PrFacts:
    """How its pull request stands, whenever it was seen."""
    return replace(session.pr, observed_at=None)


async def _observed(project: Project, sessions: Sequence[Session]) -> dict[SessionId, Pull | None]:
    for one in sessions:
        await collected(project, one)
    works = [work_of(session) for session in sessions]
    scm = project.scm
    if isinstance(scm, BatchObservable):
        found = await cast("BatchObservable", scm).observe(works)
        return {one.id: found[one.id] for one in sessions if one.id in found}
    return {one.id: await scm.find(work_of(one)) for one in sessions}


async def _judged(project: Project, pulls: Mapping[SessionId, Pull]) -> dict[SessionId, Judgement]:
    """What others make of what is open, where the host has checks and reviewers of its own."""
    opened = {id: pull for id, pull in pulls.items() if pull.state is PullState.OPEN}
    if not opened or not isinstance(project.scm, Judging):
        return {}
    found = await cast("Judging", project.scm).judge(tuple(opened.values()))
    return {id: found[pull.number] for id, pull in opened.items() if pull.number in found}
