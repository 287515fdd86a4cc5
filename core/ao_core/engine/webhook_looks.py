"""What a host posts to us: who may, what it is about, and that it is looked at now.

What is said there is not believed: it says whose pull requests to look at, and the look finds out
what a poll would have found out. So nobody can make the engine believe anything, signed or not.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import cast

import anyio
import anyio.to_thread

from ao_core.engine.engine import Engine
from ao_core.engine.project import Project
from ao_core.engine.pull_looks import Pulls
from ao_core.engine.webhook_secrets import secret_of
from ao_core.engine.webhooks import Heard, Reception
from ao_core.errors import AoError, BadRequest
from ao_core.ids import ProjectId, SessionId
from ao_core.model.session import PrState, Session, is_terminal
from ao_core.slots.scm import Hooked, Notice, Posted
from ao_core.store.records import PROJECT, SESSION

_log = logging.getLogger(__name__)
_BREATH = 1.0  # between looks that were asked for: what happens at once is looked at once


class Deliveries:
    """Takes in what hosts post."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._books = engine, engine.webhooks
        self._opening = anyio.Lock()
        self._opened = False

    async def are_awaited(self, scm: str) -> bool:
        """Whether any project could be told of anything by this host."""
        return bool(await self._keyed(scm))

    async def take(self, scm: str, posted: Posted) -> Heard:
        """Have looked at what it is about; tells what was made of it."""
        keyed = await self._keyed(scm)
        if not keyed:
            return self._books.note(scm, Reception.NO_SECRET)
        # a large one takes a while, and whoever sends it may be a stranger
        read = await anyio.to_thread.run_sync(_read, keyed, posted)
        if isinstance(read, Reception):
            return self._books.note(scm, read)
        return self._noticed(scm, *read, posted.body)

    def _noticed(self, scm: str, theirs: Sequence[Project], notice: Notice, body: bytes) -> Heard:
        about = notice.event, notice.delivery, notice.repository
        if not any(_is_of(one, notice) for one in theirs):
            return self._books.note(scm, Reception.UNKNOWN, *about)
        if self._books.is_known(scm, notice.delivery, body):
            return self._books.note(scm, Reception.REPEATED, *about)
        self._books.remember(scm, notice.delivery, body)
        hosts = {_hooked(one).host for one in theirs}
        there = [one for one in self._hosted(scm) if _hooked(one).host in hosts]
        sessions = self._told(there, notice)
        reception = Reception.NOTHING if notice.names_nothing else Reception.TAKEN
        return self._books.note(scm, reception, *about, sessions)

    def _told(self, projects: Iterable[Project], notice: Notice) -> list[SessionId]:
        """Every project of that repository is told, whoever's secret it was signed with."""
        told: list[SessionId] = []
        for project in projects:
            if _is_of(project, notice):
                mine = [one.id for one in self._of(project) if _is_about(one, notice)]
                self._books.tell(project.id, mine)
                told += mine
        return told

    def _of(self, project: Project) -> Iterable[Session]:
        return (one for one in self._engine.records.all(SESSION) if one.project == project.id)

    def _hosted(self, scm: str) -> list[Project]:
        opened = self._engine.projects.opened()
        return [one for one in opened if one.scm.name == scm and isinstance(one.scm, Hooked)]

    async def _keyed(self, scm: str) -> list[tuple[Project, str]]:
        await self._open_all()
        found = [(one, await secret_of(self._engine, one)) for one in self._hosted(scm)]
        return [(one, secret) for one, secret in found if secret]

    async def _open_all(self) -> None:
        """Once: a project of which nobody works may be told of something all the same."""
        async with self._opening:
            if self._opened:
                return
            self._opened = True
            projects = self._engine.projects
            for id in [row.id async for row in projects.records.store.scan(PROJECT)]:
                try:
                    await projects.by_id(ProjectId(id))
                except Exception as exc:  # it is gone, or not trusted: nobody is told of it
                    told = isinstance(exc, AoError)
                    _log.info("webhooks of %s are not heard: %s", id, exc, exc_info=not told)


class ToldLooks:
    """Looks at whatever was told of, at most once a second."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._pulls = engine, Pulls(engine)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look(await self._engine.webhooks.due())
            await self._engine.clock.sleep(_BREATH)

    async def look(self, ids: Iterable[SessionId]) -> None:
        """Have the loop look at those that live, and look at the others here."""
        for id in sorted(ids):
            session = self._engine.session(id)
            if not is_terminal(session):
                self._engine.pull_due(id)
                continue
            try:
                await self._pulls.look(await self._engine.project_of(session), [id])
            except Exception as exc:  # one project's trouble must not keep the others
                told = isinstance(exc, AoError)
                _log.warning("what %s has left: %s", id, exc, exc_info=not told)


def _read(
    keyed: Sequence[tuple[Project, str]], posted: Posted
) -> tuple[list[Project], Notice] | Reception:
    """Whose secret it is signed with, and what it is about."""
    theirs = [one for one, secret in keyed if _hooked(one).signed(posted, secret)]
    if not theirs:
        return Reception.UNSIGNED
    try:
        return theirs, _hooked(theirs[0]).noticed(posted)
    except BadRequest:
        return Reception.MALFORMED


def _hooked(project: Project) -> Hooked:
    return cast("Hooked", project.scm)


def _is_of(project: Project, notice: Notice) -> bool:
    return _hooked(project).repository.casefold() == notice.repository.casefold()


def _is_about(session: Session, notice: Notice) -> bool:
    """Whether its pull request is one of those that are meant, or may be."""
    pr = session.pr
    is_open = pr.state is PrState.OPEN
    if is_terminal(session) and not is_open:
        return False
    return (
        pr.number in notice.pulls
        or session.branch in notice.branches
        or not notice.commits.isdisjoint((*session.commits, pr.head))
        or (is_open and session.base in notice.moved)
    )
