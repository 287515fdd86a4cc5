"""Which sessions' hooks have left something: told by the file system, or looked at by a timer."""

import logging
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio

from ao_core import spool
from ao_core.errors import BadRequest
from ao_core.spool import HookEvent
from ao_core.watch import folder_watcher

_log = logging.getLogger(__name__)
_POLL = 0.5


class Spools:
    """The spool folders of the live sessions."""

    def __init__(self) -> None:
        self._folders: dict[str, Path] = {}
        self._sessions: dict[Path, str] = {}
        self._watcher = folder_watcher()

    def add(self, session: str, folder: Path) -> None:
        """Watch one more."""
        if self._folders.get(session) == folder:
            return
        self._folders[session] = folder
        self._sessions[folder] = session
        if self._watcher:
            self._watcher.add(folder)

    def remove(self, session: str) -> None:
        """No longer watch it."""
        folder = self._folders.pop(session, None)
        if folder is None:
            return
        self._sessions.pop(folder, None)
        if self._watcher:
            self._watcher.remove(folder)

    async def changes(self) -> AsyncGenerator[str]:
        """Yield the session whose hooks left something."""
        if self._watcher is None:
            async for session in self._polled():
                yield session
            return
        async for folder in self._watcher.arrivals():
            session = self._sessions.get(folder)
            if session is not None:
                yield session

    async def _polled(self) -> AsyncGenerator[str]:
        while True:
            for session, folder in list(self._folders.items()):
                if spool.pending(folder):
                    yield session
            await anyio.sleep(_POLL)

    def close(self) -> None:
        """Stop watching."""
        if self._watcher:
            self._watcher.close()

    def read(self, session: str, consumed: tuple[str, ...]) -> tuple[list[HookEvent], list[Path]]:
        """The events not yet taken in, and every file they and their forerunners came from."""
        folder = self._folders.get(session)
        files = spool.pending(folder) if folder else []
        events: list[HookEvent] = []
        for file in files:
            if file.name not in consumed:
                events.extend(_parsed(file))
        return events, files


def _parsed(file: Path) -> list[HookEvent]:
    try:
        return [spool.read(file)]
    except BadRequest as exc:
        _log.warning("a hook left something unreadable in %s: %s", file.parent.name, exc)
        return []
