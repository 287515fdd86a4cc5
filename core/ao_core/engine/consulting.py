"""A worker that waits, in the middle of its turn, for the answer to what it asked.

What the lead says next is handed to it where it waits, instead of being typed. Who waits is known
while this engine lives; what was handed over stands in the message's receipt, so that asking again
after a reply was lost gives the same answer.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from ao_core.engine.engine import Engine
from ao_core.errors import WrongState
from ao_core.ids import SessionId
from ao_core.model.session import is_terminal
from ao_core.store.records import MESSAGE, WITHDRAWN, Delivery, Message, Mode

_HANDED = "it was handed to the worker, which waited for it"
_LEADS = ("lead", "person")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said. One that is not `handed` over reaches the worker as its next message."""

    message: Message
    handed: bool


async def answer_to(engine: Engine, id: SessionId, since: str, seconds: float) -> Answer | None:
    """The first thing that whoever leads has said since; waits so long for it."""
    with _waiting(engine, id), anyio.move_on_after(seconds):
        message = await engine.records.until(lambda: _next(engine, id, since))
        taken = await engine.outbox.read(message, (Delivery.QUEUED,), _HANDED)
        return Answer(taken, taken.state is Delivery.ACCEPTED and taken.evidence == _HANDED)
    return None


@contextmanager
def _waiting(engine: Engine, id: SessionId) -> Generator[None]:
    """Meanwhile nothing is typed to it."""
    engine.consulting.append(id)
    try:
        yield
    finally:
        engine.consulting.remove(id)
        engine.deliver(id)


def _next(engine: Engine, id: SessionId, since: str) -> Message | None:
    if is_terminal(engine.session(id)):
        raise WrongState(f"{id} has ended.", hint="Nothing is left to do.")
    for message in engine.records.of_session(MESSAGE, id):
        spoken = message.mode is not Mode.COMMAND and message.state not in WITHDRAWN
        if message.id > since and message.origin in _LEADS and spoken:
            return message
    return None
