"""Tells people of what is notable: one reader of the journal for each notifier of each project.

A notifier that fails is tried again, later and later, unless it refuses for good, and holds up
nobody but itself; in the end that it failed is told in the journal. How far each has come is stored
with what became of a note: after a crash at most the one under way is sent again, under the same
id. While a project cannot be opened, its notes wait.

What concerns every project, as a ceiling that all workers together have reached, is told by each
notifier of the projects that are open; by one that several have, with the same settings, once.
"""

import logging
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TypeAlias

import anyio
from anyio.abc import TaskGroup

from ao_core.config.models import PluginChoice
from ao_core.engine.bookmark import Bookmark
from ao_core.engine.engine import Engine
from ao_core.engine.notable import id_of, is_notable, note_of, urgency
from ao_core.engine.notify import Delivered, deliver, delivered
from ao_core.engine.project import Project
from ao_core.engine.retrying import waited_out
from ao_core.errors import AoError, Unknown
from ao_core.ids import ProjectId
from ao_core.model.event import Event, EventKind, NewEvent, Priority, Told
from ao_core.slots.notifier import Note
from ao_core.store.records import CURSOR, SESSION, Trouble

_log = logging.getLogger(__name__)
_READER = "notifier"
_INTERNAL = "an internal error; see the engine's log"
_PAUSES = (1.0, 5.0, 15.0, 60.0, 300.0)  # seconds between the attempts; then it is given up
_Told: TypeAlias = list[tuple[int, PluginChoice]]


@dataclass(frozen=True, slots=True)
class Failing:
    """A notifier whose notes do not arrive."""

    project: str
    notifier: str
    trouble: Trouble


async def failing(engine: Engine) -> Sequence[Failing]:
    """Every notifier whose last note did not arrive, unless its project has it no more."""
    found: list[Failing] = []
    async for row in engine.records.store.scan(CURSOR, f"{_READER}/"):
        _, project, alias = row.id.split("/", 2)
        known = engine.projects.at_hand(ProjectId(project))
        if row.value.trouble and (known is None or alias in known.notifiers):
            found.append(Failing(project, alias, row.value.trouble))
    return found


