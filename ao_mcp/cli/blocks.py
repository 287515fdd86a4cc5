"""What a command shows, as values: text, facts and tables; and how they look without a terminal.

Cleaning happens here and nowhere else: whatever is shown passes `clean` or `cell`.
"""

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ao_core.redact import visible

LONGEST_TEXT = 1_000_000
_LONGEST_CELL = 2_000


@dataclass(frozen=True, slots=True)
class Text:
    """Some lines, as they are. `style` is a name of rich's, for terminals."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Aside:
    """A line for people beside the output: it goes to stderr."""

    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with their values."""

    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under titles."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    heading: str = ""


Block: TypeAlias = Text | Aside | Facts | Table


def clean(text: str) -> str:
    """Text as a terminal may have it."""
    return visible(text, LONGEST_TEXT)


def cell(text: str) -> str:
    """Text as one line of a table."""
    return visible(" ".join(text.split()), _LONGEST_CELL)


def as_json(value: object) -> str:
    """For programs. Plain ASCII, so that a terminal obeys nothing in it."""
    return json.dumps(value, indent=2)


def plain(blocks: Sequence[Block]) -> str:
    """The blocks without colour or limits, an empty line between them."""
    return "\n\n".join(found for block in blocks if (found := _plain(block)))


def _plain(block: Block) -> str:
    match block:
        case Text(text):
            return clean(text).rstrip("\n")
        case Facts(facts):
            return _columns([(f"{name}:", cell(value)) for name, value in facts])
        case Table(titles, rows, heading):
            heads = tuple(title.upper() for title in titles)
            under = _columns([heads, *(tuple(map(cell, row)) for row in rows)])
            return f"{heading}\n{under}" if heading else under
        case Aside():
            return ""


def _columns(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_row(row, widths) for row in rows)


def _row(row: tuple[str, ...], widths: Sequence[int]) -> str:
    padded = (text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True))
    return "  ".join(padded).rstrip()


def _width(text: str) -> int:
    """How many places a terminal gives it."""
    return len(text) if text.isascii() else sum(map(_places, text))


def _places(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
