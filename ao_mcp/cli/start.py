"""`ao start`: the engine, and the agents that went down with a stop or with the machine."""

import sys
from collections.abc import Mapping, Sequence

import click

from ao_core.errors import AoError
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
    help="Bring back the agents that a stop or the machine ended; asked on a terminal, project by"
    " project.",
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
    stopped: Mapping[str, list[str]] = engine.pop("stopped", {})  # an older engine says nothing
    if not machine:
        click.echo(f"The engine runs: version {__version__}, process {engine['pid']}.")
    chosen = _chosen(stopped, place.project, restore, machine=machine)
    failures = _restore(place, chosen, machine=machine)
    if machine:
        failed = {id: error.wire() for id, error in failures.items()}
        restored = [id for id in chosen if id not in failures]
        click.echo(as_json(engine | {"restored": restored, "failed": failed}))
    return FAILED if failures else FINE


def _chosen(
    stopped: Mapping[str, Sequence[str]],
    project: str | None,
    restore: bool | None,
    *,
    machine: bool,
) -> list[str]:
    """Whom to bring back: of every project, or of the one that was named."""
    offered = [(id, stopped[id]) for id in sorted(stopped) if project in (None, id)]
    return [
        session
        for id, sessions in offered
        if _wanted(id, sessions, restore, machine=machine)
        for session in sessions
    ]


def _wanted(project: str, sessions: Sequence[str], restore: bool | None, *, machine: bool) -> bool:
    if restore is not None:
        return restore
    said = f"A stop, or what they ran in, ended {', '.join(sessions)} of {project}"
    if sys.stdin.isatty() and not machine:
        return click.confirm(f"{said}. Bring them back?", default=True)
    click.echo(f"{said}; `ao start --restore` brings them back.", err=True)
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
