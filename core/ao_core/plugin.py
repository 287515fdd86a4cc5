"""What every plugin is: a manifest, a config model, a scope and a lifetime."""

from abc import ABC
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from ao_core.clock import Clock, SystemClock
from ao_core.index import Slot
from ao_core.process import Run, run


class Config(BaseModel):
    """Root of every plugin's settings. Unknown keys are errors; secrets are `SecretStr`."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a plugin says of itself without being opened."""

    name: str
    slot: Slot
    description: str
    version: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What a plugin may know of its surroundings.

    `state` is a private folder of its own, kept with the project. `run` is the one way to start
    children. `environment` holds the variables it may read. `announce` puts a line before the lead.
    """

    state: Path
    project: str | None = None
    repository: Path | None = None
    repo: str | None = None
    branch: str = "main"
    home: str = ""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    run: Run = run
    clock: Clock = field(default_factory=SystemClock)
    announce: Callable[[str, str], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Detection:
    """Whether what the plugin needs is there; `hint` says how to get it, or what could be added.

    It is `absent` where there is nothing of it at all: that is no fault, and nobody is told.
    """

    found: bool
    detail: str = ""
    hint: str | None = None
    absent: bool = False


ConfigT = TypeVar("ConfigT", bound=Config)


class Plugin(ABC, Generic[ConfigT]):
    """One backend for one slot. Enter it before use; leaving closes what it opened."""

    manifest: ClassVar[Manifest]
    config_type: ClassVar[type[Config]] = Config

    def __init__(self, config: ConfigT, scope: Scope) -> None:
        self.config = config
        self.scope = scope
        self._stack = AsyncExitStack()

    @property
    def name(self) -> str:
        """The plugin's name, as its manifest has it."""
        return self.manifest.name

    @classmethod
    async def detect(
        cls,
        config: Any,  # noqa: ANN401 - its own config, which a class method cannot name
        environment: Mapping[str, str],
    ) -> Detection:
        """Whether the tool or library it needs is there. Cheap, and without side effects."""
        return Detection(found=True)

    async def open(self) -> None:
        """Acquire clients and connections."""

    async def __aenter__(self) -> Self:
        async with self._stack:
            await self.open()
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()