class Outlets:
    """Starts an outlet for every notifier there is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._open: set[tuple[str, str]] = set()
        self._awaited: set[str] = set()  # projects that cannot be opened as things are
        self._told: _Told = []  # lines about every project, and to whom

    async def run(self) -> None:
        """Until cancelled."""
        async with anyio.create_task_group() as tasks:
            first = self._engine.records.head
            async for row in self._engine.records.store.scan(CURSOR, f"{_READER}/"):
                _, project, alias = row.id.split("/", 2)
                self._start(tasks, project, alias, row.value.seq)
            async with aclosing(self._engine.records.follow(first)) as journal:
                async for event in journal:
                    for project in self._concerned(event):
                        await self._see(tasks, project, event.seq - 1)

    def _concerned(self, event: Event) -> set[str]:
        if event.project is not None:
            return {event.project}
        return {session.project for session in self._engine.live()}

    async def _see(self, tasks: TaskGroup, project: str, before: int) -> None:
        """A project that something happens in has its outlets from there on."""
        if project in self._awaited:
            return
        try:
            self._begin(tasks, project, await _opened(self._engine, project), before)
        except Unknown:
            return
        except AoError:
            self._awaited.add(project)
            tasks.start_soon(self._begin_later, tasks, project, before)

    async def _begin_later(self, tasks: TaskGroup, project: str, before: int) -> None:
        found = await _reached(self._engine, project)
        self._awaited.discard(project)
        if found is not None:
            self._begin(tasks, project, found, before)

    def _begin(self, tasks: TaskGroup, project: str, found: Project, before: int) -> None:
        for alias, notifier in found.notifiers.items():
            if not notifier.reads_along:
                self._start(tasks, project, alias, before)

    def _start(self, tasks: TaskGroup, project: str, alias: str, before: int) -> None:
        if (project, alias) not in self._open:
            self._open.add((project, alias))
            outlet = Outlet(self._engine, project, alias, self._told)
            tasks.start_soon(outlet.run, before)


async def _opened(engine: Engine, id: str) -> Project:
    return await engine.projects.by_id(ProjectId(id))


async def _reached(engine: Engine, id: str) -> Project | None:
    """The project, as soon as it can be opened; None where there is none any more."""
    what = f"people are told of {id}"
    return await waited_out(lambda: _opened(engine, id), engine.clock, what)


def _is_everybodys(event: Event) -> bool:
    """Whether it concerns every project."""
    return event.project is None and is_notable(event)


class Outlet:
    """One notifier of one project. `told` is shared: whom lines about every project went to."""

    def __init__(self, engine: Engine, project: str, alias: str, told: _Told | None = None) -> None:
        self._engine, self._project, self._alias = engine, project, alias
        self._told: _Told = [] if told is None else told
        self._bookmark = Bookmark(engine.records, f"{_READER}/{project}/{alias}")

    async def run(self, before: int) -> None:
        """Until cancelled; an outlet that breaks leaves the others alone, and begins again."""
        while True:
            try:
                await self._read(before)
            except Exception:  # a fault of ours here must not end the engine
                _log.exception("notifier %s of %s stumbled", self._alias, self._project)
            await self._engine.clock.sleep(_PAUSES[-1])

    async def _read(self, before: int) -> None:
        after = await self._bookmark.begin(before)
        async with aclosing(self._engine.records.follow(after)) as journal:
            async for event in journal:
                done = await self._dealt(event)
                self._reckon(done)
                if done or _is_everybodys(event) or self._bookmark.is_behind(event.seq):
                    await self._keep(event.seq, *done)

    def _reckon(self, done: Sequence[NewEvent]) -> None:
        """Since when notes have failed, which is kept with the place."""
        for event in done:
            why = event.body.error if isinstance(event.body, Told) else None
            known = self._bookmark.trouble
            since = known.since if known else self._engine.clock.now()
            self._bookmark.trouble = Trouble(since, why) if why else None

    async def _dealt(self, event: Event) -> Sequence[NewEvent]:
        """What the journal is told of it. A note that is stumbled over must not end the others."""
        try:
            return await self._tell(event)
        except Exception:  # a notifier may be anybody's code, and it is told of
            _log.exception("notifier %s was not told of line %d", self._alias, event.seq)
            body = Told(id_of(event, self._engine.home.id), self._alias, event.kind, _INTERNAL)
            return [NewEvent(EventKind.NOTIFICATION_FAILED, body, self._project, event.session)]

    async def _tell(self, event: Event) -> Sequence[NewEvent]:
        if not self._concerns(event):
            return ()
        choice = await self._routed(urgency(event))
        if choice is None or not self._is_first(event, choice):
            return ()
        session = self._engine.records.find(SESSION, event.session) if event.session else None
        note = note_of(event, self._engine.home.id, session)
        done = delivered(note, await self._deliver(note))
        return [replace(done, project=self._project)]

    def _concerns(self, event: Event) -> bool:
        if _is_everybodys(event):
            return self._is_open()
        return event.project == self._project and is_notable(event)

    def _is_open(self) -> bool:
        """Whether its project is, or will be as soon as somebody looks after its workers."""
        here = self._engine.projects.at_hand(ProjectId(self._project)) is not None
        return here or any(one.project == self._project for one in self._engine.live())

    async def _routed(self, priority: Priority) -> PluginChoice | None:
        """Its settings, if what is so urgent is for it."""
        project = await _reached(self._engine, self._project)
        if project is None or self._alias not in project.notifiers:
            return None
        routed = project.settings.routing.get(priority, project.settings.notifiers)
        return next((choice for choice in routed if choice.alias == self._alias), None)

    def _is_first(self, event: Event, choice: PluginChoice) -> bool:
        """Whether no other project's notifier, which is the same, has taken the line."""
        if not _is_everybodys(event):
            return True
        taken = (event.seq, choice) in self._told
        self._told.append((event.seq, choice))
        return not taken

    async def _deliver(self, note: Note) -> Delivered:
        """As often as it takes, within bounds."""
        done = await self._once(note)
        for pause in _PAUSES:
            if not (done.error and done.again):
                break
            _log.warning("notifier %s: %s; again in %g s", self._alias, done.error, pause)
            await self._engine.clock.sleep(pause)
            done = await self._once(note)
        return done

    async def _once(self, note: Note) -> Delivered:
        project = await _reached(self._engine, self._project)
        notifier = project.notifiers.get(self._alias) if project else None
        if notifier is None:
            return Delivered(self._alias, "It is not configured any more.", again=False)
        return await deliver(self._alias, notifier, note)

    async def _keep(self, seq: int, *events: NewEvent) -> None:
        what = f"what {self._alias} was told is noted"
        await self._engine.patiently(lambda: self._bookmark.commit(seq, events=events), what)
