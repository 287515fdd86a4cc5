"""The values several operations show or take."""

from typing import Annotated

from pydantic import Field

from ao_core.model.attention import attention
from ao_core.model.evidence import NONE
from ao_core.model.session import Session, derive_status, is_terminal
from ao_core.redact import visible
from ao_mcp.operations.contract import Reply

SessionName = Annotated[
    str, Field(description="The session's id, such as `ao-3`.", min_length=1, max_length=60)
]
Key = Annotated[
    str | None,
    Field(
        description="Repeat-safe key: calling again with the same key and arguments does nothing"
        " twice and returns the first result. Kept 7 days.",
        max_length=200,
    ),
]
ProjectName = Annotated[
    str | None,
    Field(description="Project id; leave out to use the one you work in.", max_length=64),
]


class Line(Reply):
    """One session in one line."""

    session: str
    project: str
    status: str
    attention: str = Field(description="Who must act: none, lead or human.")
    why: str = Field(default="", description="Why they must act.")
    title: str
    issue: str | None = None
    activity: str | None = None
    evidence: str = NONE
    ended: bool = False


def line(session: Session, evidence: str = NONE) -> Line:
    """A session as one line."""
    who, why = attention(session)
    return Line(
        session=session.id,
        project=session.project,
        status=derive_status(session),
        attention=who,
        why=visible(why, 300),
        title=session.title,
        issue=session.issue,
        activity=session.activity.state if session.activity else None,
        evidence=evidence,
        ended=is_terminal(session),
    )
