"""What a home's `config.yaml` says of the engine itself."""

from datetime import timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from ao_core.config.parts import Age, Section, Size
from ao_core.store.kind import StoreKind

Asking: TypeAlias = Literal["ask", "require", "never"]


class Power(Section):
    """The machine's own sleep."""

    prevent_idle_sleep: bool = True


class Confirm(Section):
    """Whether a person is asked before a lead's call is carried out, where its client can ask."""

    merge: Asking = "ask"
    kill: Asking = "ask"
    permission: Asking = "never"


class Retention(Section):
    """How long things are kept, and how large the engine's log may grow. None: for ever."""

    journal: Age = timedelta(days=30)
    snapshots: Age = None
    logs: Size = 5_000_000
    log_files: Annotated[int, Field(ge=1, le=20)] = 3


class Observability(Section):
    """What the engine writes about itself."""

    log_level: Literal["debug", "info", "warn", "error"] = "warn"
    stderr: bool = False


class StoreSettings(Section):
    """Where records are kept."""

    kind: StoreKind = "sqlite"

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: object) -> object:
        return {"kind": value} if isinstance(value, str) else value
