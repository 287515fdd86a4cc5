"""Receipts by the agent's own log, of agents that have no hook to tell what they were told."""

from typing import Any

from ao_core.engine.engine import Engine
from ao_core.engine.records import Step
from ao_core.model.session import Session
from ao_core.slots.agent import Agent, Launch
from ao_core.store.records import MESSAGE, SESSION, Delivery

_EVIDENCE = "the agent's log"
_UNPROVEN = frozenset({Delivery.TYPED, Delivery.SUBMITTED, Delivery.UNCERTAIN})


async def prove(engine: Engine, session: Session, agent: Agent[Any], launch: Launch) -> None:
    """Accept the messages that are in its log by now."""
    mine = engine.records.of_session(MESSAGE, session.id)
    open = {message.token for message in mine if message.state in _UNPROVEN}
    tokens = open & await agent.taken(launch) if open else frozenset[str]()
    if not tokens:
        return

    def step(now: Session) -> Step | None:
        changes, events = engine.outbox.accepting(session.id, tokens, _EVIDENCE)
        return Step(now, tuple(events), tuple(changes)) if changes else None

    await engine.records.update(SESSION, session.id, step)
