"""Notices to a lead whose client takes them unasked, as Claude Code does from a channel.

https://code.claude.com/docs/en/channels-reference

What arrives there is read as a message. So it is told in our own words alone who needs the lead,
and what a worker or anybody else has said is left to the tools, which hand it over as data.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import anyio
from mcp.server.connection import Connection

from ao_core.engine.records import Records
from ao_core.engine.wait import TELLS, Until
from ao_core.errors import Pruned
from ao_core.model.event import Event, EventKind
from ao_mcp.followed import NOTICE

CAPABILITY = "claude/channel"

_log = logging.getLogger("ao_mcp")
_K = EventKind
_TOLD = {
    _K.SESSION_NEEDS_INPUT: "asks something; `answer` it",
    _K.PERMISSION_ASKED: "asks for a permission; `answer` it",
    _K.SESSION_IDLE: "has ended its turn",
    _K.SESSION_STUCK: "makes no progress",
    _K.SESSION_EXITED: "has ended by itself",
    _K.SESSION_SPAWN_FAILED: "could not be started",
    _K.SESSION_BLOCKED: "cannot start as things are",
    _K.SESSION_KILLED: "was ended",
    _K.SESSION_PAUSED: "is paused",
    _K.SESSION_SAID: "has a word for you",
    _K.NOTIFICATION_FAILED: "has news that did not reach people",
    _K.MERGE_READY: "can be merged",
    _K.CI_FAILING: "has failing checks",
    _K.REVIEW_CHANGES_REQUESTED: "was asked for changes",
}


async def notify(
    connection: Connection, records: Records, after: int, until: anyio.CancelScope
) -> None:
    """Tell of what comes after a line of the journal, until that is cancelled."""
    try:
        with until:
            async with aclosing(_needed(records, after)) as events:
                async for event in events:
                    await connection.notify(NOTICE, notice(event))
    except Exception:  # the client is gone, or hears of it by `wait`
        _log.exception("A client hears no more notices.")


async def _needed(records: Records, after: int) -> AsyncGenerator[Event]:
    while True:
        try:
            async with aclosing(records.follow(after)) as journal:
                async for event in journal:
                    after = event.seq
                    if event.kind in TELLS[Until.ATTENTION]:
                        yield event
        except Pruned:  # somebody who was away for long: `list` tells how things stand
            after = records.head


def notice(event: Event) -> dict[str, Any]:
    """One notice, with nothing in it that anybody else has written."""
    what = _TOLD.get(event.kind, "needs a look")
    who = f"Worker {event.session}" if event.session else "Somebody"
    text = f"{who} {what}. `show` and `wait` have the rest."
    known = {"session": event.session, "kind": event.kind, "line": event.seq}
    return {"content": text, "meta": {name: str(one) for name, one in known.items() if one}}
