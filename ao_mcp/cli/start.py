"""`ao start`: the engine, and the agents that the last stop ended."""

import json
import sys
from collections.abc import Sequence

import click

from ao_core.errors import AoError
from ao_core.wire import Connection, Message
from ao_mcp import __version__
from ao_mcp.cli.blocks import as_json
from ao_mcp.cli.own import json_option
from ao_mcp.cli.place import CALL_DEADLINE, Place, pass_place
from ao_mcp.cli.run import FAILED, FINE, tell
from ao_mcp.cli.working import Working

_STOPPED = "engine_stopped"


@click.command("start")
@click.option("--foreground", is_flag=True, help="Run the engine here, with its log on stderr.")
@click.option(
    "--restore/--no-restore",
    default=None,
    help="Bring back the agents that the last stop ended; asked on a terminal.",
)
@json_option
@pass_place
def command(place: Place, foreground: bool, restore: bool | None, machine: bool) -> int:
    """Start the engine, and bring back the agents of last time."""
    if foreground:
        from ao_mcp.cli.foreground import serve

        return serve(place.home)
    with Working("starting the engine"), place.connect() as connection:
        engine = connection.call("about", {}, CALL_DEADLINE)
        waiting = _waiting(place, connection)
    if not machine:
        click.echo(f"The engine runs: version {__version__}, process {engine['pid']}.")
    chosen = waiting if _wanted(waiting, restore, machine=machine) else []
    failures = _restore(place, chosen, machine=machine)
    if machine:
        failed = {id: error.wire() for id, error in failures.items()}
        restored = [id for id in chosen if id not in failures]
        click.echo(as_json(engine | {"restored": restored, "failed": failed}))
    return FAILED if failures else FINE


def last_stopped(place: Place) -> list[str]:
    """The sessions the last stop ended."""
    try:
        told = json.loads((place.home / "last-stop.json").read_text())
        return [str(id) for ids in told["sessions"].values() for id in ids]
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return []


def _waiting(place: Place, connection: Connection) -> list[str]:
    """Those of them that nobody has brought back or removed since."""
    return [id for id in last_stopped(place) if _shown(connection, id).get("reason") == _STOPPED]


def _shown(connection: Connection, id: str) -> Message:
    try:
        return connection.call("show", {"session": id}, CALL_DEADLINE)
    except AoError:  # it is gone: there is nothing to bring back
        return {}


def _wanted(waiting: Sequence[str], restore: bool | None, *, machine: bool) -> bool:
    if not waiting or restore is not None:
        return bool(restore)
    names = ", ".join(waiting)
    if sys.stdin.isatty() and not machine:
        return click.confirm(f"The last stop ended {names}. Bring them back?", default=True)
    click.echo(f"The last stop ended {names}; `ao start --restore` brings them back.", err=True)
    return False


def _restore(place: Place, sessions: Sequence[str], *, machine: bool) -> dict[str, AoError]:
    """Bring them back one by one; what went wrong with one does not keep the others."""
    failures: dict[str, AoError] = {}
    for id in sessions:
        try:
            place.ask("restore", {"session": id}, f"bringing back {id}")
            if not machine:
                click.echo(f"{id} is back.")
        except AoError as error:
            failures[id] = error
            if not machine:
                click.echo(f"{id} is not back.", err=True)
                tell(error)
    return failures
