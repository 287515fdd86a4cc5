"""`ao store`: where this home keeps its records and its journal, and how to keep them elsewhere."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ao_core.errors import EngineRunning
from ao_core.store.choice import PLACES, chosen, present, require_data
from ao_core.store.kind import StoreKind
from ao_mcp.cli.blocks import Block, Facts, Text, as_json
from ao_mcp.cli.outcome import FINE
from ao_mcp.cli.own import json_option
from ao_mcp.cli.place import Place, pass_place
from ao_mcp.cli.screen import show as show_blocks
from ao_mcp.cli.working import Working
from ao_mcp.usage import shown

if TYPE_CHECKING:
    from ao_core.store.convert import Converted


@click.group("store")
def command() -> None:
    """Show where records and journal are kept, or keep them elsewhere."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is known of a home's store."""

    kind: StoreKind
    path: str
    size: int = 0
    records: Mapping[str, int] = field(default_factory=dict[str, int])
    lines: int = 0
    first: int = 1
    head: int = 0


@command.command("show")
@json_option
@pass_place
def show(place: Place, machine: bool) -> int:
    """Show the kind of store, its size, and what it holds."""
    found = survey(place)
    if machine:
        click.echo(as_json(asdict(found)))
    else:
        show_blocks([_view(found)])
    return FINE


def survey(place: Place) -> Shown:
    """Look at the store of this place; an engine may be at work on it."""
    kind = chosen(place.home, place.environment)
    path = str(place.home / PLACES[kind])
    if not present(place.home):
        return Shown(kind, path)
    from ao_core.store.inventory import inventory, size

    require_data(place.home, kind)
    held = inventory(place.home, kind)
    many = size(place.home, kind)
    return Shown(kind, path, many, held.records, held.lines, held.first, held.head)


def _view(found: Shown) -> Block:
    records = ", ".join(f"{count} {kind}" for kind, count in found.records.items())
    lines = f"{found.lines} lines, {found.first} to {found.head}" if found.lines else "empty"
    return Facts(
        (
            ("kind", found.kind),
            ("path", found.path),
            ("size", shown(found.size)),
            ("records", records or "none"),
            ("journal", lines),
        )
    )


@command.command("convert")
@click.option("--to", "target", required=True, type=click.Choice(list(PLACES)), help="The store.")
@json_option
@pass_place
def convert(place: Place, target: StoreKind, machine: bool) -> int:
    """Keep everything in another kind of store; no engine may run.

    The old store stays beside the new one, as `*.before-convert-<date>`. To undo it, convert back.
    """
    with Working("" if machine else "looking") as working:
        done = _converted(place, target, working)
    if machine:
        click.echo(as_json(asdict(done)))
    else:
        show_blocks([Text(_said(done))])
    return FINE


def _converted(place: Place, target: StoreKind, working: Working) -> "Converted":
    import anyio

    from ao_core.clock import SystemClock
    from ao_core.store.convert import convert

    with _held(place.home):
        return anyio.run(
            convert, place.home, target, SystemClock(), place.environment, working.told
        )


def _held(home: Path) -> AbstractContextManager[object]:
    from ao_core.engine.home import take

    if not home.is_dir():  # taking it would make it
        return nullcontext()
    lock = take(home)
    if lock is None:
        hint = "Run `ao stop` first; `ao start` brings the agents back afterwards."
        raise EngineRunning("The engine of this home runs, or another conversion does.", hint=hint)
    return lock


def _said(done: "Converted") -> str:
    return (
        f"{done.records} records and {done.lines} lines of the journal are now kept in"
        f" {done.target}. The old store is {done.kept}; remove it when you like."
    )
