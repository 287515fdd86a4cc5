"""Idempotency keys: the same key and arguments do the thing once, and give the same reply again.

A key is scoped to the caller and the operation and kept for seven days. The subject (which session,
which message) is committed together with the thing itself, so that a crash in between leaves either
both or neither.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from ao_core.clock import Clock
from ao_core.engine.caller import Caller
from ao_core.errors import BadRequest, Conflict
from ao_core.store.contract import Change, Drop, Put, Row, Store
from ao_core.store.records import KEY, KeyUse

KEPT = timedelta(days=7)
_FORM = 1  # of a key's place and of its digest


@dataclass(frozen=True, slots=True)
class Ticket:
    """One use of a key, or of none."""

    id: str | None = None
    use: KeyUse | None = None
    revision: int = 0
    subject: str | None = None
    reply: str | None = None

    @property
    def begun(self) -> bool:
        """Whether an earlier call may have done the thing, and was not able to say so."""
        return self.revision > 0 and not self.subject

    def used_for(self, subject: str) -> Sequence[Change]:
        """The change that ties the key to what is done with it; the same for every attempt."""
        if self.id is None or self.use is None:
            return ()
        return (Put(KEY, self.id, replace(self.use, subject=subject), self.revision),)


def digest(arguments: str) -> str:
    """What identifies a call's arguments."""
    return hashlib.sha256(arguments.encode()).hexdigest()


class Keys:
    """The book of keys."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._under_way: set[str] = set()

    def scope(self, caller: Caller, operation: str, project: str, key: str) -> str:
        """Where a key is stored. Its text never becomes a path."""
        who = caller.session or f"{caller.role}:{caller.client}"
        return hashlib.sha256("\0".join((operation, who, project, key)).encode()).hexdigest()

    async def take(self, id: str, operation: str, arguments: str, before: str = "") -> Ticket:
        """Begin a call under a key. Raises when the same key came with other arguments.

        `before` is where earlier versions would have stored it.
        """
        if id in self._under_way:
            raise Conflict(
                "A call with this key is still under way.", hint="Wait, then repeat the call."
            )
        self._under_way.add(id)
        try:
            earlier = await self._earlier(before) if before else None
            return earlier or await self._ticket(id, operation, digest(arguments))
        except BaseException:  # cancelled, too: the key is free again
            self._under_way.discard(id)
            raise

    async def is_used(self, id: str) -> bool:
        """Whether something was done under it already."""
        row = await self._fresh(id)
        return row is not None and bool(row.value.subject or row.value.reply)

    async def done_alike(self, ticket: Ticket) -> frozenset[str]:
        """What was done by other calls with the same arguments, each under a key of its own."""
        if ticket.use is None:
            return frozenset()
        mine = ticket.use.operation, ticket.use.digest
        uses = [row.value async for row in self._store.scan(KEY)]
        return frozenset(use.subject for use in uses if (use.operation, use.digest) == mine)

    async def _earlier(self, id: str) -> Ticket | None:
        """What an earlier version did under the key; its arguments cannot be compared with ours."""
        row = await self._fresh(id)
        if row is None or row.value.form == _FORM:
            return None
        return Ticket(id, row.value, row.revision, row.value.subject, row.value.reply)

    async def _ticket(self, id: str, operation: str, mark: str) -> Ticket:
        row = await self._fresh(id)
        if row is None:
            return Ticket(id, KeyUse(operation, "", mark, "", self._clock.now(), _FORM))
        if row.value.digest != mark:
            raise BadRequest(
                "This key was used before with other arguments.", hint="Use a new key."
            )
        return Ticket(id, row.value, row.revision, row.value.subject, row.value.reply)

    async def _fresh(self, id: str) -> Row[KeyUse] | None:
        row = await self._store.read(KEY, id)
        if row is None or not self._is_old(row):
            return row
        await self._store.commit([Drop(KEY, id, row.revision)])
        return None

    async def forget_old(self) -> None:
        """Drop the keys that are no longer kept."""
        rows = [row async for row in self._store.scan(KEY)]
        for row in filter(self._is_old, rows):
            await self._store.commit([Drop(KEY, row.id, row.revision)])

    def _is_old(self, row: Row[KeyUse]) -> bool:
        return self._clock.course.elapsed(row.value.created_at, self._clock.now()) >= KEPT

    async def begin(self, ticket: Ticket) -> Ticket:
        """Note that the thing is about to be done, where nothing can be committed with it."""
        if ticket.id is None or ticket.use is None or ticket.revision:
            return ticket
        done = await self._store.commit([Put(KEY, ticket.id, ticket.use, 0)])
        return replace(ticket, revision=done.revisions[0])

    def release(self, ticket: Ticket) -> None:
        """The call is over, however it ended."""
        if ticket.id is not None:
            self._under_way.discard(ticket.id)

    async def replied(self, ticket: Ticket, subject: str, reply: str) -> None:
        """Keep the reply for the next time."""
        if changes := await self.replying(ticket, subject, reply):
            await self._store.commit(changes)

    async def replying(self, ticket: Ticket, subject: str, reply: str) -> Sequence[Change]:
        """The change that keeps it, to be committed with what tells that the thing was done."""
        if ticket.id is None or ticket.use is None:
            return ()
        row = await self._store.read(KEY, ticket.id)
        known = row.value if row else ticket.use
        use = replace(known, subject=known.subject or subject, reply=reply)
        return (Put(KEY, ticket.id, use, row.revision if row else 0),)
