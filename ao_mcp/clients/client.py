"""What there is to know of one client."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from ao_core.errors import BadRequest
from ao_mcp.clients import launch
from ao_mcp.clients.form import Entry, Kind
from ao_mcp.clients.launch import Launch
from ao_mcp.clients.machine import Machine

Scope: TypeAlias = Literal["user", "project"]
Build: TypeAlias = Callable[[Launch], Entry]


@dataclass(frozen=True, slots=True)
class Client:
    """One MCP client: how to see that it is here, and what it reads.

    `files` are where its user's servers may be, the one to make last. `shell` is whether it starts
    programs as the user's shell would find them. A repository's file is committed: `build_shared`
    is for it, where its entry differs because other clients read the same file. `picks` is where an
    entry names the tools that its model is offered, `merges` whether a repository's entry only goes
    before what its user's says; else it stands alone.
    """

    name: str
    title: str
    programs: tuple[str, ...]
    folder: Callable[[Machine], Path]
    files: Callable[[Machine], tuple[Path, ...]]
    kind: Kind
    keys: tuple[str, ...]
    build: Build
    project: str | None = None
    build_shared: Build | None = None
    shell: bool = True
    nested: Callable[[Machine], tuple[str, ...]] | None = None
    picks: str | None = None
    merges: bool = False

    def is_here(self, machine: Machine) -> bool:
        """Whether this user seems to have it."""
        if any(map(machine.program, self.programs)):
            return True
        return self.folder(machine).is_dir() or any(map(Path.is_file, self.files(machine)))

    def places(self, machine: Machine, scope: Scope) -> tuple[Path, ...]:
        """The files of that scope."""
        if scope == "user":
            return self.files(machine)
        if self.project is None:
            hint = "Leave `--scope` out: it is registered for you, wherever you work."
            raise BadRequest(f"{self.title} reads no file of a repository.", hint=hint)
        return (machine.repository() / self.project,)

    def entry(self, machine: Machine, scope: Scope, given: Launch) -> Entry:
        """What is to be written; a repository's says nothing of this machine."""
        if scope == "project":
            return (self.build_shared or self.build)(Launch(offer=given.offer))
        command = launch.by_name(machine) if self.shell else launch.full_path(machine)
        return self.build(replace(given, command=command))
