"""How far a reader of the journal has come: stored with what it does, so that nothing is done twice
or passed over. Lines that lead to nothing are noted only now and then.
"""

from collections.abc import Sequence

from ao_core.engine.records import Records
from ao_core.model.event import NewEvent
from ao_core.store.contract import Change, Put
from ao_core.store.records import CURSOR, Cursor, Trouble

_KEEP_UP = 500  # lines


class Bookmark:
    """One reader's place."""

    def __init__(self, records: Records, reader: str) -> None:
        self._records, self._reader = records, reader
        self._revision = 0
        self._stored = 0
        self.trouble: Trouble | None = None  # kept with the place

    @property
    def seq(self) -> int:
        """The place as it is stored."""
        return self._stored

    async def begin(self, first: int) -> int:
        """Where it left off; `first` for one that reads for the first time, which is noted."""
        row = await self._records.store.read(CURSOR, self._reader)
        if row is None:
            await self.commit(first)
        else:
            self._revision, self._stored = row.revision, row.value.seq
            self.trouble = row.value.trouble
        return self._stored

    async def commit(
        self, seq: int, changes: Sequence[Change] = (), events: Sequence[NewEvent] = ()
    ) -> None:
        """Note the place together with what was done about the lines up to there."""
        place = Put(CURSOR, self._reader, Cursor(self._reader, seq, self.trouble), self._revision)
        done = await self._records.commit([*changes, place], events)
        self._revision, self._stored = done.revisions[-1], seq

    def is_behind(self, seq: int) -> bool:
        """Whether so many lines led to nothing that the place should be noted."""
        return seq - self._stored >= _KEEP_UP
