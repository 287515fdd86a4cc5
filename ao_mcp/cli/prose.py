"""Lines of a conversation as a terminal shows them, what looks like Markdown made readable."""

import re
from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ao_mcp.cli.telling import Line

_HEADING = re.compile(r"#{1,6} +(.*?)[ #]*$")
_BULLET = re.compile(r"( *)[-*+] +(.*)$")
_QUOTE = re.compile(r" *> ?(.*)$")
_MARKED = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")


def renderable(lines: Sequence[Line]) -> RenderableType:
    """The lines under each other, their marks at the left."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=1, no_wrap=True)
    grid.add_column(overflow="fold")
    for line in lines:
        grid.add_row(Text(line.mark, style=line.style), _text(line))
    return grid


def _text(line: Line) -> Text:
    text = line.text.expandtabs(4)
    if line.prose:
        return _prose(text)
    if line.folded:
        return Text(text, style=line.style, no_wrap=True, overflow="ellipsis")
    return Text(text, style=line.style)


def _prose(text: str) -> Text:
    if heading := _HEADING.match(text):
        return Text(_inline(heading[1]).plain, style="bold underline")
    if bullet := _BULLET.match(text):
        return Text(f"{bullet[1]}• ") + _inline(bullet[2])
    if quote := _QUOTE.match(text):
        return Text("│ ", style="dim") + _inline(quote[1])
    return _inline(text)


def _inline(text: str) -> Text:
    """Code and strong words without their marks."""
    shown, at = Text(), 0
    for found in _MARKED.finditer(text):
        shown.append(text[at : found.start()])
        code, strong = found.groups()
        shown.append(code or strong, "cyan" if code else "bold")
        at = found.end()
    return shown.append(text[at:])
