"""`ao install`: has MCP clients start `ao-mcp`, or forget it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import click

from ao_core import platform
from ao_core.errors import AoError, Several, raise_all
from ao_mcp.cli.blocks import Aside, Block, Table, Text, as_json, clean
from ao_mcp.cli.outcome import FAILED, FINE
from ao_mcp.cli.own import json_option
from ao_mcp.cli.place import Place, pass_place
from ao_mcp.cli.screen import show
from ao_mcp.clients.client import Scope
from ao_mcp.clients.known import CLIENTS
from ao_mcp.clients.launch import Launch
from ao_mcp.clients.machine import Machine
from ao_mcp.clients.registration import Change, Desk
from ao_mcp.clients.standing import Standing, standing
from ao_mcp.toolsets import chosen

_SAID = {
    "written": "Registered with {client}, in {file}.",
    "replaced": "Registered with {client} instead of what was there, in {file}.",
    "unchanged": "{client} has it already, in {file}; nothing was changed.",
    "removed": "{client} has forgotten it: taken out of {file}.",
    "absent": "{client} does not have it: nothing is in {file}.",
}
_NEXT = "Start the client anew in a repository; `ao doctor` says how all of them stand."


@dataclass(frozen=True, slots=True)
class _Wish:
    """What was asked for of every client that was named."""

    given: Launch
    force: bool
    remove: bool

    def done(self, desk: Desk) -> Change:
        if self.remove:
            return desk.remove(force=self.force)
        return desk.register(self.given, force=self.force)


@click.command("install")
@click.option(
    "--client", "names", multiple=True, type=click.Choice([*CLIENTS]), help="Which; repeatable."
)
@click.option(
    "--scope", type=click.Choice(["user", "project"]), default="user", show_default=True,
    help="For you everywhere, or for everyone in this repository.",
)  # fmt: skip
@click.option("--print", "printed", is_flag=True, help="Print it instead of writing it.")
@click.option("--remove", is_flag=True, help="Take it out again.")
@click.option("--force", is_flag=True, help="Also where `ao` is something else there.")
@click.option("--toolsets", metavar="NAMES", help="Which tools to offer (docs/lead.md).")
@click.option("--read-only", is_flag=True, help="Offer only tools that change nothing.")
@json_option
@pass_place
def command(
    place: Place, names: tuple[str, ...], scope: Scope, printed: bool, remove: bool, force: bool,
    toolsets: str | None, read_only: bool, machine: bool,
) -> int:  # fmt: skip
    """Register ao-mcp with MCP clients. Without --client, say which are here."""
    here = machine_of(place)
    if not names:
        if printed or remove or force:
            raise click.UsageError("Say which: --client NAME.")
        return _listed(here, machine=machine)
    desks = [Desk(CLIENTS[name], here, scope) for name in dict.fromkeys(names)]
    launch = given(place, toolsets, read_only=read_only)
    if printed:
        return _printed(desks, launch, machine=machine)
    return _changed(desks, _Wish(launch, force, remove), machine=machine)


def machine_of(place: Place) -> Machine:
    """This machine, as clients see it."""
    return Machine(place.environment, place.cwd, platform.system())


def given(place: Place, toolsets: str | None = None, *, read_only: bool = False) -> Launch:
    """What `ao-mcp` has to be told to be of this home, of the configuration that was said, and to
    offer what is wanted.
    """
    from ao_mcp import start

    plain = {name: text for name, text in place.environment.items() if name != "AO_HOME"}
    other = {} if start.home(plain) == place.home else {"AO_HOME": str(place.home)}
    config = ("--config", str(place.config)) if place.config else ()
    sets = ("--toolsets", ",".join(chosen(toolsets))) if toolsets else ()
    offer = (*sets, *(["--read-only"] if read_only else []))
    return Launch(own=config, offer=offer, environment=other)


def _changed(desks: Sequence[Desk], wish: _Wish, *, machine: bool) -> int:
    changes: list[Change] = []
    problems: list[AoError] = []
    for desk in desks:
        try:
            changes.append(wish.done(desk))
        except AoError as error:
            problems.append(error)
    if machine:
        done = {"clients": [*map(_as_data, changes)], **_wrong(problems)}
        click.echo(as_json(done))
        return FAILED if problems else FINE
    show([Text("\n".join(map(_told, changes))), *([Aside(_NEXT)] if _news(changes) else [])])
    raise_all(problems)
    return FINE


def _wrong(problems: Sequence[AoError]) -> dict[str, object]:
    if not problems:
        return {}
    return {"error": (problems[0] if len(problems) == 1 else Several(problems)).wire()}


def _told(change: Change) -> str:
    client = CLIENTS[change.client].title
    said = _SAID[change.state].format(client=client, file=change.file)
    return f"{said} What it said before is in {change.backup}." if change.backup else said


def _news(changes: Sequence[Change]) -> bool:
    return any(change.state in ("written", "replaced") for change in changes)


def _as_data(change: Change) -> Mapping[str, object]:
    backup = str(change.backup) if change.backup else None
    return {
        "client": change.client, "scope": change.scope, "state": change.state,
        "file": str(change.file), "backup": backup,
    }  # fmt: skip


def _printed(desks: Sequence[Desk], given: Launch, *, machine: bool) -> int:
    found = [(desk, desk.file(), desk.shown(given)) for desk in desks]
    if machine:
        rows = [
            {"client": desk.client.name, "scope": desk.scope, "file": str(file), "text": text}
            for desk, file, text in found
        ]
        click.echo(as_json({"clients": rows}))
        return FINE
    for desk, file, text in found:
        click.echo(clean(text), nl=False)
        show([Aside(f"{desk.client.title} reads it from {file}.")])
    return FINE


def _listed(here: Machine, *, machine: bool) -> int:
    found = [standing(client, here) for client in CLIENTS.values()]
    if machine:
        rows = [
            {"client": one.client.name, "here": one.here, "state": one.state, "found": one.told}
            for one in found
        ]
        click.echo(as_json({"clients": rows}))
        return FINE
    show(_view(found))
    return FINE


def _view(found: Sequence[Standing]) -> Sequence[Block]:
    rows = [
        (one.client.name, "yes" if one.here else "no", one.told)
        for one in sorted(found, key=lambda one: not one.here)
    ]
    wanting = [one.client.name for one in found if one.here and one.state == "missing"]
    named = " ".join(f"--client {name}" for name in wanting)
    more = f"ao install {named}" if wanting else "ao install --client NAME"
    return [Table(("client", "here", "stands"), tuple(rows)), Text(f"To register: {more}")]
