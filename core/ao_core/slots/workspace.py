"""Workspaces give each session a place of its own to work in."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ao_core.plugin import ConfigT, Plugin
from ao_core.process import Run


@dataclass(frozen=True, slots=True)
class Plan:
    """The workspace that is wanted. `root` is the folder that holds a project's workspaces.

    A new branch begins at `start`; without it, where `base` is here.
    """

    session: str
    project: str
    repository: Path
    root: Path
    branch: str
    base: str
    start: str | None = None

    @property
    def path(self) -> Path:
        """Where the workspace goes."""
        return self.root / self.session

    @property
    def spares(self) -> Path:
        """Where those are that were made before anybody needs them."""
        return spares_beside(self.root)


def spares_beside(root: Path) -> Path:
    """The folder of the spares, beside that of the sessions' workspaces."""
    return root.with_name("spares")


def leaving(path: Path) -> Path:
    """Where a workspace is put to be removed, so that one in its place is never half gone."""
    return path.with_name(f".gone-{path.name}")


@dataclass(frozen=True, slots=True)
class Checkout:
    """A workspace that exists."""

    path: Path
    branch: str
    session: str
    project: str
    base_commit: str = ""
    head: str = ""


@dataclass(frozen=True, slots=True)
class Spare:
    """A workspace made before anybody needs it, at `commit`.

    `session` was about to take it. One that is `half` made holds nobody's work. `touched` says what
    somebody has done in it: such a one is neither used nor removed.
    """

    path: Path
    commit: str
    session: str | None = None
    half: bool = False
    touched: str | None = None

    @property
    def ready(self) -> bool:
        """Whether it can be taken."""
        return not (self.session or self.half or self.touched)


class Workspace(Plugin[ConfigT]):
    """Makes and removes workspaces. Every command goes through the `run` it is given."""

    @abstractmethod
    async def create(self, plan: Plan, run: Run) -> Checkout:
        """Make it on a new branch from `plan.start`; adopt it if this very plan was made before."""

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


class Warm(ABC):
    """Can make workspaces before anybody needs them: such a one is had without writing its files.

    What they are is known from themselves alone, so that a crash forgets none. Whoever calls sees
    to it that nobody else is at the same spare. `root` is that of the sessions' workspaces.
    """

    @abstractmethod
    async def spares(self, root: Path, repository: Path, run: Run) -> Sequence[Spare]:
        """Every spare of this home, as it is now."""

    @abstractmethod
    async def stock(self, root: Path, repository: Path, commit: str, run: Run) -> Spare:
        """Make one more; or leave nothing."""

    @abstractmethod
    async def refresh(self, spare: Spare, commit: str, run: Run) -> Spare:
        """Bring it to another commit. Raises `WrongState` where somebody has touched it."""

    @abstractmethod
    async def discard(self, root: Path, repository: Path, spare: Spare, run: Run) -> None:
        """Remove it. Raises `WrongState` where somebody has touched it."""

    @abstractmethod
    async def take(self, plan: Plan, spare: Spare, run: Run, *, new: bool) -> Checkout:
        """Make a session's workspace of it, on a `new` branch or on the one that is there.

        Where that fails there is neither: what was begun is taken back, and the spare stays only
        where somebody has touched it. After a crash `create` and `restore` go on with it.
        """
