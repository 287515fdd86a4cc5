"""Keeps the machine awake while agents work, where the system has a way to ask for that."""

import logging
import os
from collections.abc import Awaitable, Callable, Sequence

import anyio
from anyio import CancelScope
from anyio.abc import Process

from ao_core import platform
from ao_core.clock import Clock
from ao_core.engine.records import Records
from ao_core.errors import AoError
from ao_core.model.session import SessionState, is_waiting
from ao_core.process import companion
from ao_core.store.records import SESSION

_log = logging.getLogger(__name__)
_LINGER = 30.0  # between two turns of one agent nothing is let go
_BUSY = (SessionState.NOT_STARTED, SessionState.WORKING, SessionState.DETECTING)


class Awake:
    """Follows the sessions; holds on while one of them works, and for a moment after."""

    def __init__(
        self,
        records: Records,
        clock: Clock,
        path: str,
        wanted: Callable[[], Awaitable[bool]],
        commands: Sequence[Sequence[str]] | None = None,
    ) -> None:
        self._records, self._clock = records, clock
        self._path, self._wanted = path, wanted
        ours = platform.inhibitors(platform.system(), os.getpid())
        self._commands = ours if commands is None else commands

    async def run(self) -> None:
        """Until cancelled, or until it shows that there is no way here."""
        able = bool(self._commands)
        while able:
            await self._records.until(self._busy)
            if await self._wanted():
                able = await self._hold()
            else:
                await self._quiet()
        _log.info("this machine cannot be kept awake: it may go to sleep while agents work")

    def _busy(self) -> bool | None:
        started = (one for one in self._records.all(SESSION) if not is_waiting(one))
        return any(one.facts.state in _BUSY for one in started) or None

    def _idle(self) -> bool | None:
        return not self._busy() or None

    async def _quiet(self) -> None:
        """Wait until nobody has worked for a while."""
        while True:
            await self._records.until(self._idle)
            if not await self._busy_within(_LINGER):
                return

    async def _busy_within(self, seconds: float) -> bool:
        async with anyio.create_task_group() as tasks:

            async def ring() -> None:
                await self._clock.sleep(seconds)
                tasks.cancel_scope.cancel()

            tasks.start_soon(ring)
            await self._records.until(self._busy)
            tasks.cancel_scope.cancel()
            return True
        return False

    async def _hold(self) -> bool:
        """Hold on until all is quiet; False when no command would."""
        for argv in self._commands:
            try:
                if await self._held(argv):
                    return True
            except AoError as exc:
                _log.info("%s", exc.message)
        return False

    async def _held(self, argv: Sequence[str]) -> bool:
        """Whether the command ran for as long as it was needed."""
        async with (
            companion(argv, env={"PATH": self._path}) as process,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(_mind, process, tasks.cancel_scope)
            await self._quiet()
            tasks.cancel_scope.cancel()
            return True
        return False


async def _mind(process: Process, scope: CancelScope) -> None:
    await process.wait()
    scope.cancel()
