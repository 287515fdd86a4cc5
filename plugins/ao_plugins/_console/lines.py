"""Text cut into the rows of a terminal."""

import os
import unicodedata
from collections.abc import Iterator


def size_of(descriptor: int) -> tuple[int, int]:
    """Columns and rows of a terminal, or those of the usual one."""
    try:
        size = os.get_terminal_size(descriptor)
    except OSError:
        return 80, 24
    return size.columns, size.lines


def wrapped(line: str, columns: int) -> list[str]:
    """A line cut to the width, between words where there are any."""
    rows: list[str] = []
    while (fits := _fitting(line, columns)) < len(line):
        cut = line.rfind(" ", 1, fits + 1)
        cut = cut if cut > columns // 2 else fits
        rows.append(line[:cut])
        line = line[cut:].removeprefix(" ")
    return [*rows, line]


def drafted(draft: str, columns: int) -> Iterator[str]:
    """The rows of a draft, the first with a mark."""
    mark = "> "
    for line in draft.split("\n"):
        for row in wrapped(line, columns - 3):
            yield mark + row
            mark = "  "


def _fitting(line: str, columns: int) -> int:
    room = columns
    for index, letter in enumerate(line):
        room -= _width(letter)
        if room < 0:
            return max(1, index)
    return len(line)


def _width(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
