"""A journal of many lines, written as quickly as a store takes them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from ao_core.clock import SystemClock
from ao_core.model.event import Event, EventKind, MessageMoved, Said
from ao_core.store.choice import open_store
from ao_core.store.contract import Adopting
from ao_core.store.kind import StoreKind

_PAGE = 5_000
_SPAN = timedelta(days=10)  # all of it is young enough to be kept


async def grown(home: Path, kind: StoreKind, count: int, sessions: Sequence[str]) -> None:
    """So many lines about these sessions, each a commit of its own, in a store that is new."""
    async with open_store(home, kind, SystemClock()) as store:
        assert isinstance(store, Adopting)
        lines = _lines(count, sessions)
        while page := list(islice(lines, _PAGE)):
            await store.adopt(page[0].seq, page)


def _lines(count: int, sessions: Sequence[str]) -> Iterator[Event]:
    began = datetime.now(UTC) - _SPAN
    for seq in range(1, count + 1):
        session = sessions[seq % len(sessions)]
        at = began + _SPAN * (seq / (count + 1))
        kind, body = EventKind.MESSAGE_ACCEPTED, MessageMoved(f"msg-{seq:016x}", "a hook")
        if seq % 100 == 0:
            kind, body = EventKind.SESSION_REPORTED, Said(f"part {seq} is done")
        yield Event(seq, at, kind, body, "sample", session)
