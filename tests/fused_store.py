"""A store whose commits are steps, so that a test can end the engine before and after each."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import Self, TypeVar

from ao_core.model.event import Event, NewEvent
from ao_core.store.contract import Change, Committed, Kind, Lease, Row, Store

T = TypeVar("T")


class Crash(BaseException):
    """The engine is gone, as by SIGKILL."""


class FusedStore(Store):
    """A store whose commits are steps, too: before and after."""

    def __init__(self, inner: Store, step: Callable[[str], Awaitable[None]]) -> None:
        self._inner, self._step = inner, step

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        """The inner one goes on."""

    @property
    def head(self) -> int:
        return self._inner.head

    @property
    def first(self) -> int:
        return self._inner.first

    async def read(self, kind: Kind[T], id: str) -> Row[T] | None:
        return await self._inner.read(kind, id)

    def scan(self, kind: Kind[T], prefix: str = "") -> AsyncIterator[Row[T]]:
        return self._inner.scan(kind, prefix)

    async def commit(
        self, changes: Sequence[Change], events: Sequence[NewEvent] = (),
        *, fence: Lease | None = None,
    ) -> Committed:  # fmt: skip
        await self._step("commit")
        done = await self._inner.commit(changes, events, fence=fence)
        await self._step("committed")
        return done

    def follow(self, after: int, *, live: bool = True) -> AsyncGenerator[Event]:
        return self._inner.follow(after, live=live)

    async def prune(self, before: int) -> int:
        return await self._inner.prune(before)

    async def lease(self, key: str, ttl: float) -> Lease:
        return await self._inner.lease(key, ttl)
