"""`transcript` and `interrupt`: a person looks over the shoulder of an agent driven by protocol."""

import hashlib
from typing import TYPE_CHECKING, Annotated

import anyio
from pydantic import Field

from ao_core.drive.transcript import Item
from ao_core.engine.conversed import conversed
from ao_core.engine.engine import Engine
from ao_core.engine.wait import LONGEST
from ao_core.errors import WrongState
from ao_core.ids import SessionId, session_id
from ao_core.model.session import Drive, Session, derive_status, is_terminal
from ao_core.redact import visible
from ao_mcp.operations.contract import Call, Operation, Reply, Request
from ao_mcp.operations.listing import PermissionLine, asked_line
from ao_mcp.operations.shapes import SessionName

if TYPE_CHECKING:
    from ao_core.engine.conversation import Conversation

_TEXT = 20_000


class Transcript(Request):
    """Which conversation, and how much of it is known already."""

    session: SessionName
    after: Annotated[int, Field(ge=0, description="The `change` of the last reply.")] = 0
    standing: Annotated[
        str | None, Field(max_length=40, description="The `standing` of the last reply.")
    ] = None
    seconds: Annotated[float, Field(ge=0, le=LONGEST, description="How long to wait for news.")] = 0


class ItemLine(Reply):
    """One thing in the conversation; one with a known number replaces what was known of it."""

    number: int
    changed: int = Field(description="Its place among the changes.")
    part: str
    text: str
    state: str = ""
    detail: str = ""


class Conversed(Reply):
    """What is new, and how the session stands."""

    items: tuple[ItemLine, ...]
    change: int = Field(description="Pass it as `after` to hear what comes next.")
    standing: str = Field(description="Pass it, too: then nothing that moved meanwhile is missed.")
    status: str
    turn: bool = Field(description="Whether a turn is under way.")
    ended: bool
    reason: str = Field(description="Why it stands so.")
    note: str | None = None
    exit_status: int | None = None
    life: int = Field(
        description="Another number: the agent was brought back, `after` begins at 0."
    )
    question: str | None = None
    permissions: tuple[PermissionLine, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None


async def _transcript(call: Call, asked: Transcript) -> Conversed:
    session = call.engine.session(session_id(asked.session))
    if session.drive is not Drive.PROTOCOL:
        hint = f"`ao attach {session.id}` opens its terminal; `read` shows its screen."
        raise WrongState(f"{session.id} is driven by its terminal.", hint=hint)
    if asked.seconds:
        call.engine.conversations.followed(session.id, call.engine.clock.monotonic())
    with anyio.move_on_after(asked.seconds):
        await _news(call.engine, session.id, asked)
    items = [one for one in await conversed(call.engine, session) if one.changed > asked.after]
    return _reply(call.engine, call.engine.session(session.id), items, asked.after)


async def _news(engine: Engine, id: SessionId, asked: Transcript) -> None:
    """Wait until there is something to tell."""
    talk = engine.conversations.of(id)
    if talk is None:
        return
    known, after = asked.standing or _standing(engine, id), asked.after
    async with anyio.create_task_group() as tasks:

        async def said() -> None:
            await talk.until(lambda: True if talk.over or _more(talk, after) else None)
            if _more(talk, after):  # else it says no more: only its session moves
                tasks.cancel_scope.cancel()

        async def moved() -> None:
            await engine.records.until(lambda: _standing(engine, id) != known or None)
            tasks.cancel_scope.cancel()

        tasks.start_soon(said)
        tasks.start_soon(moved)


def _more(talk: "Conversation", after: int) -> bool:
    return talk.ledger.transcript.changes > after


def _standing(engine: Engine, id: SessionId) -> str:
    """Changes with whatever is told beside the items."""
    session = engine.session(id)
    pending = tuple(one.id for one in engine.permissions.pending(id))
    moves = (session.facts, session.question, session.turn, session.generation, pending)
    return hashlib.sha256(repr(moves).encode()).hexdigest()[:16]


def _reply(engine: Engine, session: Session, items: list[Item], after: int) -> Conversed:
    return Conversed(
        items=tuple(map(_line, items)),
        change=max((item.changed for item in items), default=after),
        standing=_standing(engine, session.id),
        status=derive_status(session),
        turn=session.turn is not None,
        ended=is_terminal(session),
        reason=session.facts.reason,
        note=visible(session.facts.note, 300) if session.facts.note else None,
        exit_status=session.run.exit_status,
        life=session.generation,
        question=session.question,
        permissions=tuple(map(asked_line, engine.permissions.pending(session.id))),
        input_tokens=session.usage.input_tokens,
        output_tokens=session.usage.output_tokens,
        cost_usd=session.usage.cost_usd,
    )


def _line(item: Item) -> ItemLine:
    text, detail = visible(item.text, _TEXT), visible(item.detail, _TEXT)
    return ItemLine(
        number=item.number, changed=item.changed, part=item.part, text=text,
        state=visible(item.state, 80), detail=detail,
    )  # fmt: skip


TRANSCRIPT = Operation(
    name="transcript",
    title="Follow a conversation",
    description=(
        "What was said in a session driven by protocol, and what is new in it. Instead of `read`"
        " with `what: turns` when you follow it as it goes on."
    ),
    request=Transcript,
    reply=Conversed,
    run=_transcript,
    read_only=True,
    idempotent=True,
    tool=False,
)


class Interrupt(Request):
    """Whose turn to interrupt."""

    session: SessionName


class Interrupted(Reply):
    """The turn is told to end."""

    session: str


async def _interrupt(call: Call, asked: Interrupt) -> Interrupted:
    id = session_id(asked.session)
    call.engine.session(id)
    await call.engine.conversations.live(id).cancel()
    return Interrupted(session=id)


INTERRUPT = Operation(
    name="interrupt",
    title="Interrupt a turn",
    description=(
        "End the turn an agent driven by protocol is in; the agent stays. Instead of `send` with"
        " `mode: interrupt` when you have nothing to tell it, of `pause` when it may be told more."
    ),
    request=Interrupt,
    reply=Interrupted,
    run=_interrupt,
    tool=False,
)
