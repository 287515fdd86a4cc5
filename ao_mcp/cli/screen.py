"""Puts blocks on stdout: with colour and to the terminal's width on a terminal, else plain."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from ao_mcp.cli.blocks import Aside, Block, Facts, Table, Text, cell, clean, plain

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table as RichTable

_COLOURS: Mapping[str, str] = {
    **dict.fromkeys(["working", "spawning", "active", "ready"], "cyan"),
    **dict.fromkeys(["done", "merged", "mergeable", "approved", "accepted", "ok"], "green"),
    **dict.fromkeys(["needs_input", "waiting_input", "review_pending", "queued", "warn"], "yellow"),
    **dict.fromkeys(["stuck", "errored", "ci_failed", "failed", "conflict", "fail"], "red"),
    **dict.fromkeys(["changes_requested", "blocked", "uncertain", "detecting"], "magenta"),
    **dict.fromkeys(["killed", "terminated", "cleanup", "exited", "idle", "none"], "dim"),
}
_ALARMS = (("human", "bold red"), ("lead", "yellow"))


def on_terminal() -> bool:
    """Whether people look at stdout, on a terminal that can do more than type."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def show(blocks: Sequence[Block]) -> None:
    """Show the blocks; what goes beside them comes last."""
    shown = [block for block in blocks if not isinstance(block, Aside)]
    if shown and on_terminal():
        console().print(renderable(shown))
    elif text := plain(shown):
        click.echo(text)
    sys.stdout.flush()
    for block in blocks:
        if isinstance(block, Aside):
            click.echo(clean(block.text), err=True)


def console() -> "Console":
    """The terminal behind stdout."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def renderable(blocks: Sequence[Block]) -> "RenderableType":
    """The blocks as rich has them, an empty line between them."""
    from rich.console import Group

    parts: list[RenderableType] = []
    for block in blocks:
        parts += ["", _renderable(block)] if parts else [_renderable(block)]
    return Group(*parts)


def _renderable(block: Block) -> "RenderableType":
    from rich.text import Text as RichText

    match block:
        case Text(text, style):
            return RichText(clean(text).rstrip("\n"), style=style)
        case Facts(facts):
            return _facts(facts)
        case Table():
            return _table(block)
        case Aside(text):
            return RichText(clean(text), style="dim")


def _grid(*titles: str) -> "RichTable":
    from rich.table import Table as RichTable

    grid = RichTable(box=None, show_header=bool(titles), header_style="bold", pad_edge=False)
    for title in titles:
        grid.add_column(title.upper(), no_wrap=title in ("session", "status", "issue"))
    return grid


def _facts(facts: Sequence[tuple[str, str]]) -> "RichTable":
    from rich.text import Text as RichText

    grid = _grid()
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts:
        grid.add_row(RichText(f"{name}:"), RichText(cell(value), style=_colour(value)))
    return grid


def _table(table: Table) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text as RichText

    grid = _grid(*table.titles)
    for row in table.rows:
        grid.add_row(*(RichText(cell(value), style=_colour(value)) for value in row))
    return Group(RichText(table.heading, style="bold"), grid) if table.heading else grid


def _colour(value: str) -> str:
    alarm = next((style for who, style in _ALARMS if value.startswith(f"{who}:")), "")
    return alarm or _COLOURS.get(value, "")
