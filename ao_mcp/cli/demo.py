"""`ao demo`: a scripted lead runs a team on a sample repository."""

from importlib import import_module

import click


@click.command("demo", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> int:
    """Watch a team work on a sample repository: offline, half a minute."""
    done: int = import_module("ao_mcp.demo.run").main(list(arguments))
    return done
