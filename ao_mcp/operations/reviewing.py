"""`review`: what somebody thinks of a worker's work."""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from ao_core.engine.reviewing import Opinion, Remark, Reviewed, Said
from ao_core.engine.reviewing import review as engine_review
from ao_core.ids import session_id
from ao_core.model.session import derive_status
from ao_core.store.records import MESSAGE
from ao_mcp.operations.contract import Call, Operation, Reply, Request
from ao_mcp.operations.keyed import keyed
from ao_mcp.operations.shapes import Key, SessionName

_MOST = 100


class Comment(Request):
    """A remark on the diff; on a command line `path:line:text`."""

    spoken: ClassVar[bool] = True

    path: Annotated[str | None, Field(max_length=1_000)] = None
    line: Annotated[int | None, Field(ge=1, le=10_000_000)] = None
    body: Annotated[str, Field(min_length=1, max_length=10_000)]

    @model_validator(mode="before")
    @classmethod
    def _heard(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        path, sign, rest = value.partition(":")
        line, more, text = rest.partition(":")
        if sign and more and line.strip().isdecimal():
            return {"path": path, "line": int(line), "body": text.strip()}
        return {"body": value}


class Review(Request):
    """What is thought of whose work."""

    session: SessionName
    verdict: Opinion
    body: Annotated[
        str, Field(description="What has to change, in your words.", max_length=20_000)
    ] = ""
    comments: Annotated[
        tuple[Comment, ...],
        Field(description="Remarks by path and line (`path:line:text`).", max_length=_MOST),
    ] = ()
    key: Key = None


class ReviewReport(Reply):
    """What became of it."""

    session: str
    verdict: str
    head: str = Field(description="The commit it is of, and holds for.")
    status: str
    message: str | None = Field(default=None, description="What takes it to the worker.")
    state: str | None = None


async def _review(call: Call, asked: Review) -> ReviewReport:
    id = session_id(asked.session)
    remarks = tuple(Remark(one.body, one.path, one.line) for one in asked.comments)
    said = Said(asked.verdict, asked.body, remarks)
    async with keyed(call, "review", asked) as ticket:
        return _told(call, asked, await engine_review(call.engine, call.caller, id, said, ticket))


def _told(call: Call, asked: Review, done: Reviewed) -> ReviewReport:
    message = call.engine.records.find(MESSAGE, done.message) if done.message else None
    return ReviewReport(
        session=done.session.id,
        verdict=asked.verdict,
        head=done.head,
        status=derive_status(done.session),
        message=done.message,
        state=message.state if message else None,
    )


REVIEW = Operation(
    name="review",
    title="Review a worker's work",
    description=(
        "Approve a worker's last commit, or ask for changes, which go to it as work; `merge`"
        " takes nothing of it until it has committed again or you approve."
    ),
    request=Review,
    reply=ReviewReport,
    run=_review,
    positional=("session", "verdict", "body"),
)
