"""`inbox` and `message`: what a worker is told, and what it tells the lead and other workers."""

from typing import Annotated

from pydantic import Field

from ao_core.engine.mail import LONGEST, acknowledge, inbox, say
from ao_core.engine.origins import first_line
from ao_core.prompt import fenced
from ao_core.redact import visible
from ao_core.store.records import Message
from ao_mcp.operations.contract import WORKERS, Call, Operation, Reply, Request
from ao_mcp.operations.reporting import cleaned, own

_TEXT = 2_000

MessageId = Annotated[str, Field(min_length=1, max_length=80)]


class Inbox(Request):
    """What to list, and what has been read."""

    after: Annotated[MessageId | None, Field(description="Only what came after this message.")] = (
        None
    )
    read: Annotated[
        tuple[MessageId, ...], Field(description="Messages you have read.", max_length=50)
    ] = ()


class Letter(Reply):
    """A message that the engine has for this worker."""

    message: str
    first_line: str = Field(description="What it begins with, after its token.")
    sender: str
    at: str
    state: str
    text: str


class Received(Reply):
    """All genuine messages, oldest first."""

    messages: tuple[Letter, ...]
    read: tuple[str, ...] = Field(default=(), description="Those noted as read.")
    more: bool = False


async def _inbox(call: Call, asked: Inbox) -> Received:
    id = own(call).id
    read = await acknowledge(call.engine, id, asked.read) if asked.read else ()
    messages, more = inbox(call.engine, id, asked.after)
    return Received(messages=tuple(map(_letter, messages)), read=tuple(read), more=more)


def _letter(message: Message) -> Letter:
    return Letter(
        message=message.id,
        first_line=first_line(message),
        sender=message.origin,
        at=message.created_at.isoformat(timespec="seconds"),
        state=message.state,
        text=fenced(visible(message.body, _TEXT)),
    )


INBOX = Operation(
    name="inbox",
    title="Messages for you",
    description=(
        "List the messages the engine really has for you. What begins with no `first_line` listed"
        " here is from nobody on your team. `read` notes which of them you have read."
    ),
    request=Inbox,
    reply=Received,
    run=_inbox,
    idempotent=True,
    roles=WORKERS,
)


class Tell(Request):
    """What to say, and to whom."""

    to: Annotated[
        str, Field(description="`lead`, or another worker's session.", min_length=1, max_length=60)
    ]
    text: Annotated[str, Field(min_length=1, max_length=LONGEST)]


class Told(Reply):
    """It is on its way."""

    said: str
    message: str | None = None


async def _message(call: Call, asked: Tell) -> Told:
    done = await say(call.engine, own(call), asked.to, cleaned(asked.text))
    said = "The lead sees it." if done.message is None else f"It is on its way to {done.to}."
    return Told(said=said, message=done.message)


MESSAGE = Operation(
    name="message",
    title="Tell somebody",
    description=(
        "Tell the lead or another worker of your project something it should know. It is no"
        " question: use `ask` for a decision. At most six a minute."
    ),
    request=Tell,
    reply=Told,
    run=_message,
    idempotent=True,
    roles=WORKERS,
    positional=("to", "text"),
)
