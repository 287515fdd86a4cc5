"""The pipelines of a project: what ran for a commit, and for which commits something has run.

https://docs.gitlab.com/api/pipelines/ and https://docs.gitlab.com/ci/pipelines/downstream_pipelines/
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from ao_core.errors import NotFound, Unauthorized
from ao_core.http import Urgency
from ao_plugins._gitlab.checks import (
    Bridge,
    Job,
    Ran,
    Status,
    of_bridge,
    of_job,
    of_pipeline,
    of_status,
    unexplained,
)
from ao_plugins._gitlab.host import GitLab
from ao_plugins._gitlab.seen import Pipeline, Seen
from ao_plugins._gitlab.shape import Shape

_MANY = 100
_OVERLAP = timedelta(seconds=1)  # so that none is missed that changed in the same moment
_DEEPEST = 2  # GitLab has no more levels of children
_TOGETHER = re.compile(r"refs/merge-requests/\d+/(merge|train)")  # with its target in it
_OF_ONE = re.compile(r"refs/merge-requests/(\d+)/")
_JOB = re.compile(r"(/-)?/(jobs|builds)/\d+")

_T = TypeVar("_T")


class _Commit(Shape):
    parent_ids: tuple[str, ...] = ()


@dataclass(slots=True)
class Pipelines:
    """Those of one project."""

    gitlab: GitLab
    _latest: datetime | None = None
    _told: frozenset[tuple[int, datetime | None]] = frozenset()
    _parents: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    async def news(self) -> frozenset[str]:
        """The commits, and the merge requests as `!1`, whose pipelines changed since last asked."""
        try:
            found = await self._changed()
        except (Unauthorized, NotFound):
            return frozenset()  # the project has none
        fresh = [one for one in found if (one.id, one.updated_at) not in self._told]
        self._told = frozenset((one.id, one.updated_at) for one in found)
        times = [one.updated_at for one in found if one.updated_at]
        self._latest = max(times, default=self._latest)
        return frozenset(mark for one in fresh for mark in _marks(one))

    async def ran(self, seen: Seen, urgency: Urgency) -> tuple[Ran, ...]:
        """All that ran for its head; it is to be one that was looked at alone."""
        pipeline = seen.head_pipeline
        if pipeline is None or seen.sha is None or not await self._is_for(pipeline, seen.sha):
            return ()
        try:
            found = await self._all_of(pipeline, seen, urgency)
        except (Unauthorized, NotFound):  # of a fork, say, that only its members look into
            found = [of_pipeline(pipeline)]
        return tuple(sorted(found, key=lambda one: one.check.name))

    async def _all_of(self, pipeline: Pipeline, seen: Seen, urgency: Urgency) -> list[Ran]:
        home = self._home(pipeline, seen)
        found, ids = await self._inside(pipeline, _Inside(home, urgency))
        path = f"{home}/repository/commits/{seen.sha}/statuses"
        statuses = await self._all(path, list[Status], urgency)
        web = (pipeline.web_url or self.gitlab.web).partition("/-/")[0]
        outside = [one for one in statuses if one.id not in ids and not _is_job(one, web)]
        found += map(of_status, outside)
        whole = of_pipeline(pipeline)
        return [*found, whole] if unexplained(whole, found) else found

    def _home(self, pipeline: Pipeline, seen: Seen) -> str:
        """Its project in REST: a fork has its own pipelines."""
        here = pipeline.project_id in (None, seen.target_project_id)
        return self.gitlab.path if here else f"/projects/{pipeline.project_id}"

    async def _changed(self) -> Sequence[Pipeline]:
        path = f"{self.gitlab.path}/pipelines"
        params = {"order_by": "updated_at", "sort": "desc", "per_page": _MANY}
        most = Urgency.REFRESH
        if self._latest is None:  # what was before is asked of each by itself
            ask = self.gitlab.rest.ask
            return await ask("GET", path, into=list[Pipeline], params=params, urgency=most)
        since = {**params, "updated_after": (self._latest - _OVERLAP).isoformat()}
        pages = self.gitlab.rest.pages(path, into=list[Pipeline], params=since, urgency=most)
        return [one async for one in pages]

    async def _is_for(self, pipeline: Pipeline, head: str) -> bool:
        """Just after a push the pipeline of the head before is still told."""
        if not _TOGETHER.match(pipeline.ref):
            return pipeline.sha == head
        if pipeline.sha not in self._parents:
            path = f"{self.gitlab.path}/repository/commits/{pipeline.sha}"
            found = (await self.gitlab.rest.ask("GET", path, into=_Commit)).parent_ids
            self._parents = dict([*self._parents.items(), (pipeline.sha, found)][-_MANY:])
        return head in self._parents[pipeline.sha]

    async def _inside(self, pipeline: Pipeline, at: "_Inside") -> tuple[list[Ran], set[int]]:
        """Its jobs and those of its children, and the ids of its own."""
        path = f"{at.home}/pipelines/{pipeline.id}"
        jobs = await self._all(f"{path}/jobs", list[Job], at.urgency)
        bridges = await self._all(f"{path}/bridges", list[Bridge], at.urgency)
        found = [of_job(one, at.home, at.lead, optional=at.optional) for one in jobs]
        for one in bridges:
            child = one.downstream_pipeline
            if child is not None and at.levels and child.source == "parent_pipeline":
                found += await self._below(child, at.below(one))
            else:
                found.append(of_bridge(one, at.lead, optional=at.optional))
        return found, {one.id for one in (*jobs, *bridges)}

    async def _below(self, child: Pipeline, at: "_Inside") -> list[Ran]:
        found, _ = await self._inside(child, at)
        whole = of_pipeline(child, at.lead, optional=at.optional)
        return [*found, whole] if unexplained(whole, found) else found

    async def _all(self, path: str, into: type[list[_T]], urgency: Urgency) -> list[_T]:
        params = {"per_page": _MANY}
        pages = self.gitlab.rest.pages(path, into=into, params=params, urgency=urgency)
        return [one async for one in pages]


@dataclass(frozen=True, slots=True)
class _Inside:
    """Where we are among pipelines that have started others; `optional`: none needs to pass."""

    home: str
    urgency: Urgency
    lead: str = ""
    levels: int = _DEEPEST
    optional: bool = False

    def below(self, bridge: Bridge) -> "_Inside":
        optional = self.optional or bridge.allow_failure
        lead = f"{self.lead}{bridge.name} / "
        return _Inside(self.home, self.urgency, lead, self.levels - 1, optional)


def _is_job(status: Status, web: str) -> bool:
    """Whether it is a job of the project there: those of other pipelines are listed as well."""
    page, here = urlsplit(status.target_url or "").path, urlsplit(web).path
    return page.startswith(here) and bool(_JOB.fullmatch(page.removeprefix(here)))


def _marks(pipeline: Pipeline) -> tuple[str, ...]:
    of_one = _OF_ONE.match(pipeline.ref)
    return (pipeline.sha, f"!{of_one[1]}") if of_one else (pipeline.sha,)
