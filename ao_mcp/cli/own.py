"""What our own commands share: how one is made, and `--json`."""

from collections.abc import Callable
from typing import TypeVar

import click

F = TypeVar("F", bound=Callable[..., object])


def json_option(function: F) -> F:
    """`--json`, as every command has it; the function gets `machine`."""
    told = "Print JSON and nothing else."
    return click.option("--json", "machine", is_flag=True, help=told)(function)
