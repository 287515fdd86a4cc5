"""Wait: what changed since a cursor, as soon as there is something to tell."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum

import anyio

from ao_core.engine.engine import Engine
from ao_core.engine.records import Records
from ao_core.errors import Pruned
from ao_core.ids import SessionId
from ao_core.model.attention import Attention, attention
from ao_core.model.event import Event, EventKind
from ao_core.model.evidence import is_shown
from ao_core.model.session import (
    PrState,
    Session,
    SessionState,
    is_terminal,
)
from ao_core.store.records import EVIDENCE, SESSION

LONGEST = 50.0
_MOST = 40  # what one reply shows
_PAST = 5.0  # for what was told before, however little time is given for what comes
_ANEW = "Call it without a cursor: that tells how things stand, and gives a new one."


class Until(StrEnum):
    """What is waited for."""

    ATTENTION = "attention"
    IDLE = "idle"
    DONE = "done"
    MERGED = "merged"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class News:
    """What changed, and the cursor that goes on from there. `complete` is false on a timeout."""

    cursor: int
    events: tuple[Event, ...]
    sessions: tuple[Session, ...]
    reached: bool


_K = EventKind
TELLS: Mapping[Until, frozenset[EventKind]] = {
    Until.ATTENTION: frozenset(
        {
            _K.SESSION_NEEDS_INPUT, _K.SESSION_STUCK, _K.SESSION_EXITED,
            _K.SESSION_BLOCKED, _K.COPIES_SPARE,
            _K.SESSION_SPAWN_FAILED, _K.SESSION_KILLED, _K.SESSION_IDLE, _K.PERMISSION_ASKED,
            _K.NOTIFICATION_FAILED,
            _K.MESSAGE_UNCERTAIN, _K.MESSAGE_FAILED, _K.INTENT_UNRESOLVED, _K.NOTE_LEAD,
            _K.MESSAGE_EXPIRED, _K.SESSION_SAID, _K.SESSION_OVERSTEPPED,
            _K.EVIDENCE_UNVERIFIED,
            _K.SESSION_PAUSED, _K.MERGE_READY, _K.CI_FAILING, _K.REVIEW_CHANGES_REQUESTED,
        }
    ),
    Until.IDLE: frozenset({_K.SESSION_IDLE, _K.SESSION_EXITED, _K.SESSION_KILLED}),
    Until.DONE: frozenset(
        {
            _K.EVIDENCE_VERIFIED, _K.EVIDENCE_UNVERIFIED, _K.EVIDENCE_FAILED,
            _K.SESSION_EXITED, _K.SESSION_KILLED, _K.SESSION_SPAWN_FAILED,
        }
    ),
    Until.MERGED: frozenset({_K.PR_MERGED, _K.MERGE_COMPLETED}),
    Until.ANY: frozenset(EventKind),
}  # fmt: skip


def _needs(session: Session, records: Records) -> bool:
    return attention(session)[0] is not Attention.NONE


def _quiet(session: Session, records: Records) -> bool:
    return session.facts.state is SessionState.IDLE or is_terminal(session)


def _done(session: Session, records: Records) -> bool:
    return is_shown(session, records.find(EVIDENCE, session.id))


def _merged(session: Session, records: Records) -> bool:
    return session.pr.state is PrState.MERGED


def _never(session: Session, records: Records) -> bool:
    return False


_STANDS: Mapping[Until, Callable[[Session, Records], bool]] = {
    Until.ATTENTION: _needs,
    Until.IDLE: _quiet,
    Until.DONE: _done,
    Until.MERGED: _merged,
    Until.ANY: _never,
}


async def wait(
    engine: Engine,
    sessions: Sequence[SessionId],
    until: Until,
    cursor: int | None,
    seconds: float,
) -> News:
    """With a cursor: what came after it. Without: how things stand, or the next thing to come.

    Raises `Pruned` where lines after the cursor are no longer kept: nothing is passed over.
    """
    chosen = frozenset(sessions)
    for id in chosen:
        engine.session(id)
    start = engine.records.head if cursor is None else min(cursor, engine.records.store.head)
    if cursor is None:
        stands = _STANDS[until]
        standing = tuple(one for one in _chosen(engine, chosen) if stands(one, engine.records))
        if standing:
            return News(start, (), standing, reached=True)
    try:
        return await _listen(engine, chosen, until, start, min(max(seconds, 0.0), LONGEST))
    except Pruned as exc:
        raise Pruned(exc.message, hint=_ANEW) from exc


def _chosen(engine: Engine, chosen: frozenset[SessionId]) -> list[Session]:
    return [one for one in engine.records.all(SESSION) if not chosen or one.id in chosen]


async def _listen(
    engine: Engine, chosen: frozenset[SessionId], until: Until, start: int, seconds: float
) -> News:
    """Read on from the cursor; stop after the first telling event, and what came with it."""
    heard: list[Event] = []
    reached, last = False, start
    caught_up, began = False, anyio.current_time()
    with anyio.move_on_after(max(seconds, _PAST)):  # where there is more, the cursor goes on
        async with aclosing(engine.records.follow(start, live=False)) as past:
            async for event in past:
                last = event.seq
                reached = _heard(engine, heard, event, chosen, until) or reached
                if len(heard) >= _MOST:
                    break
        caught_up = len(heard) < _MOST
    if caught_up and not reached:
        with anyio.move_on_after(max(0.0, began + seconds - anyio.current_time())):
            async with aclosing(engine.records.follow(last)) as coming:
                async for event in coming:
                    last = event.seq
                    reached = _heard(engine, heard, event, chosen, until)
                    if reached or len(heard) >= _MOST:
                        break
    return News(last, tuple(heard), _changed(engine, heard), reached)


def _heard(
    engine: Engine, heard: list[Event], event: Event, chosen: frozenset[SessionId], until: Until
) -> bool:
    if chosen and event.session not in chosen:
        return False
    heard.append(event)
    return event.kind in TELLS[until] and _is_so(engine, event, until)


def _is_so(engine: Engine, event: Event, until: Until) -> bool:
    if until is Until.DONE:
        return _is_done(engine, event)
    if until is Until.ATTENTION and event.kind is EventKind.EVIDENCE_UNVERIFIED:
        session = engine.records.find(SESSION, event.session or "")
        return session is not None and session.unproved is not None  # else nobody need act
    return True


def _is_done(engine: Engine, event: Event) -> bool:
    """Whether it is so still: what was shown may have lapsed, and gates may run after an end."""
    session = engine.records.find(SESSION, event.session or "")
    return session is not None and _done(session, engine.records)


def _changed(engine: Engine, heard: Sequence[Event]) -> tuple[Session, ...]:
    ids = dict.fromkeys(event.session for event in heard if event.session)
    found = (engine.records.find(SESSION, id) for id in ids)
    return tuple(session for session in found if session is not None)
