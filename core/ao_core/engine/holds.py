"""Why a message waits, said in one place: what holds a whole session, and what holds one message.

Whoever delivers asks `hold` before each step that reaches an agent, and so does the outbox itself.
"""

from ao_core.engine.records import Records
from ao_core.model.pause import Paused
from ao_core.model.session import Session, SessionState, is_terminal
from ao_core.store.records import MESSAGE, SETTLED, Delivery, Message

ENDED = "its agent has ended"
STARTING = "its agent is starting"


def hold(session: Session) -> str | None:
    """Why nothing may be delivered to a session for now, whatever it is. A new reason goes here."""
    return None if session.paused is None else _paused(session.paused)


def _paused(paused: Paused) -> str:
    until = f" until {paused.until.isoformat(timespec='seconds')}" if paused.until else ""
    return f"the session is paused: {paused.why}{until}"


def why(records: Records, message: Message) -> str | None:
    """Why it has not been delivered yet; once it is settled, why it ended so."""
    if message.state not in (Delivery.QUEUED, Delivery.PASTING):
        return message.reason
    session = records.session(message.session)
    if is_terminal(session):
        return ENDED
    return hold(session) or _starting(session) or _behind(records, message) or message.reason


def _starting(session: Session) -> str | None:
    fresh = session.facts.state is SessionState.NOT_STARTED and session.run.handle is None
    return STARTING if fresh else None


def _behind(records: Records, message: Message) -> str | None:
    before = [one for one in records.of_session(MESSAGE, message.session) if one.id < message.id]
    undelivered = [one for one in before if one.state not in (*SETTLED, Delivery.SUBMITTED)]
    return f"{undelivered[0].id} comes before it" if undelivered else None
