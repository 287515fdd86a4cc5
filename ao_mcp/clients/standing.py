"""How a client stands: whether it knows our server, by its user's file or by the repository's."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ao_core.errors import AoError
from ao_core.redact import scrub
from ao_mcp.clients import launch
from ao_mcp.clients.client import Client, Scope
from ao_mcp.clients.machine import Machine
from ao_mcp.clients.registration import Desk, Found

State: TypeAlias = Literal["registered", "missing", "another", "gone", "unreadable"]


@dataclass(frozen=True, slots=True)
class Standing:
    """One client, whether this user has it, and what it would start as our server."""

    client: Client
    here: bool
    state: State
    told: str


def standing(client: Client, machine: Machine) -> Standing:
    """How it stands. Of several entries one that starts this `ao-mcp` is enough."""
    state, told = _state(client, machine)
    return Standing(client, client.is_here(machine), state, told)


def _state(client: Client, machine: Machine) -> tuple[State, str]:
    try:
        states = [_judged(found, machine) for found in _entries(client, machine)]
    except AoError as error:
        return "unreadable", error.message
    states.sort(key=lambda one: one[0] != "registered")
    return states[0] if states else ("missing", "not registered")


def _entries(client: Client, machine: Machine) -> Iterator[Found]:
    scopes: list[Scope] = ["user"]
    if client.project is not None and machine.cwd is not None:
        scopes.append("project")
    for scope in scopes:
        if found := Desk(client, machine, scope).found():
            yield found


def _judged(found: Found, machine: Machine) -> tuple[State, str]:
    program = launch.located(found.command, machine)
    command = scrub(found.command)
    if program is None:
        return "gone", f"{found.file} starts `{command}`, which is not there"
    if not launch.is_ours(program, machine):
        return "another", f"{found.file} starts another program, `{command}`"
    return "registered", f"registered in {found.file}"
