"""Runs one command to its exit status, whatever goes wrong."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import click

from ao_core.errors import AoError, BadRequest
from ao_mcp.cli.outcome import FAILED, FINE, INTERRUPTED, MISUSED, spoken, tell


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


def _never_fail_to_print() -> None:
    """A letter the terminal does not have becomes a question mark, not an exception."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # a test's stream is no file
            stream.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def _nobody_reads() -> int:
    # the interpreter flushes stdout once more at its end
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED
