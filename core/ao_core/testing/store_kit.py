"""What the tests of a store are made of: how it is opened, filled and read."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeAlias

import anyio
import pytest

from ao_core.clock import Clock
from ao_core.model.event import Event, EventKind, NewEvent, Said
from ao_core.store.contract import Put, Row, Store
from ao_core.store.records import COUNTER, Counter
from ao_core.testing.clock import FakeClock

Make: TypeAlias = Callable[[Path, Clock], Store]
Opened: TypeAlias = Callable[[], Store]

MANY = 1100
DEADLINE = 30.0


def said(text: str, session: str | None = None) -> NewEvent:
    """An event that says something."""
    return NewEvent(EventKind.SESSION_REPORTED, Said(text), "app", session)


def counted(id: str, value: int, expect: int = 0) -> Put[Counter]:
    """A change to a counter."""
    return Put(COUNTER, id, Counter(id, value), expect)


async def counters(store: Store, prefix: str = "") -> list[tuple[str, int]]:
    """What the store holds, by id."""
    return [(row.id, row.value.value) async for row in store.scan(COUNTER, prefix)]


async def journal(store: Store, after: int = 0) -> list[str]:
    """What was said."""
    return [text(event) async for event in store.follow(after, live=False)]


def text(event: Event) -> str:
    """What was said in one event."""
    assert isinstance(event.body, Said)
    return event.body.text


async def first(count: int, events: AsyncIterator[Event]) -> list[Event]:
    """The next so many events, waited for."""
    seen: list[Event] = []
    with anyio.fail_after(DEADLINE):
        while len(seen) < count:
            seen.append(await anext(events))
    return seen


async def commit(store: Store, name: str) -> None:
    """Make a counter, and say so."""
    await store.commit([counted(name, 1)], [said(name)])


async def present(store: Store, id: str) -> Row[Counter]:
    """A counter that must be there."""
    row = await store.read(COUNTER, id)
    assert row is not None
    return row


class StoreFixtures:
    """Every store test gets its store from here; `make` is the inheritor's."""

    @pytest.fixture
    def make(self) -> Make:
        """How this store is made."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def opened(self, make: Make, clock: FakeClock, tmp_path: Path) -> Opened:
        """The store of this test, to be entered; each call is another handle on it."""
        return lambda: make(tmp_path / "store", clock)
