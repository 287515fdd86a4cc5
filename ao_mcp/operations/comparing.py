"""`compare`: the copies of a task side by side; a lead has it from `read what=copies`."""

from typing import Annotated

from pydantic import Field

from ao_core.engine.comparing import Compared, advice, line_of
from ao_core.engine.comparing import compare as engine_compare
from ao_core.ids import session_id
from ao_core.model.session import derive_status
from ao_mcp.operations.contract import Call, Operation, Reply, Request
from ao_mcp.operations.shapes import SessionName

_FILES = 50


class Compare(Request):
    """Which sessions to compare."""

    sessions: Annotated[
        tuple[SessionName, ...],
        Field(description="One of the copies, or several sessions.", min_length=1, max_length=20),
    ]


class Copy(Reply):
    """What one of them came to. What its agent does not tell is null."""

    session: str
    agent: str
    status: str
    evidence: str
    commits: int
    added: int
    removed: int
    uncommitted: int
    seconds: float | None = None
    tokens: int | None = None
    cost_usd: float | None = None
    files: tuple[str, ...] = ()


class Comparison(Reply):
    """All of them."""

    said: str = ""
    copies: tuple[Copy, ...]


async def _compare(call: Call, asked: Compare) -> Comparison:
    found = await engine_compare(call.engine, [session_id(one) for one in asked.sessions])
    return Comparison(said=advice(call.engine, found), copies=tuple(map(_copy, found)))


def _copy(one: Compared) -> Copy:
    session = one.session
    return Copy(
        session=session.id,
        agent=session.agent,
        status=derive_status(session),
        evidence=one.verdict,
        commits=one.commits,
        added=one.added,
        removed=one.removed,
        uncommitted=one.uncommitted,
        seconds=None if one.seconds is None else round(one.seconds),
        tokens=session.usage.tokens,
        cost_usd=session.usage.cost_usd,
        files=tuple(map(line_of, one.files[:_FILES])),
    )


COMPARE = Operation(
    name="compare",
    title="Compare copies",
    description=(
        "What the copies of a task came to, side by side: evidence, size, time and usage, as"
        " figures. Instead of `read` with `what: copies` when text will not do. Then `merge` one,"
        " and `kill` the others."
    ),
    request=Compare,
    reply=Comparison,
    run=_compare,
    read_only=True,
    idempotent=True,
    tool=False,
    positional=("sessions",),
)
