"""All that a home's store holds, read from a copy of it while its engine goes on."""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import anyio

from ao_core.clock import SystemClock
from ao_core.errors import AoError
from ao_core.model.event import Event
from ao_core.model.session import Session
from ao_core.store.choice import PLACES, open_store, present
from ao_core.store.contract import Kind, Store
from ao_core.store.kind import StoreKind
from ao_core.store.records import (
    COUNTER,
    INTENT,
    KEY,
    MESSAGE,
    PERMISSION,
    PURSUIT,
    SESSION,
    Counter,
    Intent,
    KeyUse,
    Message,
    Permission,
    Pursuit,
)

T = TypeVar("T")

_TRIES = 5


@dataclass(frozen=True)
class Snapshot:
    """The records and the journal at one moment."""

    sessions: dict[str, Session]
    messages: dict[str, Message]
    intents: dict[str, Intent]
    permissions: dict[str, Permission]
    pursuits: dict[str, Pursuit]
    keys: dict[str, KeyUse]
    counters: dict[str, Counter]
    journal: list[Event]

    def of(self, session: str) -> list[Event]:
        """What the journal tells of one session."""
        return [event for event in self.journal if event.session == session]


def snapshot(home: Path) -> Snapshot:
    """What the store of a home holds. Files may be written meanwhile: then it is tried again."""
    for _ in range(_TRIES - 1):
        try:
            return _taken(home)
        except (AoError, OSError, shutil.Error):
            continue
    return _taken(home)


def _taken(home: Path) -> Snapshot:
    (kind,) = present(home)
    with tempfile.TemporaryDirectory(prefix="ao-snapshot-") as folder:
        _copy(home, Path(folder), kind)
        return anyio.run(_read, Path(folder), kind)


def _copy(home: Path, folder: Path, kind: StoreKind) -> None:
    place = PLACES[kind]
    if kind == "files":
        shutil.copytree(home / place, folder / place)
        return
    with (
        closing(sqlite3.connect(f"file:{home / place}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(folder / place)) as copy,
    ):
        source.backup(copy)


async def _read(folder: Path, kind: StoreKind) -> Snapshot:
    async with open_store(folder, kind, SystemClock()) as store:
        return Snapshot(
            await _every(store, SESSION),
            await _every(store, MESSAGE),
            await _every(store, INTENT),
            await _every(store, PERMISSION),
            await _every(store, PURSUIT),
            await _every(store, KEY),
            await _every(store, COUNTER),
            [event async for event in store.follow(0, live=False)],
        )


async def _every(store: Store, kind: Kind[T]) -> dict[str, T]:
    return {row.id: row.value async for row in store.scan(kind)}
