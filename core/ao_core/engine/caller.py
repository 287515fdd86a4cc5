"""Who is calling, from where, and with what environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ao_core.ids import SessionId


class Role(StrEnum):
    """What a connection may ask for."""

    LEAD = "lead"
    PERSON = "person"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Caller:
    """One connection. Its environment stays in memory: never stored, never shown."""

    role: Role
    connection: str
    cwd: Path | None = None
    config: Path | None = None
    session: SessionId | None = None
    project: str | None = None  # the one meant where a call names none
    client: str = ""
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
