"""The engine's view of the store: every live record in memory, every change written through."""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import anyio

from ao_core.errors import Conflict, Unknown
from ao_core.ids import SessionId
from ao_core.model.event import Event, NewEvent
from ao_core.model.session import Session
from ao_core.news import News
from ao_core.store.contract import Change, Committed, Drop, Kind, Put, Row, Store
from ao_core.store.records import (
    BRAKE,
    EVIDENCE,
    INTENT,
    MESSAGE,
    OVERLAP,
    PERMISSION,
    PURSUIT,
    SESSION,
)

T = TypeVar("T")

_CACHED = (SESSION, MESSAGE, EVIDENCE, INTENT, PERMISSION, PURSUIT, BRAKE, OVERLAP)
_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class Step:
    """What a change amounts to: the new record, its events, and what is written beside it."""

    value: Any
    events: tuple[NewEvent, ...] = ()
    beside: tuple[Change, ...] = ()


class Records:
    """Sessions, messages, intents and permissions, read from memory, written through."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._rows: dict[str, dict[str, Row[Any]]] = {kind.name: {} for kind in _CACHED}
        self._news = News()
        self._head = 0

    async def load(self) -> None:
        """Read everything once."""
        for kind in _CACHED:
            rows = self._rows[kind.name]
            async for row in self.store.scan(cast("Kind[Any]", kind)):
                rows[row.id] = row
        self._head = self.store.head

    @property
    def head(self) -> int:
        """The number of the last line whose records are in memory as well."""
        return self._head

    def all(self, kind: Kind[T]) -> Iterator[T]:
        """Every record of a kind."""
        return iter([row.value for row in self._rows[kind.name].values()])

    def find(self, kind: Kind[T], id: str) -> T | None:
        """One record."""
        row = self._rows[kind.name].get(id)
        return cast("T", row.value) if row else None

    def session(self, id: str) -> Session:
        """One session, or `Unknown`."""
        found = self.find(SESSION, id)
        if found is None:
            raise Unknown("There is no such session.", hint="`list` shows the sessions.")
        return found

    def revision(self, kind: Kind[Any], id: str) -> int:
        """The revision a change must be based on."""
        row = self._rows[kind.name].get(id)
        return row.revision if row else 0

    async def commit(self, changes: Sequence[Change], events: Sequence[NewEvent] = ()) -> Committed:
        """Write, then remember, then wake whoever waits."""
        with anyio.CancelScope(shield=True):
            return await self._write(changes, events)
        raise AssertionError("nothing is cancelled behind a shield")  # pragma: no cover

    async def _write(self, changes: Sequence[Change], events: Sequence[NewEvent]) -> Committed:
        done = await self.store.commit(changes, events)
        for change, revision in zip(changes, done.revisions, strict=True):
            self._remember(change, revision)
        self._head = max(self._head, *(event.seq for event in done.events), 0)
        self._news.tell()
        return done

    def _remember(self, change: Change, revision: int) -> None:
        rows = self._rows.get(change.kind.name)
        if rows is None:
            return
        if isinstance(change, Drop):
            rows.pop(change.id, None)
        elif revision > self.revision(change.kind, change.id):
            rows[change.id] = Row(change.id, change.value, revision)

    async def create(
        self, kind: Kind[T], id: str, value: T, *events: NewEvent, beside: Sequence[Change] = ()
    ) -> Committed:
        """Write a record that must not exist."""
        return await self.commit([Put(kind, id, value, 0), *beside], events)

    async def update(self, kind: Kind[T], id: str, step: Callable[[T], Step | None]) -> T:
        """Apply a pure step to a record, again if somebody else was first. None: no change."""
        for _ in range(_ATTEMPTS):
            row = cast("Row[T] | None", self._rows[kind.name].get(id))
            if row is None:
                raise Unknown(f"There is no such {kind.name}.")
            taken = step(row.value)
            if taken is None or taken == Step(row.value):
                return row.value
            try:
                put = Put(kind, id, taken.value, row.revision)
                await self.commit([put, *taken.beside], taken.events)
            except Conflict:
                await self._refresh(kind, id)
                continue
            return cast("T", taken.value)
        raise Conflict(f"A {kind.name} keeps changing under its writer.", hint="Try again.")

    async def _refresh(self, kind: Kind[Any], id: str) -> None:
        row = await self.store.read(kind, id)
        if row is not None and row.revision > self.revision(kind, id):
            self._rows[kind.name][id] = row

    async def until(self, ready: Callable[[], T | None]) -> T:
        """Wait until `ready` gives something; looked at after each commit."""
        return await self._news.until(ready)

    async def follow(self, after: int, *, live: bool = True) -> AsyncGenerator[Event]:
        """The journal. Whoever hears of an event finds what it tells of in memory."""
        async with aclosing(self.store.follow(after, live=live)) as journal:
            async for event in journal:
                await self._remembered(event.seq)
                yield event

    async def _remembered(self, seq: int) -> None:
        await self._news.until(lambda: True if seq <= self._head else None)

    def of_session(self, kind: Kind[T], session: SessionId) -> list[T]:
        """The records of one kind that belong to one session, by id."""
        rows = sorted(self._rows[kind.name].items())
        return [row.value for _, row in rows if row.value.session == session]
