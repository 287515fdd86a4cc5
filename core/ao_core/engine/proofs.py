"""Receipts by the agent's own log, of agents that have no hook to tell what they were told."""

from datetime import datetime
from typing import Any

from ao_core.engine.case import Case
from ao_core.engine.engine import Engine
from ao_core.engine.records import Step
from ao_core.engine.words import by_hook
from ao_core.model.activity import Source
from ao_core.model.session import Session
from ao_core.slots.agent import Agent, Launch
from ao_core.spool import HookEvent, HookKind
from ao_core.store.records import MESSAGE, SESSION, Delivery

_EVIDENCE = "the agent's log"
_UNPROVEN = frozenset({Delivery.TYPED, Delivery.SUBMITTED, Delivery.UNCERTAIN})


async def prove(engine: Engine, session: Session, agent: Agent[Any], launch: Launch) -> None:
    """Accept the messages that are in its log by now."""
    mine = engine.records.of_session(MESSAGE, session.id)
    open = [message for message in mine if message.state in _UNPROVEN]
    taken = await agent.taken(launch) if open else frozenset[str]()
    tokens = {message.token for message in open if message.token in taken}
    if not tokens:
        return
    sent = max(message.created_at for message in open if message.token in tokens)

    def step(now: Session) -> Step | None:
        changes, events = engine.outbox.accepting(session.id, tokens, _EVIDENCE)
        case = _answered(Case(now, (), frozenset(), engine.clock.now()), sent)
        return Step(case.session, (*events, *case.events), tuple(changes)) if changes else None

    await engine.records.update(SESSION, session.id, step)


def _answered(case: Case, sent: datetime) -> Case:
    """It has what it was sent after it had asked, so it does not wait for that any more. Whether it
    is at rest again is seen after the moment at which it was sent.
    """
    asked_at = case.session.asked_at
    if asked_at is None or sent <= asked_at:
        return case
    return by_hook(case, HookEvent("", HookKind.TURN_STARTED, sent), Source.LOG)
