"""The store in one SQLite file. One process writes it.

Commits that wait for each other share one transaction, and so one write to the disk; inside it
each has a savepoint of its own, so that it succeeds or fails alone. Readers have a connection of
their own and never wait for the disk.
"""

import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any, Self, TypeVar

import anyio
from anyio import CancelScope, from_thread

from ao_core.clock import Clock
from ao_core.errors import StoreError
from ao_core.ids import new_token
from ao_core.model.event import Event, NewEvent
from ao_core.store import codec
from ao_core.store.batch import Batch, Write
from ao_core.store.contract import (
    Adopting,
    Change,
    Committed,
    Drop,
    Kind,
    Lease,
    Row,
    Store,
    lease_ended,
    not_following,
    require_kept,
    taken,
    unexpected,
)
from ao_core.store.database import in_our_words, journal_ends, open_reader, open_writer, transaction

T = TypeVar("T")

_PAGE = 256


@dataclass(frozen=True, slots=True)
class _Edit:
    """A change as it is written; no body means that the record goes."""

    kind: str
    id: str
    expect: int
    body: str | None


class SqliteStore(Store, Adopting):
    """Records and the journal in a SQLite file."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._holder = new_token()
        self._head, self._first = 0, 1
        self._open = False
        self._grown = anyio.Event()
        self._waiting: Batch[sqlite3.Connection] = Batch()

    async def __aenter__(self) -> Self:
        self._writer = await open_writer(self._path)
        try:
            self._reader = await open_reader(self._path)
            self._first, self._head = await self._writer.run(journal_ends)
        except BaseException:  # cancelled, too: a store that is not open holds nothing
            with CancelScope(shield=True):
                await self._writer.close()
            raise
        self._open = True
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._open = False
        self._grown.set()
        with CancelScope(shield=True):
            try:
                with suppress(StoreError):  # a lease that cannot be given back expires
                    await self._write(partial(_give_back, holder=self._holder))
            finally:
                await self._reader.close()
                await self._writer.close()

    @property
    def head(self) -> int:
        """The number of the journal's last line, kept in memory."""
        return self._head

    @property
    def first(self) -> int:
        """The number of the first line that is kept, in memory as well."""
        return self._first

    async def read(self, kind: Kind[T], id: str) -> Row[T] | None:
        """One record."""
        return await self._reader.run(lambda db: _record(db, kind, id))

    async def scan(self, kind: Kind[T], prefix: str = "") -> AsyncIterator[Row[T]]:
        """Every record, page by page: one that is changed meanwhile is seen before or after."""
        start: str | None = prefix
        while start is not None:
            page = await self._reader.run(partial(_page, kind=kind, prefix=prefix, start=start))
            for row in page:
                yield row
            # the least text after the last id
            start = page[-1].id + "\0" if len(page) == _PAGE else None

    async def commit(
        self,
        changes: Sequence[Change],
        events: Sequence[NewEvent] = (),
        *,
        fence: Lease | None = None,
    ) -> Committed:
        """Make all changes and append all events, or none."""
        now = self._clock.now()
        edits = [_edit(change) for change in changes]
        lines = [(event, codec.encode_body(event)) for event in events]

        def apply(db: sqlite3.Connection) -> Committed:
            if fence is not None:
                _check(db, fence, now)
            revisions = tuple([_apply(db, edit) for edit in edits])
            return Committed(tuple([_append(db, now, *line) for line in lines]), revisions)

        return await self._write(apply)

    async def follow(self, after: int, *, live: bool = True) -> AsyncGenerator[Event]:
        """The journal, page by page from the table, so that a slow reader costs no memory."""
        while True:
            until = self._head
            while after < until and self._open:
                page = await self._reader.run(partial(_lines, after=after, until=until))
                for event in page:
                    yield event
                after = page[-1].seq if len(page) == _PAGE else until
            if not live or not self._open:
                return
            if after >= self._head:
                await self._grown.wait()

    async def prune(self, before: int) -> int:
        """Drop lines from the beginning."""
        return await self._write(partial(_prune, before=before))

    async def adopt(self, first: int, events: Sequence[Event]) -> None:
        """Take lines over from another store, under the numbers they have."""
        await self._write(partial(_adopt, first=first, events=events))

    async def lease(self, key: str, ttl: float) -> Lease:
        """Take or renew a lease. Its holder is this store, until it is closed."""
        now = self._clock.now().timestamp()
        return await self._write(partial(_take, key=key, holder=self._holder, now=now, ttl=ttl))

    async def _write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        with in_our_words(self._path):
            return await self._waiting.join(job, partial(self._writer.run, self._flush))

    def _flush(self, db: sqlite3.Connection) -> None:
        """Write all that waits. Runs on a thread, and to the end, whoever is cancelled."""
        writes = self._waiting.taken()
        try:
            with transaction(db):
                for write in writes:
                    _attempt(db, write)
            ends = journal_ends(db)
        except Exception as exc:  # raised to each who waits
            for write in writes:
                write.settle(exc)
        else:
            for write in writes:
                write.settle()
            from_thread.run_sync(self._announce, *ends)

    def _announce(self, first: int, head: int) -> None:
        self._first = max(self._first, first)
        if head > self._head:
            self._head = head
            self._grown.set()
            self._grown = anyio.Event()


