"""What a store holds, seen from outside: nothing is changed, and an engine may be at work on it."""

import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ao_core.errors import StoreError
from ao_core.files import in_our_words
from ao_core.store import database, folder
from ao_core.store.choice import COMPANIONS, PLACES
from ao_core.store.journal_file import load
from ao_core.store.kind import StoreKind
from ao_core.store.state import Numbers

_TRIES = 5
_LINES = """
SELECT total(length(CAST(body AS BLOB)) + length(at) + length(kind)
    + ifnull(length(project), 0) + ifnull(length(session), 0)) FROM event
"""


@dataclass(frozen=True, slots=True)
class Inventory:
    """Records by kind, and the journal's first number that is kept and its last."""

    records: Mapping[str, int]
    first: int
    head: int

    @property
    def lines(self) -> int:
        """How many lines the journal has."""
        return self.head - self.first + 1


def inventory(home: Path, kind: StoreKind) -> Inventory:
    """Look into a store that is there. Reads files: call it from a thread."""
    place = home / PLACES[kind]
    return _of_sqlite(place) if kind == "sqlite" else _of_files(place)


def size(home: Path, kind: StoreKind) -> int:
    """The bytes a store takes up, its companions included."""
    place = home / PLACES[kind]
    with in_our_words(place, "read"):
        return sum(map(_size, _parts(place)))


def journal_inside(home: Path) -> int:
    """The bytes of the journal's lines in the one file of a store; 0 where none can be read."""
    place = home / PLACES["sqlite"]
    if not place.is_file():
        return 0
    try:
        with database.in_our_words(place), closing(database.connect_reader(place)) as db:
            return int(db.execute(_LINES).fetchone()[0])
    except StoreError:  # whoever needs it says what is wrong with it
        return 0


def _parts(place: Path) -> Iterator[Path]:
    yield from (place.with_name(place.name + companion) for companion in COMPANIONS)
    if place.is_dir():
        yield from place.iterdir()


def _size(path: Path) -> int:
    """Of a plain file; none of one that goes while it is looked at."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _of_sqlite(path: Path) -> Inventory:
    with database.in_our_words(path), closing(database.connect_reader(path)) as db:
        counts = db.execute("SELECT kind, count(*) FROM record GROUP BY kind ORDER BY kind")
        records = {str(kind): int(count) for kind, count in counts}
        first, head = database.journal_ends(db)
    return Inventory(records, first, head)


def _of_files(path: Path) -> Inventory:
    with in_our_words(path, "read"):
        folder.check(path)
        records, numbers = _loaded(path)
    return Inventory(records, numbers.first, numbers.head)


def _loaded(path: Path) -> tuple[Mapping[str, int], Numbers]:
    """Read it; again, if its files are tidied up meanwhile."""
    for _ in range(_TRIES - 1):
        before = sorted(os.listdir(path))
        try:
            state = load(path).state
            break
        except Exception:  # files that go meanwhile can make it read as anything
            if sorted(os.listdir(path)) == before:
                raise
    else:
        state = load(path).state
    return dict(sorted(Counter(kind for kind, _ in state.records).items())), state.numbers
