"""`ao stop`: ends the agents of one project, or all of them and the engine."""

from collections.abc import Sequence

import click

from ao_core.errors import WrongState
from ao_core.store.choice import present
from ao_core.wire import Connection, Message
from ao_mcp.cli.blocks import as_json
from ao_mcp.cli.ending import await_end, watched
from ao_mcp.cli.outcome import FAILED, FINE, tell
from ao_mcp.cli.own import json_option
from ao_mcp.cli.place import CALL_DEADLINE, Place, pass_place
from ao_mcp.cli.working import Working

_NOTHING: Message = {"sessions": [], "stubborn": [], "engine": False}


@click.command("stop")
@click.argument("project", required=False)
@json_option
@pass_place
def command(place: Place, project: str | None, machine: bool) -> int:
    """End all agents and the engine; `ao start` brings them back.

    With PROJECT, only that project's agents end. Workspaces and branches stay as they are.
    """
    chosen = project or place.project
    stopped = _stop(place, chosen, "" if machine else "ending the agents")
    click.echo(as_json(stopped) if machine else _said(stopped, chosen))
    if not stopped["stubborn"]:
        return FINE
    if not machine:
        tell(_left(stopped["stubborn"]))
    return FAILED


def _stop(place: Place, project: str | None, doing: str) -> Message:
    # without an engine there may still be agents, but not without a store
    if not present(place.home):
        return _NOTHING
    with Working(doing), place.connect() as connection:
        return _ended(connection, project)


def _ended(connection: Connection, project: str | None) -> Message:
    pid = connection.call("about", {}, CALL_DEADLINE)["pid"]
    with watched(pid) as process:
        stopped = connection.call("stop", {"project": project}, CALL_DEADLINE)
        if stopped["engine"]:
            await_end(connection, process)
    return stopped


def _left(sessions: Sequence[str]) -> WrongState:
    names = ", ".join(sessions)
    hint = "`ao logs --engine` says why; the next engine takes up what still runs."
    return WrongState(f"{names} would not end.", hint=hint)


def _said(stopped: Message, project: str | None) -> str:
    names = ", ".join(stopped["sessions"])
    agents = f"Ended {names}." if names else "No agent was running."
    if project:
        return agents
    if not stopped["engine"]:
        return "Nothing runs in this home."
    return f"{agents} The engine has stopped; `ao start` brings {'them' if names else 'it'} back."
