"""What a process descends from: itself, its parents, and whoever leads its session."""

import os
from collections.abc import Mapping
from contextlib import suppress

from ao_core.platform import session_of

_PROC = os.path.exists("/proc/self/environ")  # where it is, it is much quicker than psutil
_DEEPEST = 200


def lineage(pid: int) -> list[int]:
    """Itself first, then its parents, then those of its session's leader; none if it is gone."""
    found: dict[int, None] = {}
    for first in (pid, session_of(pid)):  # whose parent has ended is its session's all the same
        while first and first not in found and len(found) < _DEEPEST:
            parent = _parent(first)
            if parent is None:
                break
            found[first] = None
            first = parent
    return list(found)


def environment(pid: int) -> Mapping[str, str]:
    """What a process was started with; nothing where that cannot be seen."""
    if not _PROC:
        return _by_psutil(pid)[1]
    with suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
        entries = os.fsdecode(file.read()).split("\0")
        return dict(entry.split("=", 1) for entry in entries if "=" in entry)
    return {}


def _parent(pid: int) -> int | None:
    """0 where it has none; None where it is gone."""
    if not _PROC:
        return _by_psutil(pid)[0]
    with suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
        # the name in parentheses may hold spaces and parentheses itself
        return int(file.read().rpartition(b")")[2].split()[1])
    return None


def _by_psutil(pid: int) -> tuple[int | None, Mapping[str, str]]:
    import psutil

    parent: int | None = None
    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        parent = process.ppid()
        return parent, process.environ()
    return parent, {}
