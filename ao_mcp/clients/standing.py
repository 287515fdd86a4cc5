"""How a client stands: what it would start, or reach, as our server where this user works."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import parse_qs, urlsplit

from ao_core.errors import AoError, BadRequest
from ao_core.redact import scrub
from ao_mcp import arguments
from ao_mcp.clients import launch
from ao_mcp.clients.client import Client, Scope
from ao_mcp.clients.entry import address_of, args_of, bare, command_of, is_off
from ao_mcp.clients.machine import Machine
from ao_mcp.clients.registration import Desk, Found
from ao_mcp.toolsets import chosen

State: TypeAlias = Literal[
    "registered", "missing", "off", "another", "gone", "refused", "unreadable"
]
_Judged: TypeAlias = tuple[State, str]


@dataclass(frozen=True, slots=True)
class Standing:
    """One client, whether this user has it, and what it does of the entry that counts."""

    client: Client
    here: bool
    state: State
    told: str
    entry: Found | None = None


def standing(client: Client, machine: Machine) -> Standing:
    """How it stands. Of several entries the one that the client goes by is judged."""
    here = client.is_here(machine)
    try:
        found = _that_counts(client, machine)
    except AoError as error:
        return Standing(client, here, "unreadable", error.message)
    if found is None:
        return Standing(client, here, "missing", "not registered")
    return Standing(client, here, *_judged(client, found, machine), found)


def _that_counts(client: Client, machine: Machine) -> Found | None:
    """What is for this folder alone goes before the repository's, and that before its user's."""
    every = sorted(_entries(client, machine), key=lambda one: not one.nested)
    if not every:
        return None
    first, *rest = every
    entry = first.entry
    for below in rest if client.merges else ():
        entry = {**below.entry, **entry}
    return Found(first.file, first.scope, first.nested, entry)


def _entries(client: Client, machine: Machine) -> Iterator[Found]:
    scopes: list[Scope] = ["user"]
    if client.project is not None and machine.cwd is not None:
        scopes.insert(0, "project")
    for scope in scopes:
        yield from Desk(client, machine, scope).found()


def _judged(client: Client, found: Found, machine: Machine) -> _Judged:
    if is_off(found.entry):
        return "off", f"{found.file} has it switched off"
    if client.picks and found.entry.get(client.picks) == []:
        return "off", f"{found.file} offers the model none of its tools, by `{client.picks}`"
    if address := address_of(found.entry):
        return _reached(found, address)
    return _started(found, machine)


def _reached(found: Found, address: str) -> _Judged:
    """Somebody else's address looks like ours: only what is wrong with any is seen."""
    told = f"{found.file} leads to {scrub(bare(address))}"
    try:
        parts = urlsplit(address)
        query = parse_qs(parts.query)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return "refused", f"{found.file} leads to no address of HTTP"
        if "token" in query:
            return "refused", f"{told} with a token in the address, which is refused"
        chosen(query.get("toolsets", [""])[0])
    except ValueError:
        return "refused", f"{found.file} leads to no address of HTTP"
    except BadRequest as error:
        return "refused", f"{told}, which refuses that: {error.message}"
    return "registered", f"registered over HTTP: {told}"


def _started(found: Found, machine: Machine) -> _Judged:
    command = command_of(found.entry)
    program, shown = launch.located(command, machine), scrub(command)
    if not command:
        return "gone", f"{found.file} names neither a program nor an address"
    if program is None:
        return "gone", f"{found.file} starts `{shown}`, which is not there"
    if not launch.is_ours(program, machine):
        return "another", f"{found.file} starts another program, `{shown}`"
    try:
        arguments.given(args_of(found.entry))
    except BadRequest as error:
        return "refused", f"{found.file} starts it with what it refuses: {error.message}"
    return "registered", f"registered in {found.file}"
