"""`spawn`: start a worker."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from ao_core.engine import spawn as engine_spawn
from ao_core.engine.budgets import untold
from ao_core.engine.engine import Engine
from ao_core.engine.queue import place_of
from ao_core.engine.room import team_of
from ao_core.ids import session_id
from ao_core.model.budget import Budget
from ao_core.model.session import Drive, PermissionMode, PrState, Session, derive_status
from ao_core.redact import visible
from ao_mcp.operations.contract import Call, Operation, Reply, Request
from ao_mcp.operations.keyed import keyed
from ao_mcp.operations.progress import kept_up
from ao_mcp.operations.shapes import Allowance, Key, ProjectName

_SHOWN = 3


class Spawn(Request):
    """What to start a worker on."""

    project: ProjectName = None
    issue: Annotated[str | None, Field(description="The issue to work on.", max_length=200)] = None
    prompt: Annotated[str | None, Field(description="The task; with or instead of an issue.")] = (
        None
    )
    agent: Annotated[
        str | None, Field(description="Instead of the default agent.", max_length=64)
    ] = None
    model: Annotated[str | None, Field(description="Model for the agent.", max_length=200)] = None
    branch: Annotated[
        str | None,
        Field(
            description="A name for its branch, or a branch to go on with.",
            max_length=150,
        ),
    ] = None
    base: Annotated[
        str | None,
        Field(description="Branch to start from and merge into.", max_length=200),
    ] = None
    permissions: Annotated[
        PermissionMode | None,
        Field(description="What it may do unasked; `permissionless`: all."),
    ] = None
    drive: Annotated[
        Drive | None,
        Field(description="By ACP, or as a person in a terminal."),
    ] = None
    budget: Annotated[Allowance | None, Field(description="What it may use.")] = None
    after: Annotated[
        tuple[Annotated[str, Field(max_length=60)], ...],
        Field(description="Sessions whose work must be done first.", max_length=20),
    ] = ()
    copies: Annotated[
        int, Field(ge=1, le=8, description="So many on the same; `read what=copies` compares.")
    ] = 1
    claim_pr: Annotated[int | None, Field(ge=1, description="Pull request to take over.")] = None
    key: Key = None


class Spawned(Reply):
    """The worker that was started."""

    session: str
    status: str
    title: str
    branch: str
    path: str
    agent: str
    warnings: tuple[str, ...] = ()
    queued: str = Field(default="", description="Place in the queue, and why.")
    copies: tuple[str, ...] = ()
    cursor: int = Field(description="Pass to `wait` to hear what happens from here on.")


async def _run(call: Call, asked: Spawn) -> Spawned:
    wish = engine_spawn.Wish(
        asked.project, asked.issue, asked.prompt, asked.agent, asked.model, asked.branch,
        asked.base, asked.permissions, asked.drive, tuple(map(session_id, asked.after)),
        asked.copies,
        budget=asked.budget.value if asked.budget else Budget(),
        pull=asked.claim_pr,
    )  # fmt: skip
    async with keyed(call, "spawn", asked) as ticket:
        cursor = call.engine.records.head
        made = await kept_up(
            call, lambda: engine_spawn.spawn_all(call.engine, call.caller, wish, ticket),
            lambda: f"starting a worker on {_subject(asked)}",
        )  # fmt: skip
    session = made[0]
    return Spawned(
        session=session.id,
        status=derive_status(session),
        title=session.title,
        branch=session.branch,
        path=session.path,
        agent=session.agent,
        queued=place_of(call.engine, session),
        copies=tuple(one.id for one in made) if asked.copies > 1 else (),
        cursor=cursor,
        warnings=(
            *_missing(call.engine, made), *_beside(call.engine, session),
            *await untold(call.engine, session),
        ),
    )  # fmt: skip


def _subject(asked: Spawn) -> str:
    text = f"issue {asked.issue}" if asked.issue else asked.prompt or ""
    text = text or f"pull request {asked.claim_pr}"
    return visible(text.strip().partition("\n")[0], 80)


def _beside(engine: Engine, session: Session) -> Sequence[str]:
    """Who works on the same issue already, and is no copy of it."""
    mine = {session.id, *(one.id for one in team_of(engine.records).copies(session))}
    others = [
        one.id
        for one in engine.live()
        if session.issue and (one.project, one.issue) == (session.project, session.issue)
        and one.id not in mine and one.pr.state is not PrState.MERGED
    ]  # fmt: skip
    return [f"{id} is on issue {session.issue}, too." for id in others[:_SHOWN]]


def _missing(engine: Engine, made: Sequence[Session]) -> Sequence[str]:
    """Copies that could not be started, each with the reason."""
    there = {one.id for one in made}
    others = team_of(engine.records).copies(made[0])
    return [
        f"{one.id} could not be started: {one.facts.note}" for one in others if one.id not in there
    ]


OPERATION = Operation(
    name="spawn",
    title="Start a worker",
    description=(
        "Start a worker agent on an issue or a task, in a git worktree and terminal of its own."
        " Returns as soon as it is up; `wait` tells when it needs you or is done."
        " Start several for independent work: in parallel, or in turn."
    ),
    request=Spawn,
    reply=Spawned,
    run=_run,
    idempotent=False,
    open_world=True,
    positional=("issue",),
)
