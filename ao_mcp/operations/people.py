"""`notify`: tell people, and learn who got it."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from ao_core.engine import notify as engine_notify
from ao_core.engine.notify import Delivered
from ao_core.ids import session_id
from ao_core.model.event import Priority
from ao_mcp.operations.contract import Call, Operation, Reply, Request
from ao_mcp.operations.keyed import keyed
from ao_mcp.operations.shapes import Key, ProjectName, SessionName


class Notify(Request):
    """What to tell, and whom."""

    text: Annotated[str, Field(description="What people should know.", min_length=1)]
    session: Annotated[SessionName | None, Field(description="The worker it is about, if any.")] = (
        None
    )
    project: ProjectName = None
    priority: Priority = Priority.INFO
    to: Annotated[
        tuple[str, ...],
        Field(description="Notifiers to use; none means the usual ones.", max_length=20),
    ] = ()
    key: Key = None


class Got(Reply):
    """One notifier."""

    notifier: str
    delivered: bool
    error: str | None = None
    hint: str | None = None


class Notified(Reply):
    """Who got it and who did not."""

    note: str
    delivered: int
    results: tuple[Got, ...]


async def _notify(call: Call, asked: Notify) -> Notified:
    engine = call.engine
    session = engine.session(session_id(asked.session)) if asked.session else None
    project = (
        await engine.project_of(session)
        if session
        else await engine.projects.for_caller(call.caller, asked.project)
    )
    async with keyed(call, "notify", asked) as ticket:
        if ticket.reply:
            return Notified.model_validate_json(ticket.reply)
        told = engine_notify.note(
            engine, project, session, asked.text, asked.priority, ticket.subject or None
        )
        # kept before it is sent: sent again after a crash, it is known to be the same note
        await engine.keys.replied(ticket, told.id, "")
        done = await engine_notify.notify(project, told, tuple(asked.to))
        notified = _notified(told.id, done)
        reply = await engine.keys.replying(ticket, told.id, notified.model_dump_json())
        events = [engine_notify.delivered(told, one) for one in done]
        await engine.records.commit(reply, events)
    return notified


def _notified(note: str, done: Sequence[Delivered]) -> Notified:
    results = tuple(
        Got(notifier=one.notifier, delivered=one.error is None, error=one.error, hint=one.hint)
        for one in done
    )
    return Notified(note=note, delivered=sum(one.delivered for one in results), results=results)


NOTIFY = Operation(
    name="notify",
    title="Tell people",
    description=(
        "Tell people, on a desktop or in a channel, what they must know or decide; returns who got"
        " it. `send` is for workers."
    ),
    request=Notify,
    reply=Notified,
    run=_notify,
    open_world=True,
    positional=("text",),
)
