"""How many workers there may be, as configured, and what an engine holds for those that wait."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

import anyio

from ao_core.engine.project import Project
from ao_core.engine.projects import Projects
from ao_core.engine.records import Records
from ao_core.engine.waiting import Limits, Team
from ao_core.errors import AoError
from ao_core.ids import ProjectId, SessionId
from ao_core.store.records import EVIDENCE, SESSION


async def _any_number() -> int | None:
    return None


@dataclass(slots=True)
class Room:
    """Its lock is held by whoever lets sessions in. `views`: projects as their clients see them."""

    most: Callable[[], Awaitable[int | None]] = _any_number
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    views: dict[SessionId, Project] = field(default_factory=dict[SessionId, Project])
    limits: Limits = field(default_factory=Limits)

    async def measure(self, projects: Projects, ids: Iterable[ProjectId]) -> Limits:
        """The limits as they are now. A project that cannot be opened has none."""
        own = {id: await _own(projects, id) for id in set(ids)}
        self.limits = Limits(await self.most(), {**self.limits.projects, **own})
        return self.limits


async def _own(projects: Projects, id: ProjectId) -> int | None:
    try:
        return (await projects.by_id(id)).settings.max_workers
    except AoError:  # nobody of it can start anyway
        return None


def team_of(records: Records) -> Team:
    """The team as it is recorded."""
    sessions = {one.id: one for one in records.all(SESSION)}
    return Team(sessions, lambda id: records.find(EVIDENCE, id))
