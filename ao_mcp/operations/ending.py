"""`kill`, `restore`: the end of a worker, and its return."""

from typing import Annotated

from pydantic import Field

from ao_core.engine.keys import Ticket
from ao_core.engine.kill import has_unsaved
from ao_core.engine.kill import kill as engine_kill
from ao_core.engine.restore import back_to_work
from ao_core.engine.team import Back, bring_back
from ao_core.errors import BadRequest
from ao_core.ids import project_id, session_id
from ao_core.model.session import SessionReason, derive_status
from ao_mcp.operations.contract import Call, Operation, Reply, Request
from ao_mcp.operations.keyed import keyed, was_done
from ao_mcp.operations.shapes import Allowance, Key, ProjectName, SessionName


class Kill(Request):
    """Which session to end."""

    session: SessionName
    key: Key = None


class Killed(Reply):
    """What became of it."""

    session: str
    status: str
    salvage: str | None = Field(
        default=None, description="Git ref that holds everything that was not committed."
    )
    archive: str | None = Field(default=None, description="File with what git would not keep.")
    workspace_removed: bool
    kept_because: str | None = None


async def _kill(call: Call, asked: Kill) -> Killed:
    async with keyed(call, "kill", asked) as ticket:
        killed = await engine_kill(
            call.engine, session_id(asked.session), reason=SessionReason.MANUALLY_KILLED,
            ticket=ticket,
        )  # fmt: skip
    return Killed(
        session=killed.session.id,
        status=derive_status(killed.session),
        salvage=killed.saved,
        archive=killed.archive,
        workspace_removed=killed.removed,
        kept_because=killed.kept_because,
    )


async def _question(call: Call, asked: Kill) -> str | None:
    id = session_id(asked.session)
    if await was_done(call, "kill", asked) or not await has_unsaved(call.engine, id):
        return None
    return f"{id} has work that is not committed; it is saved first. End {id}?"


KILL = Operation(
    name="kill",
    title="End a worker",
    description=(
        "End a worker that is stuck or no longer needed, and remove its worktree. Unsaved work is"
        " saved first. Its branch stays; `restore` brings it back."
    ),
    request=Kill,
    reply=Killed,
    run=_kill,
    destructive=True,
    idempotent=True,
    positional=("session",),
    question=_question,
)


class Restore(Request):
    """Which session to bring back, or all of them."""

    session: Annotated[str | None, Field(description="Its id.", max_length=60)] = None
    all: Annotated[bool, Field(description="Whomever a stop or a loss ended.")] = False
    project: ProjectName = None
    budget: Annotated[Allowance | None, Field(description="From now on, in all.")] = None
    key: Key = None


class Returned(Reply):
    """One of many: its status, or why it is not back."""

    session: str
    status: str
    code: str | None = None
    error: str | None = None
    hint: str | None = None


class Restored(Reply):
    """The session, running again; or with `all` what became of each."""

    session: str = ""
    status: str = ""
    branch: str = ""
    path: str = ""
    generation: int = 0
    team: tuple[Returned, ...] = ()


async def _restore(call: Call, asked: Restore) -> Restored:
    if asked.all == bool(asked.session):
        raise BadRequest("One session, or all?", hint="Give either `session` or `all`.")
    if asked.all and asked.budget:
        raise BadRequest("A budget is given to one session.", hint="Name the session.")
    budget = asked.budget.value if asked.budget else None
    async with keyed(call, "restore", asked) as ticket:
        if asked.session is None:
            return await _restore_all(call, asked, ticket)
        session = await back_to_work(
            call.engine, call.caller, session_id(asked.session), ticket, budget
        )
    return Restored(
        session=session.id,
        status=derive_status(session),
        branch=session.branch,
        path=session.path,
        generation=session.generation,
    )


async def _restore_all(call: Call, asked: Restore, ticket: Ticket) -> Restored:
    if ticket.reply:
        return Restored.model_validate_json(ticket.reply)

    async def tell(done: int, total: int, id: str) -> None:
        await call.progress(done, total, id)

    ticket = await call.engine.keys.begin(ticket)
    project = project_id(asked.project) if asked.project else None
    found = await bring_back(call.engine, call.caller, project, tell)
    told = Restored(team=tuple(_returned(call, one) for one in found))
    if not any(one.problem for one in found):
        await call.engine.keys.replied(ticket, "all", told.model_dump_json())
    return told


def _returned(call: Call, one: Back) -> Returned:
    session = one.session or call.engine.session(one.id)
    told = Returned(session=one.id, status=derive_status(session))
    if (problem := one.problem) is None:
        return told
    error = {"error": problem.message, "hint": problem.hint, "code": problem.code}
    return told.model_copy(update=error)


RESTORE = Operation(
    name="restore",
    title="Bring a worker back",
    description=(
        "Bring back a worker that ended, or `all` after a stop or reboot: its branch, saved"
        " work and, where the agent can, its conversation. Lets a paused one go on."
    ),
    request=Restore,
    reply=Restored,
    run=_restore,
    open_world=True,
    positional=("session",),
)
