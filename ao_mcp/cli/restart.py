"""`ao restart`: another engine in the place of this one. No agent ends by it."""

import signal

import click

from ao_mcp import __version__
from ao_mcp.cli.blocks import as_json
from ao_mcp.cli.ending import await_end, watched
from ao_mcp.cli.outcome import FINE
from ao_mcp.cli.own import json_option
from ao_mcp.cli.place import CALL_DEADLINE, Place, pass_place
from ao_mcp.cli.working import Working


@click.command("restart")
@json_option
@pass_place
def command(place: Place, machine: bool) -> int:
    """Put an engine of this version in place; agents go on."""
    with Working("" if machine else "starting the engine again"):
        _end(place)
        with place.connect() as connection:
            engine = connection.call("about", {}, CALL_DEADLINE)
    said = f"The engine runs: version {__version__}, process {engine['pid']}."
    click.echo(as_json(engine) if machine else said)
    return FINE


def _end(place: Place) -> None:
    connection = place.connect_running()
    if connection is None:
        return
    with connection, watched(connection.call("about", {}, CALL_DEADLINE)["pid"]) as process:
        process.signal(signal.SIGTERM)
        await_end(connection, process)
