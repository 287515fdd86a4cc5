"""Runs one command to its exit status, and says what went wrong as people and programs read it."""

import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress

import click

from ao_core.errors import AoError, BadRequest, Several
from ao_core.redact import visible
from ao_mcp.cli.blocks import LONGEST_TEXT, as_json

FINE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130

_NAMED = re.compile(r"`[a-z]+_[a-z_]+`")


def run(arguments: Sequence[str]) -> int:
    """Run `ao` with these arguments."""
    from ao_mcp.cli.commands import ao

    _never_fail_to_print()
    machine = "--json" in arguments
    try:
        status = ao.main(list(arguments), prog_name="ao", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        return _nobody_reads()
    except AoError as error:
        return tell(error, machine=machine)
    except click.Abort as abort:
        return INTERRUPTED if isinstance(abort.__cause__, KeyboardInterrupt) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except click.ClickException as misuse:
        return _misused(misuse, machine=machine)
    return status if isinstance(status, int) else FINE


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


def _misused(misuse: click.ClickException, *, machine: bool) -> int:
    message = misuse.format_message()
    context = misuse.ctx if isinstance(misuse, click.UsageError) else None
    command = context.command_path if context else "ao"
    hint = f"`{command} --help` says how it is used."
    if machine:
        tell(BadRequest(message, hint=hint), machine=True)
        return MISUSED
    click.echo(f"error: {spoken(message)}", err=True)
    click.echo(f"hint: {hint}", err=True)
    return MISUSED


def spoken(text: str) -> str:
    """Harmless, and with operations called as they are here: `list-issues`."""
    plain = visible(text, LONGEST_TEXT)
    return _NAMED.sub(lambda match: match[0].replace("_", "-"), plain)


def _never_fail_to_print() -> None:
    """A letter the terminal does not have becomes a question mark, not an exception."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # a test's stream is no file
            stream.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def _nobody_reads() -> int:
    # the interpreter flushes stdout once more at its end
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED
