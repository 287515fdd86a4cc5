"""What a project's plugins may know of their surroundings."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ao_core.config.models import EffectiveProject
from ao_core.engine.side import run_through
from ao_core.errors import ConfigError
from ao_core.index import Slot
from ao_core.plugin import Scope
from ao_core.slots.runtime import Runtime
from ao_core.store.records import ProjectRecord

if TYPE_CHECKING:
    from ao_core.engine.projects import Projects


@dataclass(frozen=True, slots=True)
class Scoped:
    """Makes the scope of each of a project's plugins."""

    projects: "Projects"
    settings: EffectiveProject
    record: ProjectRecord | None
    runtime: Runtime[Any]
    state: Any = None

    def of(self, slot: Slot, name: str) -> Scope:
        """The scope of one plugin."""
        projects = self.projects
        state = self.state
        if state is None:
            if self.record is None:
                raise ConfigError("A plugin needs a project.")
            state = projects.home.project(self.record.folder).plugin_state
        return Scope(
            state=state(slot, _file_name(name)),
            project=self.record.id if self.record else self.settings.id,
            repository=self.settings.path,
            repo=self.settings.repo,
            branch=self.settings.default_branch,
            home=projects.home.id,
            environment=projects.login,
            run=run_through(self.runtime, self.settings.path),
            clock=projects.clock,
            announce=self._announce,
        )

    async def _announce(self, note: str, text: str) -> None:
        await self.projects.tell_lead(self.record.id if self.record else None, note, text)


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter == "-" else "-" for letter in name)[:60]
