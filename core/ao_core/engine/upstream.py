"""Where a project's work goes to: a branch here, or one at the remote that its host watches."""

from collections import defaultdict
from dataclasses import dataclass, field

import anyio

from ao_core.clock import Clock
from ao_core.engine.project import Project
from ao_core.engine.side import git_for
from ao_core.git.upstream import fetched
from ao_core.ids import ProjectId, branch_name

_FRESH = 20.0


def spelled(project: Project, base: str) -> str:
    """The base as git knows it in a workspace."""
    remote = project.scm.remote
    return f"{remote}/{base}" if remote else base


def _locks() -> defaultdict[ProjectId, anyio.Lock]:
    return defaultdict(anyio.Lock)


@dataclass(slots=True)
class Upstream:
    """The targets of all projects: what is at a remote is fetched, once for whoever asks now."""

    _since: dict[tuple[ProjectId, str], float] = field(
        default_factory=dict[tuple[ProjectId, str], float]
    )
    _locks: defaultdict[ProjectId, anyio.Lock] = field(default_factory=_locks)

    async def tip(self, project: Project, base: str, clock: Clock) -> str | None:
        """The commit that work starts from now, or is brought up to date with."""
        git, name = git_for(project, project.repository), branch_name(base)
        if project.scm.remote is None:
            return await git.branch_tip(name)
        async with self._locks[project.id]:
            now, last = clock.monotonic(), self._since.get((project.id, name))
            if last is None or now - last >= _FRESH:
                await fetched(git, name, project.scm.remote)
                self._since[project.id, name] = clock.monotonic()
        return await git.resolve(f"refs/remotes/{spelled(project, name)}")

    def moved(self, project: Project) -> None:
        """Something was merged: what was fetched is old."""
        self._since = {key: at for key, at in self._since.items() if key[0] != project.id}
