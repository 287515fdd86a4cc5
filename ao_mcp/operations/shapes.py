"""The values several operations show or take."""

from typing import Annotated

from pydantic import Field

from ao_core.activity import decay
from ao_core.engine.budget_rules import spending, used_of
from ao_core.engine.engine import Engine
from ao_core.model.activity import ActivityState
from ao_core.model.attention import attention
from ao_core.model.budget import Budget
from ao_core.model.evidence import NONE
from ao_core.model.session import Session, derive_status, is_terminal
from ao_core.redact import visible
from ao_mcp.operations.contract import Reply, Request

SessionName = Annotated[str, Field(description="Such as `ao-3`.", min_length=1, max_length=60)]
Key = Annotated[
    str | None,
    Field(
        description="The same key again: done only once.",
        max_length=200,
    ),
]
ProjectName = Annotated[
    str | None,
    Field(description="Default: where you work.", max_length=64),
]


class Allowance(Request):
    """How much may be used."""

    minutes: Annotated[float | None, Field(gt=0, description="At work.")] = None
    tokens: Annotated[int | None, Field(gt=0)] = None
    cost: Annotated[float | None, Field(gt=0, description="USD.")] = None

    @property
    def value(self) -> Budget:
        """As the engine uses it."""
        return Budget(self.minutes, self.tokens, self.cost)


def paused_shown(session: Session) -> str | None:
    """Why it is paused, since when and perhaps until when, in one line."""
    paused = session.paused
    if paused is None or is_terminal(session):
        return None
    since = paused.since.isoformat(timespec="seconds")
    until = f", until {paused.until.isoformat(timespec='seconds')}" if paused.until else ""
    note = f" ({visible(paused.note, 160)})" if paused.note else ""
    return f"{paused.why} since {since} by {paused.by}{until}{note}"


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
    paused: str | None = None
    used: str = ""
    evidence: str = NONE
    ended: bool = False


def doing(engine: Engine, session: Session) -> ActivityState | None:
    """What it does, as far as that is still so: whoever is ready for long is idle."""
    known = session.activity
    if known is None or known.state is not ActivityState.READY:
        return known.state if known else None
    return decay(known, engine.clock.now(), engine.policy_of(session).ready).state


def line(engine: Engine, session: Session, evidence: str = NONE, waits: str = "") -> Line:
    """A session as one line; `waits` is what keeps one in the queue."""
    who, why = attention(session)
    return Line(
        session=session.id,
        project=session.project,
        status=derive_status(session),
        attention=who,
        why=visible(why or waits, 300),
        title=session.title,
        issue=session.issue,
        activity=doing(engine, session),
        paused=paused_shown(session),
        used=used_of(session.budget, spending(session, engine.clock.now())),
        evidence=evidence,
        ended=is_terminal(session),
    )
