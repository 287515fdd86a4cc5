"""`merge`: what becomes of a worker's work."""

from typing import Annotated

from pydantic import Field

from ao_core.engine.merge import Report
from ao_core.engine.merge import merge as engine_merge
from ao_core.ids import session_id
from ao_core.model.work import Landing, MergeMethod
from ao_mcp.operations.contract import Call, Operation, Reply, Request
from ao_mcp.operations.keyed import keyed
from ao_mcp.operations.shapes import Key, SessionName


class Merge(Request):
    """Which work to merge, and how."""

    session: SessionName
    method: Annotated[MergeMethod, Field(description="merge, squash or rebase.")] = (
        MergeMethod.MERGE
    )
    dry_run: Annotated[bool, Field(description="Only tell what would happen.")] = False
    key: Key = None


class MergeReport(Reply):
    """How the merge ended."""

    session: str
    merged: bool
    outcome: str = Field(description="landed, already, ready (not moved) or conflict.")
    target: str
    method: str
    dry_run: bool = False
    commit: str | None = None
    ref: str | None = Field(default=None, description="Where a finished result waits.")
    conflicts: tuple[str, ...] = ()
    blockers: tuple[str, ...] = Field(default=(), description="What stands in the way.")


async def _merge(call: Call, asked: Merge) -> MergeReport:
    await call.progress(0, 1, "merging")
    async with keyed(call, "merge", asked) as ticket:
        if ticket.reply:
            return MergeReport.model_validate_json(ticket.reply)
        report = await engine_merge(
            call.engine, session_id(asked.session), asked.method, dry_run=asked.dry_run
        )
        told = _told(report)
        if told.merged:
            await call.engine.keys.replied(ticket, asked.session, told.model_dump_json())
    return told


def _told(report: Report) -> MergeReport:
    landed = report.landed
    done = landed.landing in (Landing.LANDED, Landing.ALREADY) and not report.dry_run
    return MergeReport(
        session=report.session.id,
        merged=done or landed.landing is Landing.ALREADY,
        outcome=landed.landing,
        target=report.target,
        method=report.method,
        dry_run=report.dry_run,
        commit=landed.commit,
        ref=landed.ref,
        conflicts=tuple(landed.conflicts),
        blockers=tuple(landed.blockers),
    )


MERGE = Operation(
    name="merge",
    title="Merge a worker's work",
    description=(
        "Merge the committed work of one worker whose turn has ended into its base branch, or say"
        " what blocks it. Never forces. `dry_run` predicts conflicts without changing anything."
    ),
    request=Merge,
    reply=MergeReport,
    run=_merge,
    destructive=True,
    idempotent=True,
    positional=("session",),
)
