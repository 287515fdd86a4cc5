"""What a client follows: each change of it is told, in the journal's order, in both eras.

Every notification carries the number of the journal's line that it tells of. Whoever follows again
and says which number came last, as our relay does when an engine has come back, misses nothing.
"""

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types import (
    NotificationParams,
    RequestId,
    ResourceListChangedNotification,
    ResourceUpdatedNotification,
    ResourceUpdatedNotificationParams,
    ServerNotification,
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotification,
    SubscriptionsAcknowledgedNotificationParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
)

from ao_core.engine.records import Records
from ao_core.errors import AoError, BadRequest, Pruned
from ao_core.model.event import Event
from ao_core.wire import SEQ
from ao_mcp.mcp.library import refused
from ao_mcp.mcp.shelves import Resource, comes_or_goes, named

Context: TypeAlias = ServerRequestContext[dict[str, Any], Any]

_log = logging.getLogger("ao_mcp")
_MOST = 500


@dataclass(slots=True)
class Wanted:
    """What a client wants to hear of."""

    lists: bool = False
    resources: dict[str, Resource] = field(default_factory=dict[str, Resource])

    def add(self, address: str) -> Resource:
        """One resource more."""
        try:
            self.resources[address] = named(address)
            if len(self.resources) > _MOST:
                del self.resources[address]
                raise BadRequest(f"Nobody follows more than {_MOST} resources.")
        except AoError as error:
            raise refused(error) from error
        return self.resources[address]

    def all(self) -> list[str | None]:
        """All of it; None for the list of resources."""
        return [*([None] if self.lists else []), *self.resources]

    def touched(self, event: Event) -> list[str | None]:
        """What of it is another one by an event; None for the list of resources."""
        lists: list[str | None] = [None] if self.lists and comes_or_goes(event) else []
        every = self.resources.items()
        return [*lists, *(address for address, one in every if one.is_touched(event))]


async def _news(
    records: Records, wanted: Wanted, after: int
) -> AsyncGenerator[tuple[int, list[str | None]]]:
    """Line by line: its number, and what is another one by it."""
    while True:
        try:
            async with aclosing(records.follow(after)) as journal:
                async for event in journal:
                    after = event.seq
                    yield after, wanted.touched(event)
        except Pruned:  # somebody who was away for long: anything may have changed
            yield after, wanted.all()
            after = records.head


def _told(seq: int, address: str | None, stamp: Mapping[str, Any]) -> ServerNotification:
    meta = {**stamp, SEQ: seq}
    if address is None:
        return ResourceListChangedNotification(params=NotificationParams(_meta=meta))
    params = ResourceUpdatedNotificationParams(uri=address, _meta=meta)
    return ResourceUpdatedNotification(params=params)


def since(meta: Mapping[str, Any] | None, records: Records) -> int:
    """The line after which a client wants to hear; from now on, where it does not say."""
    said: object = (meta or {}).get(SEQ)
    known = isinstance(said, int) and not isinstance(said, bool) and 0 <= said <= records.head
    return said if known and isinstance(said, int) else records.head


# -- the stateless era: a request that is answered by a stream -------------------------------------


async def listen(
    records: Records, context: Context, params: SubscriptionsListenRequestParams
) -> SubscriptionsListenResult:
    """Until the client leaves."""
    after, asked = since(context.meta, records), params.notifications
    wanted = Wanted(lists=bool(asked.resources_list_changed))
    for address in asked.resource_subscriptions or ():
        wanted.add(address)
    stamp = {SUBSCRIPTION_ID_META_KEY: context.request_id}
    await _tell(context, _acknowledged(wanted, {**stamp, SEQ: after}))
    async with aclosing(_news(records, wanted, after)) as news:
        async for seq, touched in news:
            for address in touched:
                await _tell(context, _told(seq, address, stamp))
    return SubscriptionsListenResult(_meta=stamp)


def _acknowledged(wanted: Wanted, meta: dict[str, Any]) -> ServerNotification:
    honoured = SubscriptionFilter(
        resources_list_changed=wanted.lists or None,
        resource_subscriptions=list(wanted.resources) or None,
    )
    params = SubscriptionsAcknowledgedNotificationParams(notifications=honoured, _meta=meta)
    return SubscriptionsAcknowledgedNotification(params=params)


async def _tell(context: Context, notification: ServerNotification) -> None:
    request: RequestId | None = context.request_id
    await context.session.send_notification(notification, related_request_id=request)


# -- the era of handshakes: a connection that is told of what it follows ---------------------------


class Follower:
    """One connection. It hears of the list of resources, and of what it has subscribed to."""

    def __init__(self, records: Records, session: ServerSession) -> None:
        self._records, self._session = records, session
        self._wanted = Wanted(lists=True)
        self._at = records.head
        self._late: dict[str, int] = {}  # who has to hear of what came before that, too
        self._waits = anyio.CancelScope()
        self._tells = False

    def follow(self, address: str, after: int) -> None:
        """One more resource."""
        self._wanted.add(address)
        if after < self._at:
            self._late[address] = after
            if not self._tells:
                self._waits.cancel()

    def leave(self, address: str) -> None:
        """That one no more."""
        self._wanted.resources.pop(address, None)
        self._late.pop(address, None)

    async def run(self, until: anyio.CancelScope) -> None:
        """Until that is cancelled."""
        try:
            with until:
                await self._run()
        except Exception:  # the client is gone, or will ask by itself
            _log.exception("A client is no longer told of what it follows.")

    async def _run(self) -> None:
        while True:
            while self._late:
                await self._catch_up(*self._late.popitem())
            with anyio.CancelScope() as self._waits:
                await self._go_on()

    async def _catch_up(self, address: str, after: int) -> None:
        alone, end = Wanted(), self._at
        alone.add(address)
        async with aclosing(_news(self._records, alone, after)) as news:
            async for seq, touched in news:
                if seq <= end:
                    await self._tell(seq, touched)
                if seq >= end:
                    return

    async def _go_on(self) -> None:
        """With what comes, until somebody wants to hear of what came before."""
        async with aclosing(_news(self._records, self._wanted, self._at)) as news:
            async for seq, touched in news:
                self._at, self._tells = seq, True
                with anyio.CancelScope(shield=self._waits.cancel_called):
                    await self._tell(seq, touched)
                self._tells = False
                if self._late:
                    return

    async def _tell(self, seq: int, touched: list[str | None]) -> None:
        for address in touched:
            await self._session.send_notification(_told(seq, address, {}))
