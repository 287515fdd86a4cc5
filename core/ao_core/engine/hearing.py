"""What an agent says by protocol, taken into its session's state and its messages' receipts.

Each line is taken in once: the number of lines heard is committed with what they amount to.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ao_core.drive.facts import Began, Ended, Fact, Opened, Refused, Taken, ends_turn
from ao_core.drive.ledger import Ledger
from ao_core.engine.budget_rules import counted
from ao_core.engine.case import Observation
from ao_core.engine.engine import Engine
from ao_core.engine.observing import Beside, Guard, observe
from ao_core.engine.quota import exhausted
from ao_core.engine.side import head_of
from ao_core.errors import AoError
from ao_core.ids import SessionId
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.event import NewEvent
from ao_core.model.session import Session
from ao_core.model.usage import Usage
from ao_core.redact import visible
from ao_core.spool import HookEvent, HookKind
from ao_core.store.contract import Change
from ao_core.store.records import Delivery

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_EVIDENCE = "the agent's protocol"
_FINE = frozenset({"end_turn", "cancelled"})
_TEXT = 4_000
_USED_UP = "its agent's quota was used up"
_STOPS = {
    "max_tokens": "it has reached its limit of tokens",
    "max_turn_requests": "it has reached its limit of requests in one turn",
    "refusal": "it refuses to go on",
}


async def hear(
    engine: Engine, id: SessionId, ledger: Ledger, facts: Sequence[Fact], still: Guard
) -> None:
    """Take in what one line amounts to, while it is still about the session's agent."""
    session, now = engine.session(id), engine.clock.now()
    hooks = tuple(
        replace(hook, id=f"line-{ledger.count}-{place}", at=now)
        for place, hook in enumerate(filter(None, map(_hook, facts)))
    )
    head = await _head(engine, session) if any(map(ends_turn, facts)) else None
    seen = Observation(now, hooks=hooks, head=head, source=Source.PROTOCOL)
    beside = Beside(
        session=lambda session: _known(session, ledger, facts, now),
        changes=lambda paused: _receipts(engine, facts, now, paused=paused),
        untold=any(map(_is_untold, facts)),
        still=still,
    )
    await observe(engine, id, seen, _EVIDENCE, beside)


async def _head(engine: Engine, session: Session) -> str | None:
    """Its last commit; a branch that cannot be looked at now is looked at later."""
    try:
        return await head_of(await engine.project_of(session), session)
    except AoError:
        return None


async def stir(engine: Engine, id: SessionId, ledger: Ledger, still: Guard) -> None:
    """It works on; nothing more is to be said of it."""

    def works(session: Session) -> bool:  # none of its tools waits, and it has asked nothing
        asks = engine.permissions.pending(id) or session.question is not None
        return still(session) and not asks

    now = engine.clock.now()
    activity = Activity(ActivityState.ACTIVE, now, Source.PROTOCOL)

    def used(session: Session) -> Session:
        return counted(session, ledger.usage)

    beside = Beside(session=used, still=works)
    await observe(engine, id, Observation(now, activity=activity), _EVIDENCE, beside)


def _known(session: Session, ledger: Ledger, facts: Sequence[Fact], at: datetime) -> Session:
    turn = session.turn
    for fact in facts:
        if isinstance(fact, Opened):  # no more than that: whoever started it takes it from here
            ready = Activity(ActivityState.READY, at, Source.PROTOCOL)
            session = replace(session, native_id=fact.native_id, activity=ready)
            if not fact.loaded:  # it counts from nothing again
                spent = session.spent.plus(session.usage)
                session = replace(session, spent=spent, usage=Usage())
        elif isinstance(fact, Began):
            turn = fact.message or "unnamed"
        elif ends_turn(fact):
            turn = None
    return replace(counted(session, ledger.usage), heard=ledger.count, turn=turn)


def _hook(fact: Fact) -> HookEvent | None:
    match fact:
        case Began():
            return _event(HookKind.TURN_STARTED, fact.text.strip().split("\n")[0][:200])
        case Taken():
            return _event(HookKind.ACCEPTED)
        case Ended():
            return _ended(fact)
        case Refused() if ends_turn(fact):
            return _event(HookKind.BLOCKED, fact.why)
        case _:
            return None


def _ended(fact: Ended) -> HookEvent:
    if fact.question:
        return _event(HookKind.WAITING_INPUT, fact.question)
    if fact.blocked or fact.stop not in _FINE:
        why = fact.blocked or _STOPS.get(fact.stop, f"it stopped: {fact.stop}")
        return _event(HookKind.BLOCKED, why)
    return _event(HookKind.TURN_ENDED, fact.said)


def _event(kind: HookKind, text: str | None = None) -> HookEvent:
    return HookEvent("", kind, _NEVER, visible(text, _TEXT) if text else None)


def _is_untold(fact: Fact) -> bool:
    return isinstance(fact, Refused) and fact.message is not None and not fact.taken


def _receipts(
    engine: Engine, facts: Sequence[Fact], at: datetime, *, paused: bool
) -> tuple[list[Change], list[NewEvent]]:
    changes: list[Change] = []
    events: list[NewEvent] = []
    for fact in facts:
        if paused and isinstance(fact, Refused) and _is_untold(fact) and exhausted(fact.why, at):
            more, told = engine.outbox.returning(fact.message or "", _USED_UP)
            changes, events = [*changes, *more], [*events, *told]
        elif moved := _receipt(fact):
            id, state, reason = moved
            evidence = None if reason else _EVIDENCE
            more, told = engine.outbox.moving(id, state, evidence=evidence, reason=reason)
            changes, events = [*changes, *more], [*events, *told]
    return changes, events


def _receipt(fact: Fact) -> tuple[str, Delivery, str | None] | None:
    match fact:
        case Began(message=str(id)):
            return id, Delivery.SUBMITTED, None
        case Taken(message=str(id)):
            return id, Delivery.ACCEPTED, None
        case Refused(message=str(id), taken=False):
            return id, Delivery.FAILED, visible(fact.why, 300)
        case _:
            return None
