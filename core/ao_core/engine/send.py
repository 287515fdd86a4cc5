"""Send: hand a message to the outbox and tell how far it came."""

from ao_core.engine.caller import Caller
from ao_core.engine.engine import Engine
from ao_core.engine.keys import Ticket
from ao_core.ids import SessionId
from ao_core.store.records import Delivery, Message

_PATIENCE = 5.0


async def send(engine: Engine, caller: Caller, id: SessionId, text: str, ticket: Ticket) -> Message:
    """Queue the message, then wait a moment for the best receipt its agent can give."""
    if ticket.subject is not None:
        return await engine.outbox.until(ticket.subject, _PATIENCE, Delivery.ACCEPTED)
    session = engine.session(id)
    origin = caller.session or str(caller.role)
    highest = await engine.best_receipt(session)
    message = engine.outbox.compose(session, text, origin, highest=highest)
    await engine.outbox.queue(session, message, ticket.used_for(message.id))
    engine.deliver(id)
    return await engine.outbox.until(message.id, _PATIENCE, highest)
