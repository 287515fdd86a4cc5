"""Deaths, told by the kernel: a process descriptor becomes readable when its process ends.

https://man7.org/linux/man-pages/man2/pidfd_open.2.html. Where there are none, or no more are to be
had, processes are looked at.
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from math import inf
from typing import TypeAlias

import anyio
from anyio import create_memory_object_stream

from ao_core.model.session import RuntimeHandle
from ao_core.process import alive

_LOOK_EVERY = 0.5
_LOOK_AGAIN = 0.02


@dataclass(frozen=True, slots=True)
class _Watched:
    handle: RuntimeHandle
    pid: int
    started: float | None
    descriptor: int | None


_Key: TypeAlias = tuple[str, int]


class Deaths:
    """Watches processes, and tells of each one's end once."""

    def __init__(self) -> None:
        self._watched: dict[_Key, _Watched] = {}
        self._told: set[_Key] = set()
        # None only wakes the listener
        self._send, self._receive = create_memory_object_stream[RuntimeHandle | None](inf)

    def watch(self, handle: RuntimeHandle, pid: int, started: float | None) -> None:
        """Tell of this one's end; at once if it has ended already."""
        key = (handle.id, pid)
        if key in self._watched or key in self._told:
            return
        try:
            descriptor = _descriptor(pid)
        except ProcessLookupError:
            self._tell(key, handle)
            return
        self._watched[key] = _Watched(handle, pid, started, descriptor)
        if descriptor is None:
            self._send.send_nowait(None)
        else:
            asyncio.get_running_loop().add_reader(descriptor, self._tell, key, handle)
        if not alive(pid, started):  # looked at only now, lest another takes over the number
            self._tell(key, handle)

    def knows(self, id: str, pid: int) -> bool:
        """Whether this one is known to have ended."""
        return (id, pid) in self._told

    def forget(self, id: str, pid: int) -> None:
        """It is gone for good."""
        self._release((id, pid))
        self._told.discard((id, pid))

    async def each(self) -> AsyncGenerator[RuntimeHandle]:
        """Yield the handles of those that end, until closed."""
        while True:
            ended = None
            try:
                with anyio.move_on_after(self._patience()):
                    ended = await self._receive.receive()
            except (anyio.EndOfStream, anyio.ClosedResourceError):
                return
            if ended is not None:
                yield ended
            self._look()

    def close(self) -> None:
        """Watch no more."""
        for key in tuple(self._watched):
            self._release(key)
        self._send.close()
        self._receive.close()

    def _patience(self) -> float | None:
        blind = any(one.descriptor is None for one in self._watched.values())
        return _LOOK_EVERY if blind else None

    def _look(self) -> None:
        for key, one in tuple(self._watched.items()):
            if one.descriptor is None and not alive(one.pid, one.started):
                self._tell(key, one.handle)

    def _tell(self, key: _Key, handle: RuntimeHandle) -> None:
        self._release(key)
        if key not in self._told:
            self._told.add(key)
            self._send.send_nowait(handle)

    def _release(self, key: _Key) -> None:
        one = self._watched.pop(key, None)
        if one is not None and one.descriptor is not None:
            asyncio.get_running_loop().remove_reader(one.descriptor)
            os.close(one.descriptor)


async def gone(pid: int, started: float | None) -> None:
    """Wait for the end of one process."""
    try:
        descriptor = _descriptor(pid)
    except ProcessLookupError:
        return
    if descriptor is None:
        while alive(pid, started):  # noqa: ASYNC110  # nothing can be waited for here
            await anyio.sleep(_LOOK_AGAIN)
        return
    try:
        if alive(pid, started):  # looked at only now, lest another takes over the number
            await anyio.wait_readable(descriptor)
    finally:
        os.close(descriptor)


def _descriptor(pid: int) -> int | None:
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:  # an old kernel, a sandbox, or too many open files
        return None
