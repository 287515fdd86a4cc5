"""`ao attach`: this terminal becomes a worker's, or shows its conversation."""

import os
import shlex
import sys

import click

from ao_core.errors import BadRequest, NotInstalled, WrongState
from ao_core.wire import Message
from ao_mcp.cli.blocks import as_json
from ao_mcp.cli.outcome import FINE
from ao_mcp.cli.own import json_option
from ao_mcp.cli.place import Place, pass_place


@click.command("attach")
@click.argument("session")
@click.option("--print", "printed", is_flag=True, help="Print the command instead of running it.")
@json_option
@pass_place
def command(place: Place, session: str, printed: bool, machine: bool) -> int:
    """Open a worker's terminal or conversation here; leaving it ends nothing."""
    shown = place.ask("show", {"session": session})
    argv, drive = _attachable(shown), shown["drive"]
    if machine or printed:
        told = {"command": argv, "drive": drive}
        click.echo(as_json(told) if machine else shlex.join(argv))
        return FINE
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        hint = f"Run it in a terminal, or see `ao read {session}`."
        raise BadRequest("There is no terminal to attach.", hint=hint)
    if drive == "protocol":
        from ao_mcp.cli.transcript import follow

        return follow(place, shown)
    _become(argv)
    return FINE


def _attachable(shown: Message) -> list[str]:
    session, status = shown["session"], shown["status"]
    if argv := shown["attach"]:
        return argv
    what = "conversation to join" if shown["drive"] == "protocol" else "terminal"
    raise WrongState(
        f"{session} has no {what}: it is {status} ({shown['reason']}).",
        hint=f"`ao restore {session}` brings it back; `ao show {session}` says what was saved.",
    )


def _become(argv: list[str]) -> None:
    # inside another tmux, tmux would refuse; ours is a server of its own
    environment = {name: value for name, value in os.environ.items() if name != "TMUX"}
    try:
        os.execvpe(argv[0], argv, environment)  # noqa: S606
    except FileNotFoundError as exc:
        raise NotInstalled(f"{argv[0]} is not on PATH.", hint="Install it.") from exc
