"""How a command ends: its exit status, and what went wrong as people and programs read it."""

import re

import click

from ao_core.errors import AoError, Several
from ao_core.redact import visible
from ao_mcp.cli.blocks import LONGEST_TEXT, as_json

FINE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130

_NAMED = re.compile(r"`[a-z]+_[a-z_]+`")


def tell(error: AoError, *, machine: bool = False) -> int:
    """Say what went wrong: on stdout for programs, on stderr for people."""
    if machine:
        click.echo(as_json({"error": error.wire()}))
        return FAILED
    for problem in error.problems if isinstance(error, Several) else (error,):
        click.echo(f"error: {spoken(problem.message)}", err=True)
        if problem.hint:
            click.echo(f"hint: {spoken(problem.hint)}", err=True)
    return FAILED


def spoken(text: str) -> str:
    """Harmless, and with operations called as they are here: `list-issues`."""
    plain = visible(text, LONGEST_TEXT)
    return _NAMED.sub(lambda match: match[0].replace("_", "-"), plain)
