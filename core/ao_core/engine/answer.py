"""Answer: a worker's question by text, its permission request by a decision."""

from dataclasses import dataclass
from typing import cast

from ao_core.engine.caller import Caller, Role
from ao_core.engine.engine import Engine
from ao_core.engine.holds import why
from ao_core.engine.keys import Ticket
from ao_core.engine.send import Letter, send
from ao_core.engine.telling import Said, conclude
from ao_core.errors import BadRequest, Refused, WrongState
from ao_core.ids import SessionId
from ao_core.store.records import PERMISSION, Decision, Permission


@dataclass(frozen=True, slots=True)
class Given:
    """An answer: text, or a decision, on the request that is named or on the only one."""

    text: str | None = None
    decision: Decision | None = None
    request: str | None = None
    always: bool = False


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
    engine: Engine, caller: Caller, id: SessionId, given: Given, ticket: Ticket
) -> Answered:
    """Give the one or the other."""
    if caller.role is Role.WORKER:
        raise Refused("A worker cannot answer for itself.")
    if (given.text is None) == (given.decision is None):
        raise BadRequest("Give either `text` or `decision`.", hint="`show` tells what it asks.")
    if given.decision is not None:
        said = Said(given.decision, str(caller.role), given.always)
        return await _decide(engine, id, said, given.request, ticket)
    if given.always:
        raise BadRequest("`always` is said of a permission.", hint="Give it with `decision`.")
    return await _reply(engine, caller, id, cast("str", given.text), ticket)


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
    engine: Engine, id: SessionId, said: Said, request: str | None, ticket: Ticket
) -> Answered:
    engine.session(id)
    known = engine.records.find(PERMISSION, ticket.subject) if ticket.subject else None
    asked = known or engine.permissions.choose(id, request)
    if known is None:
        _allow_always(asked, said)
    used = ticket.used_for(asked.id)
    asked, pressed = await conclude(engine, asked, said, told=known is not None, beside=used)
    state = "answered" if asked.decision is said.decision else "expired"
    reason = None if pressed else "told to its hook"
    return Answered(state, asked.id, said.decision, reason=reason)


def _allow_always(asked: Permission, said: Said) -> None:
    """Raise where nobody could tell what would be allowed from then on."""
    if not said.always or (asked.mark and (asked.plain or said.decision is Decision.DENY)):
        return
    raise WrongState(
        "What it asks for can be allowed once only: of the next one nobody could say for sure that"
        " it is the same.",
        hint="Leave `always` out.",
    )
