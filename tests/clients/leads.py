"""Runs the clients one after the other and shows what they do. See `--help`."""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from clients.known import KNOWN, Client
from clients.play import NotPlayed, Played, play, staged
from clients.proof import COLUMNS, STORIES, Check, Story
from clients.table import PASS, Row, markdown, put

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("AO_CLIENTS") or ROOT / "build" / "clients")
_DOCS = ROOT / "docs" / "clients.md"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make clients", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {', '.join(KNOWN)}")
    parser.add_argument("--packages", action="store_true", help="say what to have from npm")
    parser.add_argument("--write", action="store_true", help=f"put the table into {_DOCS.name}")
    given = parser.parse_args(arguments)
    if given.packages:
        print(" ".join(client.pinned for client in KNOWN.values()))  # noqa: T201
        return 0
    rows = [row_of(KNOWN[name]) for name in given.names or KNOWN]
    table = markdown(rows)
    print(table)  # noqa: T201
    if given.write and len(rows) == len(KNOWN):
        _DOCS.write_text(put(_DOCS.read_text(encoding="utf-8"), table), encoding="utf-8")
    return 0 if all(row.passed for row in rows) else 1


def row_of(client: Client) -> Row:
    """What a client does, as far as it is here."""
    version = client.installed(FOLDER)
    if version != client.version:
        here = f"it is {version} that is here" if version else "it is not here"
        return Row(client, dict.fromkeys(COLUMNS, f"not run: {here}"))
    found: dict[str, str] = {}
    for story in STORIES.values():
        found |= told(client, story)
    return Row(client, found)


def told(client: Client, story: Story) -> Mapping[str, str]:
    """One story, and what it shows: by column, `pass` or what was wrong."""
    print(f"{client.title}: {', '.join(story.checks)}", file=sys.stderr)  # noqa: T201
    with tempfile.TemporaryDirectory(prefix="ao-", dir="/tmp") as folder:
        try:
            with staged(Path(folder) / "s", story.confirm) as stage:
                played = play(client, FOLDER, stage, killed=story.killed)
                return {column: _found(check, played) for column, check in story.checks.items()}
        except (NotPlayed, AssertionError) as wrong:
            print(wrong, file=sys.stderr)  # noqa: T201
            return dict.fromkeys(story.checks, f"fail: {wrong}")


def _found(check: Check, played: Played) -> str:
    try:
        check(played)
    except AssertionError as wrong:
        print(wrong, file=sys.stderr)  # noqa: T201
        return f"fail: {wrong}"
    return PASS
