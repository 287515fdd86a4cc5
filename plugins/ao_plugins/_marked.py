"""Folders that say whose they are: made aside and moved into place whole, and removed the same way.

So one that stands where it belongs, with its mark, is finished; and what a crash leaves has a name
that nobody takes for it.
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import anyio.to_thread

from ao_core.files import in_our_words, write_atomic

_FILE = ".git/ao-workspace"


@dataclass(frozen=True, slots=True)
class Mark:
    """What a folder of ours says of itself."""

    home: str
    session: str
    branch: str
    base: str
    repository: str


def read_mark(path: Path, home: str) -> Mark | None:
    """The mark of a folder that is this home's, and is called as it says."""
    if path.is_symlink():
        return None
    try:
        mark = Mark(**json.loads((path / _FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    plain = all(isinstance(one, str) for one in asdict(mark).values())
    return mark if plain and (mark.home, mark.session) == (home, path.name) else None


def write_mark(path: Path, mark: Mark) -> None:
    """Say whose it is."""
    write_atomic(path / _FILE, json.dumps(asdict(mark)))


def marked(root: Path, home: str) -> list[tuple[Path, Mark]]:
    """All of this home's in one place."""
    paths = sorted(root.iterdir()) if root.is_dir() else []
    return [(path, mark) for path in paths if (mark := read_mark(path, home))]


def aside(path: Path, why: str) -> Path:
    """Where it is while it is being made or removed."""
    return path.with_name(f".{why}-{path.name}")


async def move(path: Path, to: Path) -> None:
    """Move it, in one step."""
    with in_our_words(path, "moved"):
        await anyio.to_thread.run_sync(os.rename, path, to)


async def clear(path: Path) -> None:
    """Remove it with all that is in it, if it is there."""
    with in_our_words(path, "removed"):
        await anyio.to_thread.run_sync(_remove, path)


def _remove(path: Path) -> None:
    if not os.path.lexists(path):
        return
    for place, folders, _ in os.walk(path):  # some tools make folders that cannot be emptied
        for name in folders:
            if not os.path.islink(os.path.join(place, name)):
                os.chmod(os.path.join(place, name), 0o700)
    shutil.rmtree(path)
