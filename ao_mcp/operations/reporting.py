"""`report` and `ask`: what a worker tells, and asks, whoever leads it."""

from typing import Annotated, Literal

import anyio
from pydantic import Field

from ao_core.engine.case import Observation
from ao_core.engine.engine import Engine
from ao_core.engine.observing import observe
from ao_core.errors import BadRequest, Refused, WrongState
from ao_core.ids import new_token
from ao_core.model.activity import Source
from ao_core.model.session import Drive, Session, is_terminal
from ao_core.redact import visible
from ao_core.spool import HookEvent, HookKind
from ao_mcp.operations.contract import WORKERS, Call, Operation, Reply, Request

_LONGEST = 4_000
_EVIDENCE = "the worker's own words"
_PATIENCE = 2.0


class Report(Request):
    """How the work goes."""

    note: Annotated[
        str,
        Field(
            description="What was done, what is next or what is in the way, in a few sentences.",
            min_length=1,
            max_length=_LONGEST,
        ),
    ]
    state: Annotated[
        Literal["working", "done", "blocked"] | None, Field(description="How the work stands.")
    ] = None


class Reported(Reply):
    """What was noted."""

    said: str
    report: str


async def _report(call: Call, asked: Report) -> Reported:
    session = own(call)
    note = cleaned(asked.note)
    text = f"{asked.state}: {note}" if asked.state else note
    if asked.state == "done":
        await turn_known(call.engine, session)
    await tell(call.engine, session, HookKind.REPORTED, text, asked.state)
    call.engine.nudge(session.id)
    return Reported(said=f"Noted.{_MORE.get(asked.state or '', '')}", report=text)


_MORE = {
    "blocked": " If you need a decision to go on, use `ask`.",
    "done": " Commit everything and end your turn: then the project's gates are run on it, and"
    " what they find fault with comes back to you.",
}


REPORT = Operation(
    name="report",
    title="Report",
    description=(
        "Tell the lead how your work stands: at a milestone, when it is done, when you are blocked."
        " Nobody answers a report; to get an answer use `ask`."
    ),
    request=Report,
    reply=Reported,
    run=_report,
    idempotent=True,
    roles=WORKERS,
)


class Ask(Request):
    """What a worker cannot decide by itself."""

    question: Annotated[
        str,
        Field(
            description="One clear question, with the choices you see and the one you would make.",
            min_length=1,
            max_length=_LONGEST,
        ),
    ]


class Asked(Reply):
    """The question is open."""

    said: str
    question: str


async def _ask(call: Call, asked: Ask) -> Asked:
    session = own(call)
    question = cleaned(asked.question)
    await turn_known(call.engine, session)
    await tell(call.engine, session, HookKind.ASKED, question)
    said = "Your question is open. End your turn now: the answer arrives as your next message."
    return Asked(said=said, question=question)


async def turn_known(engine: Engine, session: Session) -> None:
    """The beginning of the turn it tells it in comes by another way; it would forget it again."""
    if session.drive is Drive.PROTOCOL:
        with anyio.move_on_after(_PATIENCE):
            await engine.records.until(lambda: engine.session(session.id).turn)


ASK = Operation(
    name="ask",
    title="Ask the lead",
    description=(
        "Ask the lead a question you cannot go on without. Then end your turn: the answer arrives"
        " as your next message. Asking again replaces the question."
    ),
    request=Ask,
    reply=Asked,
    run=_ask,
    idempotent=True,
    roles=WORKERS,
)


def own(call: Call) -> Session:
    """The session of the worker that calls, while it lives."""
    if call.caller.session is None:
        raise Refused("This is for a worker's own session.", hint="Leads use `show` and `answer`.")
    session = call.engine.session(call.caller.session)
    if is_terminal(session):
        raise WrongState(f"{session.id} has ended.", hint="Nothing is left to do: end your turn.")
    return session


def cleaned(text: str) -> str:
    """The text as it may be shown, or the reason why it is none."""
    found = visible(text, _LONGEST).strip()
    if not found:
        raise BadRequest("There is nothing to read in it.", hint="Say it in plain words.")
    return found


async def tell(
    engine: Engine, session: Session, kind: HookKind, text: str, state: str | None = None
) -> None:
    """Take it in as the agent's own word, as if a hook had said it."""
    now = engine.clock.now()
    hook = HookEvent(f"told-{new_token(12)}", kind, now, text, state=state)
    seen = Observation(now, hooks=(hook,), source=Source.PROTOCOL)
    await observe(engine, session.id, seen, _EVIDENCE)
