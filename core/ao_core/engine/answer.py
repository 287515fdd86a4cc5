"""Answer: a worker's question by text, its permission request by a decision."""

from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import anyio

from ao_core.engine.caller import Caller, Role
from ao_core.engine.engine import Engine
from ao_core.engine.holds import why
from ao_core.engine.keys import Ticket
from ao_core.engine.send import Letter, send
from ao_core.errors import BadRequest, Refused, WrongState
from ao_core.ids import SessionId
from ao_core.model.session import Drive
from ao_core.slots.runtime import Typable
from ao_core.store.records import PERMISSION, Decision, Permission

_BACK = timedelta(seconds=2)
_LOOKS, _LOOK_AGAIN = 3, 0.02


@dataclass(frozen=True, slots=True)
class Answered:
    """What was answered, and how far the answer came."""

    state: str
    request: str | None = None
    decision: str | None = None
    message: str | None = None
    reason: str | None = None
    evidence: str | None = None


async def answer(
    engine: Engine,
    caller: Caller,
    id: SessionId,
    text: str | None,
    decision: Decision | None,
    request: str | None,
    ticket: Ticket,
) -> Answered:
    """Give the one or the other."""
    if caller.role is Role.WORKER:
        raise Refused("A worker cannot answer for itself.")
    if (text is None) == (decision is None):
        raise BadRequest("Give either `text` or `decision`.", hint="`show` tells what it asks.")
    if decision is not None:
        return await _decide(engine, caller, id, decision, request, ticket)
    return await _reply(engine, caller, id, cast("str", text), ticket)


async def _reply(
    engine: Engine, caller: Caller, id: SessionId, text: str, ticket: Ticket
) -> Answered:
    pending = engine.permissions.pending(id)
    if pending and ticket.subject is None:  # else it was given before, and is on its way
        raise WrongState(
            f"{id} asks for a permission, not for text.",
            hint="Answer with `decision` allow or deny.",
        )
    message = await send(engine, caller, id, Letter(text), ticket)
    reason = why(engine.records, message)
    return Answered(message.state, message=message.id, reason=reason, evidence=message.evidence)


async def _decide(
    engine: Engine,
    caller: Caller,
    id: SessionId,
    decision: Decision,
    request: str | None,
    ticket: Ticket,
) -> Answered:
    engine.session(id)
    known = engine.records.find(PERMISSION, ticket.subject) if ticket.subject else None
    asked = known or engine.permissions.choose(id, request)
    told = known is not None or await _hears(engine, asked)  # asked before its hook can be gone
    used = ticket.used_for(asked.id)
    asked = await engine.permissions.answer(asked, decision, str(caller.role), beside=used)
    pressed = not told and await _press(engine, id, asked)
    state = "answered" if asked.decision is decision else "expired"
    return Answered(state, asked.id, decision, reason=None if pressed else "told to its hook")


async def _hears(engine: Engine, asked: Permission) -> bool:
    """Whether its hook waits for the answer. One whose engine has just been replaced is soon back:
    what was pressed for it then might reach the composer.
    """
    while asked.id not in engine.listening:
        if asked.asked_at > engine.began or _since(engine) > _BACK:
            return False
        await anyio.sleep(_LOOK_AGAIN)
    return True


def _since(engine: Engine) -> timedelta:
    return engine.clock.course.elapsed(engine.began, engine.clock.now())


async def _press(engine: Engine, id: SessionId, asked: Permission) -> bool:
    """Where no hook waits for the answer, press what the dialog needs, if it still is there."""
    if engine.permissions.pending(id):
        return False  # the dialog may be another's by now
    session = engine.session(id)
    if session.drive is Drive.PROTOCOL:
        return False
    runtime = await engine.runtime_of(session)
    composer = (await engine.agent_of(session)).composer()
    keys = composer.allow if asked.decision is Decision.ALLOW else composer.deny
    handle = session.run.handle
    if not keys or handle is None or not isinstance(runtime, Typable):
        return False
    for _ in range(_LOOKS):  # a frame that is half drawn does not show it
        if await cast("Typable", runtime).press(handle, keys, expect=composer.dialogs):
            return True
        await anyio.sleep(_LOOK_AGAIN)
    return False
