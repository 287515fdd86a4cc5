"""Whether a client knows our server, and how it is made to, or to forget it."""

import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from ao_core.errors import ConfigError, WrongState
from ao_core.redact import scrub
from ao_mcp.clients import launch, settings_file
from ao_mcp.clients.client import Client, Scope
from ao_mcp.clients.edit import Place
from ao_mcp.clients.entry import Said, address_of, args_of, bare, command_of, said
from ao_mcp.clients.form import Broken, Entry, Unfit, form
from ao_mcp.clients.known import NAME
from ao_mcp.clients.launch import Launch
from ao_mcp.clients.machine import Machine
from ao_mcp.clients.settings_file import PRIVATE, SHARED, SettingsFile

State: TypeAlias = Literal["written", "replaced", "unchanged", "removed", "absent"]


@dataclass(frozen=True, slots=True)
class Change:
    """What was done for one client. `backup` has the file as it was before."""

    client: str
    scope: Scope
    state: State
    file: Path
    backup: Path | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """An entry of our name that a client has; a `nested` one in its user's file is for a folder."""

    file: Path
    scope: Scope
    nested: bool
    entry: Said


@dataclass(frozen=True, slots=True)
class Desk:
    """One client's registration of one scope, on this machine."""

    client: Client
    machine: Machine
    scope: Scope = "user"

    def shown(self, given: Launch) -> str:
        """The registration as a file of its own would have it."""
        wanted = self.client.entry(self.machine, self.scope, given)
        return form(self.client.kind).put("", self.client.keys, NAME, wanted)

    def file(self) -> Path:
        """The file that it goes to, whatever is in it."""
        places = self.client.places(self.machine, self.scope)
        return next(filter(Path.is_file, places), places[-1])

    def register(self, given: Launch, *, force: bool = False) -> Change:
        """Write the entry. Somebody's other one of that name stays, unless `force`."""
        file, there = self._chosen()
        wanted = self.client.entry(self.machine, self.scope, given)
        if there is None:
            return self._changed(file, wanted, "written")
        if self._comparable(there) == self._comparable(wanted):
            return self._change("unchanged", file)
        if not force:
            raise _taken(file, self._difference(there, wanted), "replaces")
        return self._changed(file, wanted, "replaced")

    def remove(self, *, force: bool = False) -> Change:
        """Take the entry out. One that starts another program stays, unless `force`."""
        file, there = self._chosen()
        if there is None:
            return self._change("absent", file)
        if Path(command_of(there)).stem != launch.PROGRAM and not force:
            raise _taken(file, _starts(there), "removes")
        return self._changed(file, None, "removed")

    def found(self) -> Iterator[Found]:
        """The entries of our name that the client has, what goes first coming first."""
        for place in self._places():
            for file in self._files():
                with self._explained(file):
                    there = place.entry(file.text)
                if there is not None:
                    yield Found(file.path, self.scope, place != self._place, said(there))

    def _chosen(self) -> tuple[SettingsFile, object | None]:
        """The file to change: the one that has the entry, else one that is there."""
        files = self._files()
        entries: list[tuple[SettingsFile, object | None]] = []
        for file in files:
            with self._explained(file):
                entries.append((file, self._place.entry(file.text)))
        having = [one for one in entries if one[1] is not None]
        there = [one for one in entries if one[0].bytes]
        return [*having, *there, entries[-1]][0]

    def _files(self) -> list[SettingsFile]:
        return [*map(settings_file.read, self.client.places(self.machine, self.scope))]

    @property
    def _place(self) -> Place:
        return Place(self.client.kind, self.client.keys, NAME)

    def _places(self) -> list[Place]:
        """Where a client looks in its file, what goes first coming first."""
        if self.client.nested is None or self.machine.cwd is None:
            return [self._place]
        return [Place(self.client.kind, self.client.nested(self.machine), NAME), self._place]

    def _changed(self, file: SettingsFile, entry: Entry | None, state: State) -> Change:
        with self._explained(file):
            text = self._place.edited(file.text, entry)
        backup = file.write(text, PRIVATE if self.scope == "user" else SHARED)
        return self._change(state, file, backup)

    def _change(self, state: State, file: SettingsFile, backup: Path | None = None) -> Change:
        return Change(self.client.name, self.scope, state, file.path, backup)

    def _difference(self, there: object, wanted: Entry) -> str:
        found, ours = self._comparable(there), self._comparable(wanted)
        if found.get("command") != ours["command"]:
            return _starts(there)
        names = sorted(key for key in {*found, *ours} if found.get(key) != ours.get(key))
        return f"which differs in {', '.join(f'`{name}`' for name in names)}"

    def _comparable(self, entry: object) -> Mapping[str, object]:
        """An entry with its program by the file it is, whatever name it goes by."""
        given = said(entry)
        if not given:
            return {}
        command = command_of(given)
        named = self.client.shell or self.scope == "project" or os.path.isabs(command)
        program = launch.located(command, self.machine) if named else None
        plain = {key: value for key, value in given.items() if key != "cmd"}
        if isinstance(given.get("cmd", given.get("command")), list):
            plain["args"] = args_of(given)
        return plain | {"command": os.path.realpath(program) if program else command}

    @contextmanager
    def _explained(self, file: SettingsFile) -> Generator[None]:
        """Tell what cannot be read or changed as an error of ours."""
        by_hand = f"`ao install --client {self.client.name} --print` shows what it needs."
        try:
            yield
        except Broken as exc:
            message = f"{file.path} cannot be read, and stays as it is: {exc}."
            raise ConfigError(message, hint=f"Mend it, or add the entry: {by_hand}") from exc
        except Unfit as exc:
            message = f"{file.path} has to be changed by a person: {exc}."
            raise ConfigError(message, hint=by_hand) from exc


def _starts(there: object) -> str:
    if address := address_of(there):
        return f"which leads to {scrub(bare(address))}"
    command = scrub(command_of(there))
    return f"which starts `{command}`" if command else "which is no command"


def _taken(file: SettingsFile, what: str, does: str) -> WrongState:
    message = f"{file.path} has another `{NAME}`, {what}."
    return WrongState(message, hint=f"`--force` {does} it, and keeps a copy of the file.")
