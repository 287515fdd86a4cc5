"""Workspaces made before anybody needs them: which are ready, and for which projects."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ao_core.ids import ProjectId
from ao_core.slots.workspace import Spare


def _any(spare: Spare) -> bool:
    return True


@dataclass(slots=True)
class Pool:
    """`used` are the projects whose workers may need one; `doubted`, those to be looked through."""

    used: set[ProjectId] = field(default_factory=set[ProjectId])
    doubted: set[ProjectId] = field(default_factory=set[ProjectId])
    _ready: dict[ProjectId, list[Spare]] = field(default_factory=dict[ProjectId, list[Spare]])
    _held: set[Path] = field(default_factory=set[Path])

    def expect(self, project: ProjectId) -> None:
        """A worker of this project is started: others may follow."""
        if project not in self.used:
            self.used.add(project)
            self.doubted.add(project)

    def ready(self, project: ProjectId) -> Sequence[Spare]:
        """Those that can be taken."""
        return tuple(self._ready.get(project, ()))

    def put(self, project: ProjectId, spare: Spare) -> None:
        """One more."""
        self._ready.setdefault(project, []).append(spare)

    def found(self, project: ProjectId, spares: Iterable[Spare]) -> None:
        """These are there, and no other; those that somebody is at are not looked at."""
        self._ready[project] = [one for one in spares if one.ready and not self.is_held(one)]

    def is_held(self, spare: Spare) -> bool:
        """Whether somebody is at it."""
        return spare.path in self._held

    @contextmanager
    def claimed(
        self, project: ProjectId, wanted: Callable[[Spare], bool] = _any
    ) -> Generator[Spare | None]:
        """One that is ready, if there is such a one, for nobody else; it is not put back."""
        ready = self._ready.get(project, [])
        spare = next(filter(wanted, ready), None)
        if spare is None:
            yield None
            return
        ready.remove(spare)
        self._held.add(spare.path)
        try:
            yield spare
        finally:
            self._held.discard(spare.path)
            self.doubted.add(project)
