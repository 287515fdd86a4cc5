"""The store in flat files, for people who want to read and search them. One process writes it.

The journal's line is the commit: see `line`. Lines stand in numbered files under `journal/` of the
home; records are in memory, read from a snapshot and the lines after it. Commits that wait for each
other share one write to the disk, and each succeeds or fails alone. Each session has a file of its
own beside the journal, see `projection`.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import Any, Self, TypeVar

import anyio
import anyio.lowlevel
from anyio import CancelScope, CapacityLimiter, from_thread, to_thread

from ao_core.clock import Clock
from ao_core.errors import StoreError, StoreUnavailable
from ao_core.files import in_our_words
from ao_core.ids import new_token
from ao_core.model.event import Event, NewEvent
from ao_core.store import codec, folder
from ao_core.store.batch import Batch
from ao_core.store.compaction import compact
from ao_core.store.contract import (
    Adopting,
    Change,
    Committed,
    Drop,
    Kind,
    Lease,
    Row,
    Store,
    require_kept,
)
from ao_core.store.journal_file import JournalFile, load
from ao_core.store.line import Entry
from ao_core.store.projection import Projections
from ao_core.store.scribe import Scribe
from ao_core.store.segments import noted, on_disk, remove_replaced
from ao_core.store.state import Draft, NewLine, State, Wish

T = TypeVar("T")

FOLDER = "journal"
_PAGE = 256
_COMPACT = 4 * 1024 * 1024  # bytes of journal that are read at the start without much delay


class FilesStore(Store, Adopting):
    """Records and the journal in the flat files of a home."""

    def __init__(self, home: Path, clock: Clock) -> None:
        self._home = home
        self._folder = home / FOLDER
        self._clock = clock
        self._holder = new_token()
        self._open = False
        self._state = State({}, {})
        self._grown = anyio.Event()
        self._waiting: Batch[Draft] = Batch()
        self._limiter = CapacityLimiter(1)
        # a task cancelled by asyncio itself gives the limiter back while its thread still works
        self._mutex = Lock()

    async def __aenter__(self) -> Self:
        await to_thread.run_sync(self._begin)
        self._open, self._grown = True, anyio.Event()
        return self

    def _begin(self) -> None:
        self._lock = folder.take(self._folder)
        try:
            with in_our_words(self._folder, "read"):
                remove_replaced(self._folder, on_disk(self._folder))
                found = load(self._folder)
                self._file = JournalFile(self._folder, found)
        except BaseException:  # whatever it was, the lock is given up and it is raised
            self._lock.close()
            raise
        self._state, self._saved, self._unsaved = found.state, found.saved, found.unsaved
        projections = Projections(self._home)
        self._scribe = Scribe(projections)
        known = tuple(self._state.records.values())
        self._scribe.ask(lambda: (projections.learn(known), projections.sweep()))
        self._learn = projections.learn
        self._compact_if_due()

    async def __aexit__(self, *exc: object) -> None:
        with CancelScope(shield=True):
            try:
                with suppress(StoreError):  # a lease that cannot be given back expires
                    await self._write(self._give_back)
            finally:
                self._open = False
                self._grown.set()
                await to_thread.run_sync(self._end, limiter=self._limiter)

    def _end(self) -> None:
        with self._mutex:
            self._scribe.close()
            self._file.close()
            self._lock.close()

    @property
    def head(self) -> int:
        """The number of the journal's last line."""
        return self._state.numbers.head

    @property
    def first(self) -> int:
        """The number of the first line that is kept."""
        return self._state.numbers.first

    async def read(self, kind: Kind[T], id: str) -> Row[T] | None:
        """One record, from memory."""
        self._require_open()
        _require_text(id)
        edit = self._state.records.get((kind.name, id))
        if edit is None or edit.body is None:
            return None
        return Row(id, codec.decode_record(kind, edit.body), edit.revision)

    async def scan(self, kind: Kind[T], prefix: str = "") -> AsyncIterator[Row[T]]:
        """Every record: one that is changed meanwhile is seen before or after."""
        self._require_open()
        keys = self._state.records.keys()
        ids = sorted(id for name, id in keys if name == kind.name and id.startswith(prefix))
        for number, id in enumerate(ids, 1):
            row = await self.read(kind, id)
            if row is not None:
                yield row
            if number % _PAGE == 0:
                await anyio.lowlevel.checkpoint()

    async def commit(
        self,
        changes: Sequence[Change],
        events: Sequence[NewEvent] = (),
        *,
        fence: Lease | None = None,
    ) -> Committed:
        """Make all changes and append all events, or none."""
        now = self._clock.now()
        at = codec.encode_moment(now)
        wishes = [_wish(change) for change in changes]
        lines = [_line(event) for event in events]

        def apply(draft: Draft) -> Entry:
            if fence is not None:
                draft.check(fence, now)
            return draft.commit(at, wishes, lines)

        entry = await self._write(apply)
        numbered = zip(events, entry.events, strict=True)
        return Committed(
            tuple([codec.numbered(event, made.seq, now) for event, made in numbered]),
            tuple([edit.revision for edit in entry.edits]),
        )

    async def follow(self, after: int, *, live: bool = True) -> AsyncGenerator[Event]:
        """The journal, page by page from the files, so that a slow reader costs no memory."""
        while True:
            until = self.head
            while after < until and self._open:
                require_kept(after, self.first)
                start = max(after + 1, self.first)
                page = await self._page(start, until) if start <= until else []
                # lines may have been pruned, and their files removed, while it was read
                require_kept(after, page[0].seq if page else self.first)
                for event in page:
                    yield event
                after = page[-1].seq if page else until
            if not live or not self._open:
                return
            if after >= self.head:
                await self._grown.wait()

    async def prune(self, before: int) -> int:
        """Let lines at the beginning go; their files follow when a snapshot stands for them."""
        gone = await self._write(lambda draft: draft.prune(self._moment(), before))
        if gone:
            self._scribe.ask(partial(self._compact, self._state.copy()))
        return gone

    async def lease(self, key: str, ttl: float) -> Lease:
        """Take or renew a lease. Its holder is this store, until it is closed."""
        _require_text(key)
        now = self._clock.now().timestamp()
        return await self._write(
            lambda draft: draft.lease(self._moment(), key, self._holder, now, ttl)
        )

    async def adopt(self, first: int, events: Sequence[Event]) -> None:
        """Take lines over from another store, under the numbers they have."""
        groups = [(at, list(group)) for at, group in groupby(events, lambda event: event.at)]

        def apply(draft: Draft) -> None:
            draft.begin_at(self._moment(), first)
            for at, group in groups:
                draft.commit(codec.encode_moment(at), (), [_line(event) for event in group])

        await self._write(apply)

    async def compact(self) -> None:
        """Make the journal short to read now, and wait for it."""
        done = self._scribe.result(partial(self._compact, self._state.copy()))
        await to_thread.run_sync(done.result)

    def _compact(self, state: State) -> None:
        self._saved = compact(self._folder, self._file.shelf, state)

    def _compact_if_due(self) -> None:
        if self._unsaved > max(_COMPACT, self._saved):
            self._unsaved = 0
            self._scribe.ask(partial(self._compact, self._state.copy()))

    async def _page(self, start: int, until: int) -> list[Event]:
        try:
            with in_our_words(self._folder, "read"):
                return await to_thread.run_sync(self._events, start, until)
        except StoreError:
            if until < self.first:
                return []
            raise

    def _events(self, start: int, until: int) -> list[Event]:
        return [
            codec.decode_event(one.seq, at, one.kind, one.body, one.project, one.session)
            for at, one in noted(self._file.shelf, start, until, _PAGE)
        ]

    async def _write(self, job: Callable[[Draft], T]) -> T:
        self._require_open()
        with in_our_words(self._folder, "written"):
            return await self._waiting.join(job, self._flush)

    async def _flush(self) -> None:
        await to_thread.run_sync(self._flush_all, limiter=self._limiter)

    def _flush_all(self) -> None:
        """Write all that waits. Runs on a thread, and to the end, whoever is cancelled."""
        with self._mutex:
            writes = self._waiting.taken()
            draft = Draft(self._state)
            try:
                for write in writes:
                    write.attempt(draft)
                size = self._file.append(draft.entries) if draft.entries else 0
            except Exception as exc:  # raised to each who waits
                for write in writes:
                    write.settle(exc)
            else:
                from_thread.run_sync(self._announce, draft.entries, size)
                for write in writes:
                    write.settle()

    def _announce(self, entries: Sequence[Entry], size: int) -> None:
        head = self.head
        for entry in entries:
            self._state.apply(entry)
            if entry.edits:
                self._scribe.ask(partial(self._learn, entry.edits))
        self._unsaved += size
        self._compact_if_due()
        if self.head > head:
            self._grown.set()
            self._grown = anyio.Event()

    def _give_back(self, draft: Draft) -> None:
        draft.give_back(self._moment(), self._holder)

    def _moment(self) -> str:
        return codec.encode_moment(self._clock.now())

    def _require_open(self) -> None:
        if not self._open:
            raise StoreUnavailable(f"{self._folder} is closed", hint="Open the store again.")


def _wish(change: Change) -> Wish:
    _require_text(change.id)
    body = None if isinstance(change, Drop) else codec.encode_record(change.kind, change.value)
    return Wish(change.kind.name, change.id, change.expect, body)


def _line(event: NewEvent | Event) -> NewLine:
    _require_text(event.project, event.session)
    return NewLine(event.kind, event.project, event.session, codec.encode(event.body))


def _require_text(*texts: Any) -> None:  # noqa: ANN401
    """Refuse what has no bytes, before it stands in the way of what is written with it."""
    try:
        for text in texts:
            (text or "").encode()
    except UnicodeEncodeError:
        raise StoreError("a name is not valid Unicode", hint="Text must be valid.") from None
