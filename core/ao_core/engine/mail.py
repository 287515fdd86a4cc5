"""What a worker says to the lead and to other workers, and the messages there are for it.

Who it is from is the engine's to say, never the caller's. What was said is noted at the session of
whoever said it, in the same commit as the message and the line in the journal: so the lead sees all
of it, and a worker that is in a loop is stopped by what it has said already.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta

from ao_core.engine.engine import Engine
from ao_core.engine.records import Step
from ao_core.errors import BadRequest, RateLimited, Refused
from ao_core.ids import SessionId, session_id
from ao_core.model.event import EventKind, NewEvent, Said
from ao_core.model.saying import LEAD, Saying
from ao_core.model.session import Session
from ao_core.prompt import fenced
from ao_core.store.contract import Change
from ao_core.store.records import MESSAGE, SESSION, Delivery, Message, Mode

LONGEST = 4_000
MOST = 6  # things said in one spell
SPELL = timedelta(minutes=1)
_INBOX = 20
_READABLE = (Delivery.QUEUED, Delivery.SUBMITTED, Delivery.UNCERTAIN)
_READ = "the worker says that it has read it"


async def say(engine: Engine, own: Session, to: str, text: str) -> Saying:
    """Say something, once: the same again within the spell is what was said before."""
    target = _addressee(engine, own, to)
    letter = None if target is None else await _letter(engine, own, target, text)
    said = Saying(engine.clock.now(), to, text, letter.id if letter else None)
    course, done = engine.clock.course, list[Saying]()

    def step(now: Session) -> Step | None:
        recent = [one for one in now.said if course.elapsed(one.at, said.at) < SPELL]
        again = next((one for one in recent if (one.to, one.text) == (to, text)), None)
        done.append(again or said)
        if again is not None:
            return None
        if len(recent) >= MOST:
            wait = (SPELL - course.elapsed(recent[0].at, said.at)).total_seconds()
            raise RateLimited(
                f"You have said {len(recent)} things within a minute. Go on with your work.",
                retry_after=wait,
            )
        return _saying(engine, now, said, letter, target)

    await engine.records.update(SESSION, own.id, step)
    if target is not None:
        engine.deliver(target.id)
    return done[-1]


def _addressee(engine: Engine, own: Session, to: str) -> Session | None:
    """Who is to hear it; None for the lead."""
    if to == LEAD:
        return None
    target = engine.session(session_id(to))
    if target.id == own.id:
        raise BadRequest("That is you.", hint=f"Name another session, or `{LEAD}`.")
    if target.project != own.project:
        raise Refused(f"{target.id} works on another project.", hint=f"Tell the `{LEAD}`.")
    return target


async def _letter(engine: Engine, own: Session, target: Session, text: str) -> Message:
    highest = await engine.best_receipt(target)
    return engine.outbox.compose(target, fenced(text), own.id, highest=highest)


def _saying(
    engine: Engine, own: Session, said: Saying, letter: Message | None, target: Session | None
) -> Step:
    changes: list[Change] = []
    kind = EventKind.SESSION_SAID if target is None else EventKind.SESSION_TOLD
    text = said.text if target is None else f"{target.id}: {said.text}"
    events = [NewEvent(kind, Said(text), own.project, own.id)]
    if letter is not None and target is not None:
        put, queued = engine.outbox.queueing(target, letter)
        changes, events = [put], [*events, queued]
    return Step(replace(own, said=(*own.said, said)[-MOST:]), tuple(events), tuple(changes))


def inbox(engine: Engine, id: SessionId, after: str | None = None) -> tuple[list[Message], bool]:
    """The messages that the engine has for a worker, newest last, and whether there are more."""
    every = engine.records.of_session(MESSAGE, id)
    mine = [one for one in every if one.mode is not Mode.COMMAND and one.seal]
    if after is None:
        return mine[-_INBOX:], False
    later = [one for one in mine if one.id > after]
    return later[:_INBOX], len(later) > _INBOX


async def acknowledge(engine: Engine, id: SessionId, messages: Collection[str]) -> Sequence[str]:
    """Take a worker's word that it has read these; one that was not typed yet need not be.

    One that is being typed at this moment goes its way: it is not among those returned.
    """
    taken: list[str] = []
    for message in engine.records.of_session(MESSAGE, id):
        if message.id in messages:
            after = await engine.outbox.read(message, _READABLE, _READ)
            if after.state is Delivery.ACCEPTED:
                taken.append(message.id)
    return taken
