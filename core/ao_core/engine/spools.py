"""Which sessions' hooks have left something: told by the file system, or looked at by a timer."""

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import anyio

from ao_core import spool
from ao_core.errors import BadRequest
from ao_core.spool import HookEvent, Raw
from ao_core.watch import folder_watcher

_log = logging.getLogger(__name__)
_POLL = 0.5
AT_ONCE = 200  # files taken in together: nobody holds the others up by leaving thousands
Understand: TypeAlias = Callable[[Raw], HookEvent | None]


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

    def read(
        self, session: str, consumed: tuple[str, ...], understood: Understand
    ) -> tuple[list[HookEvent], list[Path]]:
        """The oldest events not yet taken in, and the files they and their forerunners came from.

        `understood` says what a hook of the agent's own means, if anything.
        """
        folder = self._folders.get(session)
        files = spool.pending(folder)[:AT_ONCE] if folder else []
        events: list[HookEvent] = []
        for file in files:
            if file.name not in consumed:
                events.extend(_parsed(file, understood))
        return events, files


def removed(files: Sequence[Path]) -> bool:
    """Remove what was taken in. False where nothing could be: it is known, and not read again."""
    done = False
    for file in files:
        with suppress(OSError):  # a folder, say, or one that its worker has made unchangeable
            file.unlink(missing_ok=True)
            done = True
    return done


def _parsed(file: Path, understood: Understand) -> list[HookEvent]:
    try:
        if not spool.is_raw(file):
            return [spool.read(file)]
        event = understood(spool.read_raw(file))
        return [event] if event else []
    except BadRequest as exc:
        _log.warning("a hook left something unreadable in %s: %s", file.parent.name, exc)
    except Exception:  # a plugin of anybody's, and what it reads is anybody's as well
        _log.exception("a hook left something that is not understood in %s", file.parent.name)
    return []
