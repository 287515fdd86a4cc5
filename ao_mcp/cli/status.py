"""`ao status`: the team and its engine, once or as they change."""

import click

from ao_core.wire import Message
from ao_mcp.cli.outcome import FINE
from ao_mcp.cli.own import json_option
from ao_mcp.cli.place import Place, pass_place
from ao_mcp.cli.team import put, snapshot
from ao_mcp.cli.watching import watch as watched


@click.command("status")
@click.option("-w", "--watch", is_flag=True, help="Go on showing it, until `q` or Ctrl-C.")
@json_option
@pass_place
def command(place: Place, watch: bool, machine: bool) -> int:
    """Show the team and the engine. Starts nothing."""
    connection = place.connect_running()
    if connection is None:
        absent: Message = {"engine": None, "projects": [], "sessions": []}
        put(absent, machine=machine)
        return FINE
    with connection:
        if watch:
            return watched(connection, place.project, machine=machine)
        put(snapshot(connection, place.project), machine=machine)
    return FINE
