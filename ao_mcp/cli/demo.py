"""`ao demo`: a scripted lead runs a team on a sample repository."""

from importlib import import_module

import click

_TERMINAL, _SQLITE = "terminal", "sqlite"


@click.command("demo")
@click.option("--keep", is_flag=True, help="Keep the folder, to look around in it.")
@click.option(
    "--drive", type=click.Choice([_TERMINAL, "protocol"]), default=_TERMINAL, show_default=True,
    help="How the workers are spoken to.",
)  # fmt: skip
@click.option(
    "--store", type=click.Choice([_SQLITE, "files"]), default=_SQLITE, show_default=True,
    help="What the engine keeps its records in.",
)  # fmt: skip
@click.option("--awkward", is_flag=True, help="Workers with the worst manners of terminals.")
def command(*, keep: bool, drive: str, store: str, awkward: bool) -> int:
    """Watch a team work on a sample repository: offline, half a minute."""
    if awkward and drive != _TERMINAL:
        raise click.UsageError("`--awkward` is about workers in terminals.")
    done: int = import_module("ao_mcp.demo.run").main(drive, store, awkward=awkward, keep=keep)
    return done
