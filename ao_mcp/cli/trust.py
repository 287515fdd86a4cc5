"""`ao trust`: a person reads what a configuration could run here, and says yes or no."""

import sys

import click

from ao_core.errors import NotTrusted, Refused
from ao_core.wire import Message
from ao_mcp.cli.blocks import Text, as_json
from ao_mcp.cli.outcome import FINE
from ao_mcp.cli.own import json_option
from ao_mcp.cli.place import Place, pass_place
from ao_mcp.cli.screen import show


@click.command("trust")
@click.argument("project", required=False)
@click.option("--yes", is_flag=True, help="Trust it without being asked.")
@json_option
@pass_place
def command(place: Place, project: str | None, yes: bool, machine: bool) -> int:
    """Let a configuration's commands be run, once you have read them."""
    chosen = project or place.project
    asked = place.ask("trust", {"project": chosen})
    if asked["lines"] and not asked["trusted"]:
        if not machine:
            show([_code(asked)])
        _agree(yes=yes, machine=machine)
        asked = place.ask("trust", {"project": chosen, "digest": asked["digest"]})
    click.echo(as_json(asked) if machine else _said(asked))
    return FINE


def _code(asked: Message) -> Text:
    lines = "\n".join(f"  {line}" for line in asked["lines"])
    return Text(
        f"This could run or reach, on this machine:\n{lines}\ndigest {asked['digest'][:12]}"
    )


def _agree(*, yes: bool, machine: bool) -> None:
    if yes:
        return
    if machine or not sys.stdin.isatty():
        hint = "Read what it runs, then say `--yes`."
        raise NotTrusted("Nobody has trusted it, and nobody can be asked here.", hint=hint)
    if not click.confirm("Trust it, as it is now?", default=False):
        raise Refused("It is not trusted.", hint="Change it, or run `ao trust` again.")


def _said(asked: Message) -> str:
    if not asked["lines"]:
        return "It runs nothing: there is nothing to trust."
    return f"Trusted, as it is now (digest {asked['digest'][:12]}). A change asks again."
