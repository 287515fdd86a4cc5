"""The processes of a program: what they use, and those it left behind."""

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from ao_core.platform import process_exists, process_started, session_of
from ao_core.process import alive, end_tree
from ao_core.slots.runtime import Metrics

if TYPE_CHECKING:
    import psutil


class Usage:
    """Measures programs; what it saw last makes the difference."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[float, float]] = {}

    async def of(self, pid: int, started: float | None) -> Metrics | None:
        """What a process and its children use; none if it has ended."""
        if not alive(pid, started):
            self._last.pop(pid, None)
            return None
        return await anyio.to_thread.run_sync(self._measure, pid)

    def forget(self, pid: int) -> None:
        """It is gone for good; its number may come to name another."""
        self._last.pop(pid, None)

    def _measure(self, pid: int) -> Metrics | None:
        import psutil

        try:
            root = psutil.Process(pid)
            born = root.create_time()
            tree = [root, *root.children(recursive=True)]
        except psutil.Error:
            return None
        uses = [use for process in tree if (use := _use(process))]
        busy, now = sum(seconds for _, seconds in uses), time.time()
        then, before = self._last.get(pid, (born, 0.0))
        self._last[pid] = (now, busy)
        cpu = 100 * max(0.0, busy - before) / max(now - then, 0.01)
        return Metrics(now - born, sum(memory for memory, _ in uses), cpu, busy)


async def end_orphans(leader: int, grace: float, *, before: float | None = None) -> None:
    """End what belonged to a session whose leader is dead.

    `before` is when that died, by the clock. If none of the session is as old as that, the number
    has come to name somebody else's.
    """
    if process_exists(leader):
        return
    found = await anyio.to_thread.run_sync(_session, leader)
    if before is not None and not any(born <= before for _, born in found):
        return
    for pid, _ in found:
        if (started := process_started(pid)) is not None:
            await end_tree(pid, started=started, grace=grace)


def _session(leader: int) -> list[tuple[int, float]]:
    """The others of a session, and when each began."""
    import psutil

    found: list[tuple[int, float]] = []
    for process in psutil.process_iter():
        if process.pid != leader and session_of(process.pid) == leader:
            with suppress(psutil.Error):  # it ended meanwhile
                found.append((process.pid, process.create_time()))
    return found


def _use(process: "psutil.Process") -> tuple[int, float] | None:
    import psutil

    try:
        with process.oneshot():
            times = process.cpu_times()
            own, ended = times.user + times.system, (*times, 0.0, 0.0)[2:4]
            return process.memory_info().rss, own + sum(ended)
    except psutil.Error:  # it ended meanwhile
        return None
