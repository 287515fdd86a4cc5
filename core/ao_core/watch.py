"""Folders that tell when a file arrives, where the system can; elsewhere the caller polls."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from ao_core import platform


class FolderWatcher(Protocol):
    """Tells which folder got a new file. One descriptor, however many folders."""

    def add(self, folder: Path) -> None:
        """Watch one more."""
        ...

    def remove(self, folder: Path) -> None:
        """No longer watch it."""
        ...

    def arrivals(self) -> AsyncIterator[Path]:
        """The folder of each file that was moved into place."""
        ...

    def close(self) -> None:
        """Give the descriptor back."""
        ...


def folder_watcher() -> FolderWatcher | None:
    """The system's watcher, or None where there is none or no more are to be had."""
    if platform.system() not in ("linux", "wsl"):
        return None
    from ao_core.inotify import Inotify

    try:
        return Inotify()
    except OSError:
        return None
