"""How a client starts our server: the program, by name or by path, and what it is given."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ao_core.errors import ConfigError
from ao_mcp.clients.machine import Machine

PROGRAM = "ao-mcp"


@dataclass(frozen=True, slots=True)
class Launch:
    """One command line with the variables it needs. `offer` says which tools are wanted, and so
    nothing of a machine.
    """

    command: str = PROGRAM
    own: tuple[str, ...] = ()
    offer: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def args(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.own, *self.offer)


def own(machine: Machine) -> Path | None:
    """Our `ao-mcp`: where PATH finds it if it is this one, else beside this interpreter."""
    interpreter = Path(sys.executable)
    beside = interpreter.with_name(PROGRAM + (".exe" if interpreter.suffix == ".exe" else ""))
    found = machine.program(PROGRAM)
    if not beside.exists():
        return found
    return found if found and same_program(found, beside) else beside


def full_path(machine: Machine) -> str:
    """Where it is; raises `ConfigError`."""
    found = own(machine)
    if found is None:
        hint = "Install it so that `command -v ao-mcp` finds it."
        raise ConfigError(f"There is no {PROGRAM} on this machine.", hint=hint)
    return str(found)


def by_name(machine: Machine) -> str:
    """Its bare name where PATH finds it by that, else where it is."""
    path = full_path(machine)
    return PROGRAM if str(machine.program(PROGRAM)) == path else path


def located(command: str, machine: Machine) -> Path | None:
    """The program that a registered command would start; None if it is not there."""
    return machine.program(command) if command else None


def is_ours(program: Path, machine: Machine) -> bool:
    """Whether it is the `ao-mcp` that belongs to this `ao`."""
    ours = own(machine)
    return ours is not None and same_program(program, ours)


def same_program(one: Path, other: Path) -> bool:
    """Whether both are one file, by whatever links."""
    return os.path.realpath(one) == os.path.realpath(other)
