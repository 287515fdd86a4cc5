"""Send: hand a message to the outbox and tell how far it came; or take one back."""

from dataclasses import dataclass

from ao_core.engine.caller import Caller
from ao_core.engine.engine import Engine
from ao_core.engine.keys import Ticket
from ao_core.errors import BadRequest
from ao_core.ids import SessionId
from ao_core.model.session import Drive, Session
from ao_core.store.records import MESSAGE, Delivery, Message, Mode

_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent, and how."""

    text: str
    mode: Mode = Mode.WHEN_IDLE
    expires: float | None = None  # seconds


async def send(
    engine: Engine, caller: Caller, id: SessionId, letter: Letter, ticket: Ticket
) -> Message:
    """Queue the message, then wait a moment for the best receipt its agent can give."""
    if ticket.subject is not None:
        return await engine.outbox.until(ticket.subject, _PATIENCE, Delivery.ACCEPTED)
    session = engine.session(id)
    await _possible(engine, session, letter)
    origin = caller.session or str(caller.role)
    highest = await _best(engine, session, letter.mode)
    message = engine.outbox.compose(
        session, letter.text, origin, highest=highest, mode=letter.mode, expires=letter.expires
    )
    await engine.outbox.queue(session, message, ticket.used_for(message.id))
    engine.deliver(id)
    return await engine.outbox.until(message.id, _PATIENCE, highest)


async def unsend(engine: Engine, id: str) -> Message:
    """Take a message back that is still queued. A second call finds nothing to do."""
    known = engine.records.find(MESSAGE, id)
    if known is not None and known.state is Delivery.CANCELLED:
        return known
    return await engine.outbox.cancel(id)


async def _best(engine: Engine, session: Session, mode: Mode) -> Delivery:
    """A command carries nothing by which a hook could tell of it."""
    bare = mode is Mode.COMMAND and session.drive is Drive.TERMINAL
    return Delivery.SUBMITTED if bare else await engine.best_receipt(session)


async def _possible(engine: Engine, session: Session, letter: Letter) -> None:
    if letter.mode is Mode.COMMAND:
        await _allowed(engine, session, letter.text)
    if letter.mode is Mode.INTERRUPT and session.drive is Drive.TERMINAL:
        composer = (await engine.agent_of(session)).composer()
        if not (composer.interrupt and composer.working):
            raise BadRequest(
                f"Nobody knows which key ends a turn of {session.agent}'s.",
                hint="Send it with mode `when_idle`, or set `interrupt` and `working`.",
            )


async def _allowed(engine: Engine, session: Session, text: str) -> None:
    commands = (await engine.agent_of(session)).commands
    if text not in commands:
        known = f"Those are: {', '.join(commands)}." if commands else "It has none."
        raise BadRequest(
            f"Only a command that {session.agent} declares may be sent, word for word. {known}",
            hint="Send anything else as a message, without `mode`.",
        )
