"""Linux tells of files moved into a folder."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeAlias, cast

import asyncinotify

Add: TypeAlias = Callable[[Path, asyncinotify.Mask], asyncinotify.Watch]


class Inotify:
    """A watcher over one inotify descriptor."""

    def __init__(self) -> None:
        self._inotify = asyncinotify.Inotify()
        self._watches: dict[Path, asyncinotify.Watch] = {}

    def add(self, folder: Path) -> None:
        """Watch one more."""
        if folder not in self._watches:
            mask = asyncinotify.Mask.MOVED_TO | asyncinotify.Mask.ONLYDIR
            add = cast("Add", cast("Any", self._inotify).add_watch)  # typed only in part
            self._watches[folder] = add(folder, mask)

    def remove(self, folder: Path) -> None:
        """No longer watch it; a folder that is gone has taken its watch along."""
        watch = self._watches.pop(folder, None)
        if watch is not None and folder.exists():
            self._inotify.rm_watch(watch)

    async def arrivals(self) -> AsyncIterator[Path]:
        """The folder of each file that was moved into place."""
        async for event in self._inotify:
            if event.watch is not None:
                yield event.watch.path

    def close(self) -> None:
        """Give the descriptor back."""
        self._inotify.close()
