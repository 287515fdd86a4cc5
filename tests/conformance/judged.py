"""Runs every judge on the product, and on what has the suite's fixtures. See `--help`."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from clients.table import put
from conformance.inspecting import inspect
from conformance.known import JUDGES, REVISIONS, SUITE
from conformance.report import BEGIN, Row, inspected, markdown, ran
from conformance.scenarios import FIXTURES, PRODUCT, run
from conformance.stage import product, with_fixtures

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("AO_CLIENTS") or ROOT / "build" / "clients")
_DOCS = ROOT / "docs" / "conformance.md"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make conformance", description=__doc__)
    parser.add_argument("--packages", action="store_true", help="say what to have from npm")
    parser.add_argument("--write", action="store_true", help=f"put the table into {_DOCS.name}")
    given = parser.parse_args(arguments)
    if given.packages:
        print(" ".join(judge.pinned for judge in JUDGES))  # noqa: T201
        return 0
    if missing := [one.pinned for one in JUDGES if one.installed(FOLDER) != one.version]:
        print(f"not here: {', '.join(missing)}", file=sys.stderr)  # noqa: T201
        return 2
    with tempfile.TemporaryDirectory(prefix="ao-", dir="/tmp") as folder:
        rows = list(judged(Path(folder), FOLDER, _say))
    print(table := markdown(rows))  # noqa: T201
    if given.write:
        _DOCS.write_text(put(_DOCS.read_text(encoding="utf-8"), table, BEGIN), encoding="utf-8")
    return 1 if any(row.surprising for row in rows) else 0


def judged(folder: Path, clients: Path, say: Callable[[str], None]) -> Iterator[Row]:
    """Line by line, in a folder of their own."""
    with product(folder / "p") as one:
        for found in inspect(one, folder / "inspector", clients):
            say(f"Inspector: {found.way}, {found.era}")
            yield inspected(found)
        for revision in REVISIONS:
            say(f"{SUITE.title}: {PRODUCT}, {revision}")
            yield from ran(run(PRODUCT, revision, one.server, folder / f"p-{revision}", clients))
    for revision in REVISIONS:
        say(f"{SUITE.title}: {FIXTURES}, {revision}")
        with with_fixtures(folder / f"f-{revision}") as server:
            yield from ran(run(FIXTURES, revision, server, folder / f"o-{revision}", clients))


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201
