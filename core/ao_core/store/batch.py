"""Writes that wait for each other go to the disk together; each succeeds or fails alone."""

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

import anyio

S = TypeVar("S")
T = TypeVar("T")


class Write(Generic[S, T]):
    """A job that waits to be written, and what came of it."""

    def __init__(self, job: Callable[[S], T]) -> None:
        self._job = job
        self._made: list[T] = []
        self._refusal: Exception | None = None
        self.settled = False

    def attempt(self, place: S) -> bool:
        """Do the job; false if it refused, which must leave the place as it was."""
        try:
            self._made.append(self._job(place))
        except Exception as exc:  # raised to whoever waits for it
            self._refusal = exc
        return self._refusal is None

    def settle(self, refusal: Exception | None = None) -> None:
        """It is on the disk, or for this reason it is not."""
        self._refusal = refusal or self._refusal
        self.settled = True

    def result(self) -> T:
        """What the job made; raises what it or the disk raised."""
        if self._refusal is not None:
            raise self._refusal
        return self._made[0]


class Batch(Generic[S]):
    """What waits while the disk works; whoever has the turn takes all of it along."""

    def __init__(self) -> None:
        self._turn = anyio.Lock()
        self._queue: deque[Write[S, Any]] = deque()

    async def join(self, job: Callable[[S], T], flush: Callable[[], Awaitable[None]]) -> T:
        """Have a job written; `flush` writes all that is `taken`, and settles it."""
        write = Write(job)
        self._queue.append(write)
        try:
            async with self._turn:
                if not write.settled:  # nobody took it along
                    await flush()
        finally:
            with suppress(ValueError):  # still there if cancelled before its turn
                self._queue.remove(write)
        return write.result()

    def taken(self) -> list[Write[S, Any]]:
        """All that waits; whoever takes it has to settle it."""
        # another thread may append meanwhile, and remove
        taken: list[Write[S, Any]] = []
        with suppress(IndexError):
            while True:
                taken.append(self._queue.popleft())
        return taken
