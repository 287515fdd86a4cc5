"""Runs real agents one after the other and shows what they do. See `--help`."""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from agents.known import Real, known
from agents.stage import staged
from agents.story import COLUMNS, PASS, play
from clients.table import put
from clients.table import rows as published

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("AO_AGENTS") or ROOT / "build" / "agents")
BEGIN = "<!-- made by `make agents` -->"
HEADINGS = ("agent", "version", "driven by", *COLUMNS)
_FACTS = 3  # the headings before those of the story
Row: TypeAlias = Sequence[str]
_DOCS = ROOT / "docs" / "agents.md"
_LONGEST = 120


def main(arguments: Sequence[str]) -> int:
    every = known()
    parser = argparse.ArgumentParser(prog="make agents", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {', '.join(every)}")
    parser.add_argument("--packages", action="store_true", help="say what to have from npm")
    parser.add_argument("--pypi", action="store_true", help="say what to have from PyPI, for which")
    parser.add_argument(
        "--write", action="store_true", help=f"put these into the table of {_DOCS.name}"
    )
    given = parser.parse_args(arguments)
    chosen = [every[name] for name in given.names or every]
    if given.packages or given.pypi:
        print("\n".join(dict.fromkeys(_wanted(chosen, pypi=given.pypi))))  # noqa: T201
        return 0
    rows = {real.name: _cells(real, row_of(real)) for real in chosen}
    print(markdown(list(rows.values())))  # noqa: T201
    if given.write:
        _publish(every, rows)
    return 0 if all(is_good(cell) for row in rows.values() for cell in row[_FACTS:]) else 1


def _publish(every: Mapping[str, Real], rows: Mapping[str, Row]) -> None:
    """Put them into the table; what was not played now stays as it was played before."""
    text = _DOCS.read_text(encoding="utf-8")
    known = {
        tuple(row[:_FACTS]): row for row in published(text, BEGIN) if len(row) == len(HEADINGS)
    }
    whole = [rows.get(name) or known.get(_facts(real)) for name, real in every.items()]
    table = markdown([row for row in whole if row])
    _DOCS.write_text(put(text, table, BEGIN), encoding="utf-8")


def _wanted(every: Iterable[Real], *, pypi: bool) -> Iterator[str]:
    """What is installed: of PyPI's, a line each with its Python and its program, too."""
    for real in every:
        if real.python and pypi:
            yield f"{real.python} {real.pinned} {real.program}"
        elif not real.python and not pypi:
            yield from (real.pinned, *real.also)


def is_good(cell: str) -> bool:
    return cell == PASS or cell.startswith("not offered")


def row_of(real: Real) -> Sequence[str]:
    """What an agent does, as far as it is here."""
    version = real.installed(FOLDER)
    if version != real.version:
        here = f"it is {version} that is here" if version else "it is not here"
        return (f"not run: {here}", *("-" for _ in COLUMNS[1:]))
    print(real.name, file=sys.stderr)  # noqa: T201
    with (
        tempfile.TemporaryDirectory(prefix="ao-", dir="/tmp") as folder,
        staged(real, Path(folder) / "s", FOLDER) as stage,
    ):
        found = play(stage)
    return [_short(found.get(name, "-")) for name in COLUMNS]


def markdown(rows: Sequence[Row]) -> str:
    lines = [HEADINGS, ("---",) * len(HEADINGS), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _facts(real: Real) -> tuple[str, ...]:
    return (real.title, real.version, real.drive)


def _cells(real: Real, found: Sequence[str]) -> Row:
    return (*_facts(real), *found)


def _short(text: str) -> str:
    line = " ".join(text.split()).replace("|", "/")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
