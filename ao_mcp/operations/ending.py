"""`kill`, `restore`: the end of a worker, and its return."""

from pydantic import Field

from ao_core.engine.kill import kill as engine_kill
from ao_core.engine.restore import restore as engine_restore
from ao_core.ids import session_id
from ao_core.model.session import SessionReason, derive_status
from ao_mcp.operations.contract import Call, Operation, Reply, Request
from ao_mcp.operations.keyed import keyed
from ao_mcp.operations.shapes import Key, SessionName


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


KILL = Operation(
    name="kill",
    title="End a worker",
    description=(
        "End a worker and remove its worktree. Unsaved work is saved first; the reply names the git"
        " ref that holds it. Its branch stays; `restore` brings it back."
    ),
    request=Kill,
    reply=Killed,
    run=_kill,
    destructive=True,
    idempotent=True,
    positional=("session",),
)


class Restore(Request):
    """Which session to bring back."""

    session: SessionName
    key: Key = None


class Restored(Reply):
    """The session, running again."""

    session: str
    status: str
    branch: str
    path: str
    generation: int


async def _restore(call: Call, asked: Restore) -> Restored:
    async with keyed(call, "restore", asked) as ticket:
        session = await engine_restore(call.engine, call.caller, session_id(asked.session), ticket)
    return Restored(
        session=session.id,
        status=derive_status(session),
        branch=session.branch,
        path=session.path,
        generation=session.generation,
    )


RESTORE = Operation(
    name="restore",
    title="Bring a worker back",
    description=(
        "Bring back a worker that ended: same branch, its saved work put back, its conversation"
        " continued where the agent can."
    ),
    request=Restore,
    reply=Restored,
    run=_restore,
    open_world=True,
    positional=("session",),
)
