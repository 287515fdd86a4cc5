"""Workspaces give each session a place of its own to work in."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ao_core.plugin import ConfigT, Plugin
from ao_core.process import Run


@dataclass(frozen=True, slots=True)
class Plan:
    """The workspace that is wanted. `root` is the folder that holds a project's workspaces."""

    session: str
    project: str
    repository: Path
    root: Path
    branch: str
    base: str

    @property
    def path(self) -> Path:
        """Where the workspace goes."""
        return self.root / self.session


@dataclass(frozen=True, slots=True)
class Checkout:
    """A workspace that exists."""

    path: Path
    branch: str
    session: str
    project: str
    base_commit: str = ""
    head: str = ""


class Workspace(Plugin[ConfigT]):
    """Makes and removes workspaces. Every command goes through the `run` it is given."""

    @abstractmethod
    async def create(self, plan: Plan, run: Run) -> Checkout:
        """Make it on a new branch from `plan.base`; adopt it if this very plan was made before."""

    @abstractmethod
    async def destroy(self, checkout: Checkout, run: Run, *, saved: str | None = None) -> None:
        """Remove directory and registration; a second call is harmless.

        Refuses a path it does not own, and one that holds work not saved (`WrongState`). `saved`
        is the commit the engine saved it as: what changed since then is not saved. The branch
        stays.
        """

    @abstractmethod
    async def list(self, plan_root: Path, repository: Path, run: Run) -> Sequence[Checkout]:
        """Every workspace under the project's root."""

    @abstractmethod
    async def exists(self, path: Path, run: Run) -> bool:
        """Whether a usable workspace is there."""

    @abstractmethod
    async def restore(self, plan: Plan, run: Run) -> Checkout:
        """Make it again for a branch that exists; never moves the branch."""

    async def prepare(self, checkout: Checkout, run: Run) -> None:
        """Links and commands after creation."""


class Apart(ABC):
    """A workspace whose repository is its own: what is committed there, the project's lacks."""

    @abstractmethod
    async def collect(self, checkout: Checkout, run: Run) -> None:
        """Bring the branch into the project's repository, as it is now.

        Raises `WrongState`, and moves nothing, where somebody else has moved it there.
        """
