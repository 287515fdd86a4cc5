"""`consult`: a worker asks, and waits for the answer where it is. For the command line."""

from typing import Annotated

from pydantic import Field

from ao_core.engine.consulting import answer_to
from ao_core.engine.wait import LONGEST
from ao_core.ids import new_id, record_id
from ao_core.redact import visible
from ao_core.spool import HookKind
from ao_mcp.operations.contract import WORKERS, Call, Operation, Reply, Request
from ao_mcp.operations.reporting import cleaned, own, tell, turn_known

_TEXT = 100_000


class Consult(Request):
    """A question. With `since` it is one of before, which may have been answered by now."""

    question: Annotated[str, Field(min_length=1, max_length=4_000)]
    since: Annotated[str | None, Field(max_length=80)] = None
    heard: Annotated[bool, Field(description="Whether it is known to have been put.")] = False
    seconds: Annotated[float, Field(ge=0, le=LONGEST)] = 45.0


class Consulted(Reply):
    """The answer, if there is one yet."""

    since: str = Field(description="Pass it to go on waiting for the answer.")
    answer: str | None = None
    typed: bool = Field(default=False, description="It comes as the next message instead.")


async def _consult(call: Call, asked: Consult) -> Consulted:
    session, question = own(call), cleaned(asked.question)
    since = record_id(asked.since) if asked.since else new_id("msg")
    found = await answer_to(call.engine, session.id, since, 0) if asked.since else None
    if found is None and not asked.heard:
        await turn_known(call.engine, session)
        await tell(call.engine, session, HookKind.WAITING_INPUT, question)
    found = found or await answer_to(call.engine, session.id, since, asked.seconds)
    if found is None:
        return Consulted(since=since)
    if not found.handed:
        return Consulted(since=since, typed=True)
    await tell(call.engine, session, HookKind.PERMISSION_ENDED, question)  # it goes on
    return Consulted(since=since, answer=visible(found.message.body, _TEXT))


CONSULT = Operation(
    name="consult",
    title="Ask and wait",
    description="Ask the lead a question and wait for the answer, in the middle of a turn.",
    request=Consult,
    reply=Consulted,
    run=_consult,
    tool=False,
    roles=WORKERS,
)
