"""The table of what each client does: printed, and put between two marks in docs/clients.md."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clients.known import Client
from clients.proof import COLUMNS

BEGIN, END = "<!-- made by `make clients` -->", "<!-- until here -->"
HEADINGS = ("client", "version", "registered by", *COLUMNS)
PASS = "pass"
_LONGEST = 120


@dataclass(frozen=True, slots=True)
class Row:
    """One client. `found` has for each column `pass`, or what was wrong."""

    client: Client
    found: Mapping[str, str]

    @property
    def passed(self) -> bool:
        return set(self.found.values()) == {PASS}

    def cells(self) -> tuple[str, ...]:
        client = self.client
        registered = f"`ao install --client {client.name}`"
        results = (_short(self.found[column]) for column in COLUMNS)
        return (client.title, client.version, registered, *results)


def _short(text: str) -> str:
    line = " ".join(text.split()).replace("|", "/")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def markdown(rows: Sequence[Row]) -> str:
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def put(text: str, table: str, begin: str = BEGIN) -> str:
    """A document with the table in its place."""
    between = re.compile(f"{re.escape(begin)}\n.*?{re.escape(END)}", re.S)
    made, count = between.subn(lambda _: f"{begin}\n\n{table}\n\n{END}", text)
    if count != 1:
        raise ValueError(f"the marks are there {count} times")
    return made


def rows(text: str, begin: str = BEGIN) -> Sequence[Sequence[str]]:
    """The cells of the table in a document, its headings first."""
    _, _, rest = text.partition(begin)
    inside, _, _ = rest.partition(END)
    lines = [line.strip("| ").split(" | ") for line in inside.splitlines() if line.startswith("|")]
    return [line for line in lines if set(line) != {"---"}]
