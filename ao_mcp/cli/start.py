"""`ao start`: the engine, and the agents that went down with a stop or with the machine."""

import sys
from collections.abc import Mapping, Sequence

import click

from ao_core.errors import AoError
from ao_core.model.session import Status
from ao_core.wire import Message
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
        _say_http(engine)
    chosen = _chosen(stopped, place.project, restore, machine=machine)
    team = [one for id in chosen for one in _restore(place, id, machine=machine)]
    failed = {one["session"]: _problem(one) for one in team if one.get("error")}
    if machine:
        restored = [one["session"] for one in team if not one.get("error")]
        click.echo(as_json(engine | {"restored": restored, "failed": failed}))
    return FAILED if failed else FINE


def _chosen(
    stopped: Mapping[str, Sequence[str]],
    project: str | None,
    restore: bool | None,
    *,
    machine: bool,
) -> list[str]:
    """Whose agents to bring back: every project's, or those of the one that was named."""
    offered = [(id, stopped[id]) for id in sorted(stopped) if project in (None, id)]
    return [id for id, found in offered if _wanted(id, found, restore, machine=machine)]


def _wanted(project: str, sessions: Sequence[str], restore: bool | None, *, machine: bool) -> bool:
    if restore is not None:
        return restore
    said = f"A stop, or what they ran in, ended {', '.join(sessions)} of {project}"
    if sys.stdin.isatty() and not machine:
        return click.confirm(f"{said}. Bring them back?", default=True)
    click.echo(f"{said}; `ao start --restore` brings them back.", err=True)
    return False


def _restore(place: Place, project: str, *, machine: bool) -> Sequence[Message]:
    """Bring back those of a project; what went wrong with one does not keep the others."""
    asked = {"all": True, "project": project}
    team: Sequence[Message] = place.ask("restore", asked, f"bringing back {project}")["team"]
    if not machine:
        for one in team:
            _say(one)
    return team


def _say(one: Message) -> None:
    id = one["session"]
    if one.get("error"):
        click.echo(f"{id} is not back.", err=True)
        tell(AoError(str(one["error"]), hint=one.get("hint")))
        return
    waits = one["status"] == Status.SPAWNING
    click.echo(f"{id} is in the queue." if waits else f"{id} is back.")


def _say_http(engine: Message) -> None:
    if url := engine.get("http"):
        click.echo(f"MCP over HTTP: {url}")
    elif problem := engine.get("http_problem"):
        click.echo(f"MCP over HTTP does not listen: {problem}", err=True)


def _problem(one: Message) -> Message:
    """What went wrong with one, as errors are told everywhere."""
    told = {"code": one.get("code"), "message": one["error"], "hint": one.get("hint")}
    return {name: text for name, text in told.items() if text}
