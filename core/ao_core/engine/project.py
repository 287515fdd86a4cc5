"""A project as the engine uses it: its settings, its repository, its home and its open plugins."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ao_core.config.models import EffectiveProject
from ao_core.engine.home import ProjectHome
from ao_core.ids import ProjectId
from ao_core.slots.agent import Agent
from ao_core.slots.notifier import Notifier
from ao_core.slots.runtime import Runtime
from ao_core.slots.scm import Scm
from ao_core.slots.tracker import Tracker
from ao_core.slots.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Project:
    """One repository and everything that serves it."""

    id: ProjectId
    settings: EffectiveProject
    repository: Path
    common_dir: Path
    prefix: str
    home: ProjectHome
    config_path: Path | None
    runtime: Runtime[Any]
    workspace: Workspace[Any]
    tracker: Tracker[Any]
    scm: Scm[Any]
    notifiers: Mapping[str, Notifier[Any]]
    agents: Mapping[str, Agent[Any]]

    @property
    def branch(self) -> str:
        """The branch that work goes to."""
        return self.settings.default_branch