def _attempt(db: sqlite3.Connection, write: Write[sqlite3.Connection, Any]) -> None:
    """Do one job; when it fails, leave the others' work in the transaction as it is."""
    db.execute("SAVEPOINT one")
    if not write.attempt(db):
        if not db.in_transaction:  # SQLite gave up the whole transaction
            write.result()
        db.execute("ROLLBACK TO one")
    db.execute("RELEASE one")


def _record(db: sqlite3.Connection, kind: Kind[T], id: str) -> Row[T] | None:
    found = db.execute(
        "SELECT body, revision FROM record WHERE kind = ? AND id = ?", (kind.name, id)
    ).fetchone()
    return Row(id, codec.decode_record(kind, found[0]), found[1]) if found else None


def _page(db: sqlite3.Connection, *, kind: Kind[T], prefix: str, start: str) -> list[Row[T]]:
    found = db.execute(
        "SELECT id, body, revision FROM record WHERE kind = ? AND id >= ? ORDER BY id LIMIT ?",
        (kind.name, start, _PAGE),
    )
    # ids with the same beginning stand together
    page = takewhile(lambda row: row[0].startswith(prefix), found)
    return [Row(id, codec.decode_record(kind, body), revision) for id, body, revision in page]


def _lines(db: sqlite3.Connection, *, after: int, until: int) -> list[Event]:
    require_kept(after, journal_ends(db)[0])
    found = db.execute(
        "SELECT seq, at, kind, body, project, session FROM event"
        " WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
        (after, until, _PAGE),
    )
    return [codec.decode_event(*line) for line in found]


def _prune(db: sqlite3.Connection, *, before: int) -> int:
    return db.execute("DELETE FROM event WHERE seq < ?", (before,)).rowcount


def _edit(change: Change) -> _Edit:
    body = None if isinstance(change, Drop) else codec.encode_record(change.kind, change.value)
    return _Edit(change.kind.name, change.id, change.expect, body)


def _apply(db: sqlite3.Connection, edit: _Edit) -> int:
    """Make one change; its row's new number is the revision."""
    place = (edit.kind, edit.id)
    if edit.expect or edit.body is None:
        gone = db.execute(
            "DELETE FROM record WHERE kind = ? AND id = ? AND revision = ?", (*place, edit.expect)
        )
        _expect_one(gone, edit)
    if edit.body is None:
        return 0
    made = db.execute(
        "INSERT INTO record (kind, id, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (*place, edit.body),
    )
    _expect_one(made, edit)
    return int(made.lastrowid or 0)


def _expect_one(cursor: sqlite3.Cursor, edit: _Edit) -> None:
    if cursor.rowcount != 1:
        raise unexpected(edit.kind)


def _append(db: sqlite3.Connection, at: datetime, event: NewEvent | Event, body: str) -> Event:
    line = (codec.encode_moment(at), event.kind, event.project, event.session, body)
    made = db.execute(
        "INSERT INTO event (at, kind, project, session, body) VALUES (?, ?, ?, ?, ?)", line
    )
    return codec.numbered(event, int(made.lastrowid or 0), at)


def _adopt(db: sqlite3.Connection, *, first: int, events: Sequence[Event]) -> None:
    _, head = journal_ends(db)
    if first != head + 1:
        if head:
            raise not_following(head, first)
        db.execute("DELETE FROM sqlite_sequence WHERE name = 'event'")
        db.execute("INSERT INTO sqlite_sequence VALUES ('event', ?)", (first - 1,))
    for event in events:
        made = _append(db, event.at, event, codec.encode(event.body)).seq
        if made != event.seq:
            raise StoreError(f"line {event.seq} of the journal cannot follow line {made - 1}")


def _take(db: sqlite3.Connection, *, key: str, holder: str, now: float, ttl: float) -> Lease:
    row = db.execute("SELECT holder, token, expires FROM lease WHERE key = ?", (key,)).fetchone()
    owner, token, expires = row or (holder, 0, 0.0)
    lease = taken(Lease(key, token, expires), now, ttl, ours=owner == holder)
    db.execute(
        "INSERT OR REPLACE INTO lease (key, holder, token, expires) VALUES (?, ?, ?, ?)",
        (key, holder, lease.token, lease.expires),
    )
    return lease


def _check(db: sqlite3.Connection, fence: Lease, now: datetime) -> None:
    current = db.execute(
        "SELECT 1 FROM lease WHERE key = ? AND token = ? AND expires > ?",
        (fence.key, fence.token, now.timestamp()),
    ).fetchone()
    if current is None:
        raise lease_ended(fence.key)


def _give_back(db: sqlite3.Connection, *, holder: str) -> None:
    db.execute("UPDATE lease SET expires = 0 WHERE holder = ?", (holder,))
