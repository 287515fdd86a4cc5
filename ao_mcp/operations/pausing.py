"""`pause` and `resume`: workers at a standstill, one or all of them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

from pydantic import Field

from ao_core.engine import pausing as engine_pausing
from ao_core.engine.keys import Ticket
from ao_core.engine.pausing import Outcome
from ao_core.errors import AoError, BadRequest
from ao_core.ids import SessionId, session_id
from ao_core.model.session import derive_status
from ao_mcp.operations.contract import Call, Operation, Reply, Request
from ao_mcp.operations.keyed import keyed
from ao_mcp.operations.shapes import Allowance, Key, SessionName, paused_shown

_Sessions = Annotated[tuple[SessionName, ...], Field(max_length=200, description="Which.")]


class Pause(Request):
    """Whom to pause."""

    sessions: _Sessions = ()
    all: Annotated[bool, Field(description="All, and start no more until `resume`.")] = False
    key: Key = None


class Resume(Request):
    """Who goes on."""

    sessions: _Sessions = ()
    all: Annotated[bool, Field(description="Everybody who may.")] = False
    budget: Annotated[
        Allowance | None, Field(description="What each may use from now on, in all.")
    ] = None
    key: Key = None


class Standing(Reply):
    """How one stands now."""

    session: str
    status: str
    changed: bool
    paused: str | None = None
    problem: str | None = None


class Standings(Reply):
    """How each of them stands now."""

    sessions: tuple[Standing, ...]
    starts: bool = Field(description="Whether workers may be started.")


async def _pause(call: Call, asked: Pause) -> Standings:
    ids, by = _chosen(asked.sessions, asked.all), call.caller.session or str(call.caller.role)
    async with keyed(call, "pause", asked) as ticket:
        if asked.all:
            return _told(call, await engine_pausing.pause_all(call.engine, by, ticket))
        return await _each(
            call, ids, ticket, lambda id, one: engine_pausing.pause(call.engine, id, by, one)
        )


async def _resume(call: Call, asked: Resume) -> Standings:
    ids, by = _chosen(asked.sessions, asked.all), call.caller.session or str(call.caller.role)
    budget = asked.budget.value if asked.budget else None
    if asked.all and budget:
        raise BadRequest("A budget is given to sessions by name.", hint="Name the sessions.")
    async with keyed(call, "resume", asked) as ticket:
        if asked.all:
            return _told(call, await engine_pausing.resume_all(call.engine, by, ticket))
        return await _each(
            call, ids, ticket,
            lambda id, one: engine_pausing.resume(call.engine, id, by, one, budget),
        )  # fmt: skip


def _chosen(sessions: Sequence[str], every: bool) -> list[SessionId]:
    if every == bool(sessions):
        raise BadRequest("Name the sessions, or say `all`.", hint="One of the two, not both.")
    return list(dict.fromkeys(session_id(one) for one in sessions))


async def _each(
    call: Call,
    ids: Sequence[SessionId],
    ticket: Ticket,
    work: Callable[[SessionId, Ticket], Awaitable[Outcome]],
) -> Standings:
    """One after the other; the key is used once all are done, or with the only one, which raises
    what keeps it from it.
    """
    if len(ids) == 1:
        return _told(call, [await work(ids[0], ticket)])
    ticket, outcomes = await call.engine.keys.begin(ticket), list[Outcome]()
    again = bool(ticket.subject)
    for id in ids:
        try:
            outcomes.append(await work(id, ticket if again else Ticket()))
        except AoError as exc:
            outcomes.append(Outcome(call.engine.session(id), changed=False, problem=exc))
    used = () if again else ticket.used_for(ids[0])
    if used and any(one.problem is None for one in outcomes):
        await call.engine.records.commit(used)
    return _told(call, outcomes)


def _told(call: Call, outcomes: Sequence[Outcome]) -> Standings:
    return Standings(
        sessions=tuple(map(_standing, outcomes)),
        starts=engine_pausing.brake_of(call.engine) is None,
    )


def _standing(outcome: Outcome) -> Standing:
    session, problem = outcome.session, outcome.problem
    return Standing(
        session=session.id,
        status=derive_status(session),
        changed=outcome.changed,
        paused=paused_shown(session),
        problem=" ".join(filter(None, (problem.message, problem.hint))) if problem else None,
    )


PAUSE = Operation(
    name="pause",
    title="Pause workers",
    description=(
        "Interrupt workers' turns and hold back what is sent to them, until `resume`. With `all`,"
        " none is started meanwhile, either. Instead of `kill` when they are to go on later."
    ),
    request=Pause,
    reply=Standings,
    run=_pause,
    idempotent=True,
    tool=False,
    positional=("sessions",),
)

RESUME = Operation(
    name="resume",
    title="Let workers go on",
    description=(
        "Let paused workers go on, perhaps with a larger budget. Instead of `restore` when they are"
        " several; who ended needs that."
    ),
    request=Resume,
    reply=Standings,
    run=_resume,
    idempotent=True,
    tool=False,
    positional=("sessions",),
)
