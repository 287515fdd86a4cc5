"""A journal's folder: made, marked as ours, and held by one process."""

import json
import os
from pathlib import Path
from typing import Any, cast

from ao_core.errors import Corrupt, StoreUnavailable, VersionMismatch
from ao_core.files import FileLock, in_our_words, is_draft, private_dir, try_lock, write_atomic
from ao_core.platform import is_network_file_system

MARKER = "format.json"
_LOCK = "lock"
_FORMAT = "ao-mcp journal"
_VERSION = 1


def take(folder: Path) -> FileLock:
    """Make or check a journal's folder, and hold it."""
    if kind := is_network_file_system(folder.parent):
        hint = "Set AO_HOME to a folder on a local disk."
        raise StoreUnavailable(f"{folder} is on a network file system ({kind})", hint=hint)
    with in_our_words(folder, "opened"):
        check(folder)
        private_dir(folder)
        lock = try_lock(folder / _LOCK)
    if lock is None:
        hint = "End the other process; `ao doctor` names it."
        raise StoreUnavailable(f"{folder} cannot be used: another process holds it", hint=hint)
    try:
        _mark(folder)
        _close_to_others(folder)
    except BaseException:  # whatever it was, the lock is given up and it is raised
        lock.close()
        raise
    return lock


def check(folder: Path) -> None:
    """Refuse what is not ours, or is newer; changes nothing."""
    if not folder.exists() or _is_new(folder):
        return
    try:
        found = json.loads((folder / MARKER).read_bytes())
    except FileNotFoundError:
        found = None
    except ValueError as exc:
        hint = "Put a copy in its place; it was not changed."
        raise Corrupt(f"{folder / MARKER} is damaged", hint=hint) from exc
    _check_marker(folder, cast("dict[str, Any]", found) if isinstance(found, dict) else {})


def _check_marker(folder: Path, found: dict[str, Any]) -> None:
    if found.get("format") != _FORMAT:
        hint = "Move it away, or choose another AO_HOME."
        raise StoreUnavailable(f"{folder} is somebody else's folder", hint=hint)
    if found.get("version") != _VERSION:
        hint = "Upgrade ao-mcp, or choose another AO_HOME."
        raise VersionMismatch(f"{folder} was written by a newer version", hint=hint)


def _is_new(folder: Path) -> bool:
    """Empty, or as a crash at the very first start leaves it."""
    names = [path.name for path in folder.iterdir()]
    return all(name == _LOCK or is_draft(name) for name in names)


def _mark(folder: Path) -> None:
    if not (folder / MARKER).exists():
        marker = {"format": _FORMAT, "version": _VERSION}
        write_atomic(folder / MARKER, json.dumps(marker) + "\n")


def _close_to_others(folder: Path) -> None:
    """What a careless copy opened up."""
    with in_our_words(folder, "closed to others"):
        for path in folder.iterdir():
            if path.stat(follow_symlinks=False).st_mode & 0o077 and path.is_file():
                os.chmod(path, 0o600)
