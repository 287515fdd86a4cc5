"""What a home takes up on the disk, by what it is for."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_MOST = 500_000  # files looked at; work trees may hold any number
_BLOCK = 512
_KINDS = (
    "journal", "store", "logs", "worktrees", "archives", "prompts", "plugins", "other",
)  # fmt: skip
_TOP = {"plugins": "plugins", "bin": "plugins", "journal": "journal"}
_RECORDS = "snapshot.jsonl"  # beside the journal's lines, where the store is in files
_HOSTS = "runtime-process"  # what agents have said, as their session hosts log it
_OF_A_PROJECT = {
    "worktrees": "worktrees", "spares": "worktrees", "archive": "archives",
    "prompts": "prompts", "spool": "prompts", "sessions": "store", "ended": "logs",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes by kind. Where there are too many files, `whole` is false and it is more than told.

    `store` is what there is beside the `journal`, also where both are in one file. `archives`
    are saved work that git would not keep; what it keeps is in the repositories.
    """

    kinds: Mapping[str, int]
    whole: bool

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.kinds.values())


def usage(home: Path) -> Usage:
    """Look at every file of a home, and follow no link."""
    kinds: dict[str, int] = dict.fromkeys(_KINDS, 0)
    for looked, (parts, entry) in enumerate(_files(home, ())):
        if looked == _MOST:
            return Usage(_apart(home, kinds), whole=False)
        kinds[_kind(parts)] += _size(entry)
    return Usage(_apart(home, kinds), whole=True)


def _apart(home: Path, kinds: Mapping[str, int]) -> Mapping[str, int]:
    """With the journal that is in the store's own file."""
    from ao_core.store.inventory import journal_inside

    inside = min(journal_inside(home), kinds["store"])
    journal, store = kinds["journal"] + inside, kinds["store"] - inside
    return {**kinds, "journal": journal, "store": store}


def _files(
    folder: Path | str, parts: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], os.DirEntry[str]]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:  # gone meanwhile, or not ours to read
        return
    for entry in entries:
        here = (*parts, entry.name)
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path, here)
        else:
            yield here, entry


def _kind(parts: tuple[str, ...]) -> str:
    top = parts[0]
    if len(parts) == 1:
        return "logs" if top.startswith("engine.log") else _file_kind(top)
    if parts[:2] == ("plugins", _HOSTS):
        return "logs"
    if top in _TOP:
        return "store" if parts == ("journal", _RECORDS) else _TOP[top]
    if top.startswith("journal.before-convert-"):
        return "store"
    below = parts[1]
    return _OF_A_PROJECT.get(below, "plugins" if len(parts) > 2 and "-" in below else "other")


def _file_kind(name: str) -> str:
    return "store" if name.startswith(("ao.db", "journal")) else "other"


def _size(entry: os.DirEntry[str]) -> int:
    try:
        seen = entry.stat(follow_symlinks=False)
    except OSError:
        return 0
    return int(getattr(seen, "st_blocks", seen.st_size / _BLOCK) * _BLOCK)


def shown(size: int) -> str:
    """A size for people."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"
