"""A program and its host by name, for good: no other process is ever mistaken for them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path

from ao_core import platform
from ao_core.errors import BadRequest
from ao_core.model.session import RuntimeHandle
from ao_core.process import alive

PIPES = "pipes"


@dataclass(frozen=True, slots=True)
class Held:
    """A program and its host, by all it takes never to mistake others for them."""

    token: str
    kind: str
    boot: str
    socket: str
    host: int
    host_started: float | None
    child: int
    child_started: float | None

    @property
    def piped(self) -> bool:
        """Whether it has no terminal."""
        return self.kind == PIPES

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of the terminal it was given."""
        columns, _, rows = self.kind.partition("x")
        return int(columns), int(rows)

    def has_socket(self) -> bool:
        """Whether its host's socket is where it was made."""
        return Path(self.socket).exists()

    def is_hosted(self) -> bool:
        """Whether its host is there."""
        return alive(self.host, self.host_started) and self.boot == this_boot()

    def runs(self) -> bool:
        """Whether it runs."""
        return alive(self.child, self.child_started) and self.boot == this_boot()


@cache
def this_boot() -> str:
    """What the host is told, and what is held against it."""
    return platform.boot_id()


def handle_of(id: str, held: Held) -> RuntimeHandle:
    """What is kept of a program by the engine."""
    facts = ((name, "" if fact is None else str(fact)) for name, fact in asdict(held).items())
    return RuntimeHandle(id, "process", tuple(facts))


def held_of(handle: RuntimeHandle) -> Held:
    """Whom a handle names."""
    try:
        return held_from({field.name: handle.get(field.name) or "" for field in fields(Held)})
    except ValueError as exc:
        raise BadRequest(f"the handle of {handle.id} is not one of `process`") from exc


def held_from(facts: Mapping[str, str]) -> Held:
    """Whom these facts name; raises `KeyError` or `ValueError` if they do not."""
    host, child = int(facts["host"]), int(facts["child"])
    return Held(
        facts["token"], facts["kind"], facts["boot"], facts["socket"],
        host, _started(facts["host_started"]), child, _started(facts["child_started"]),
    )  # fmt: skip


def _started(said: str) -> float | None:
    return float(said) if said else None
