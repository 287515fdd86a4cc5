"""`ao start`: the engine, and the agents that the last stop ended."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from ao_core.errors import AoError
from ao_core.wire import Connection, Message
from ao_mcp import __version__
from ao_mcp.cli.blocks import as_json
from ao_mcp.cli.outcome import FAILED, FINE, tell
from ao_mcp.cli.own import json_option
from ao_mcp.cli.place import CALL_DEADLINE, Place, pass_place
from ao_mcp.cli.working import Working


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


def _waiting(place: Place, connection: Connection) -> list[str]:
    """Those whom the last stop ended, and whom nobody has brought back since."""
    stopped_at, sessions = _last_stop(place)
    shown = {id: _shown(connection, id) for id in sessions}
    return [id for id, one in shown.items() if one and _as_left(one, stopped_at)]


def _last_stop(place: Place) -> tuple[datetime, list[str]]:
    try:
        told = json.loads((place.home / "last-stop.json").read_text())
        sessions = [str(id) for ids in told["sessions"].values() for id in ids]
        return datetime.fromisoformat(told["stopped_at"]), sessions
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return datetime.now(UTC), []


def _as_left(shown: Message, stopped_at: datetime) -> bool:
    """Whether it does not run, and has not run since."""
    return not shown["attach"] and datetime.fromisoformat(shown["since"]) <= stopped_at


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
