"""`merge`: what becomes of workers' work."""

import math
from collections.abc import Awaitable
from typing import Annotated

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from pydantic import Field

from ao_core.engine.aftermath import DONE
from ao_core.engine.trains import Report, Share, Wish
from ao_core.engine.trains import merge as engine_merge
from ao_core.engine.updating import update as engine_update
from ao_core.errors import AoError
from ao_core.git.train import Fate
from ao_core.ids import SessionId, session_id
from ao_core.model.work import MergeMethod
from ao_core.redact import visible
from ao_mcp.operations.contract import Call, Operation, Reply, Request
from ao_mcp.operations.keyed import keyed, was_done
from ao_mcp.operations.progress import EVERY
from ao_mcp.operations.shapes import Key, SessionName

_MOST = 50
_WHY_LIMIT = 4_000
_UPDATED = "updated"

Names = Annotated[
    tuple[SessionName, ...],
    Field(description="Sessions to merge as one train, in any order.", max_length=_MOST),
]


class Merge(Request):
    """Which work to merge, and how."""

    session: Annotated[SessionName | None, Field(description="Just this one.")] = None
    sessions: Names = ()
    method: MergeMethod = MergeMethod.MERGE
    dry_run: Annotated[bool, Field(description="Only tell what would happen.")] = False
    update_only: Annotated[
        bool, Field(description="Bring workers up to date with their base instead.")
    ] = False
    all_or_nothing: Annotated[bool, Field(description="Land all of them, or none.")] = False
    key: Key = None


class Member(Reply):
    """What became of one session's work."""

    session: str
    outcome: str = Field(description="landed already ready conflict failed left_out updated")
    commit: str | None = None
    files: tuple[str, ...] = Field(default=(), description="In conflict.")
    whom: tuple[str, ...] = Field(default=(), description="What it conflicts with.")
    why: str | None = None


class MergeReport(Reply):
    """How the merge ended."""

    session: str | None = None
    merged: bool = Field(description="All of it is in the target.")
    outcome: str = Field(description="The member's if there is one; else the whole train's.")
    target: str
    method: str
    dry_run: bool = False
    commit: str | None = None
    ref: str | None = Field(default=None, description="Where a finished result waits.")
    conflicts: tuple[str, ...] = ()
    blockers: tuple[str, ...] = Field(default=(), description="What stands in the way.")
    members: tuple[Member, ...] = ()


async def _merge(call: Call, asked: Merge) -> MergeReport:
    async with keyed(call, "merge", asked) as ticket:
        if ticket.reply:
            return MergeReport.model_validate_json(ticket.reply)
        if not asked.dry_run:
            ticket = await call.engine.keys.begin(ticket)
        told = _told(await _report(call, asked))
        if any(one.outcome in (*DONE, _UPDATED) for one in told.members) and not asked.dry_run:
            await call.engine.keys.replied(ticket, told.target, told.model_dump_json())
    return told


async def _question(call: Call, asked: Merge) -> str | None:
    if asked.dry_run or asked.update_only or await was_done(call, "merge", asked):
        return None
    found = [call.engine.session(id) for id in _ids(asked)]
    named = "; ".join(f"{one.id} ({visible(one.title, 80)})" for one in found)
    targets = ", ".join(sorted({one.base for one in found}))
    return f"Merge into {targets}: {named}?" if found else None


def _ids(asked: Merge) -> list[SessionId]:
    named = (*((asked.session,) if asked.session else ()), *asked.sessions)
    return list(dict.fromkeys(map(session_id, named)))


async def _report(call: Call, asked: Merge) -> Report:
    """Do it, and tell how far it has come. It goes on where nobody listens any more."""
    ids = _ids(asked)
    wish = Wish(asked.method, asked.all_or_nothing, asked.dry_run)
    act = engine_update if asked.update_only else engine_merge
    send, heard = anyio.create_memory_object_stream[tuple[float, float | None, str]](math.inf)

    async def tell(done: float, total: float | None, text: str) -> None:
        if heard.statistics().open_receive_streams:
            send.send_nowait((done, total, text))

    await call.progress(0, len(ids), "bringing up to date" if asked.update_only else "merging")
    found: Report | AoError | None = None
    with heard:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_relay, call, heard)
            with send:
                found = await _tried(act(call.engine, ids, wish, tell))
    if isinstance(found, Report):
        return found
    raise found or AssertionError("it is returned or raised")


async def _tried(act: Awaitable[Report]) -> Report | AoError:
    try:
        return await act
    except AoError as exc:
        return exc  # raised in there, it would reach the caller as one of a group


async def _relay(
    call: Call, heard: MemoryObjectReceiveStream[tuple[float, float | None, str]]
) -> None:
    """Each step as it comes; and while one takes long, that it goes on."""
    done, total, text, beats = 0.0, None, "", 0
    while True:
        with anyio.move_on_after(EVERY) as silence:
            try:
                done, total, text = await heard.receive()
            except anyio.EndOfStream:
                return
        beats = beats + 1 if silence.cancelled_caught else 0
        # never as far as the next step, and further each time: a client takes no other progress
        await call.progress(done + 1 - 0.5**beats, total, text)


def _told(report: Report) -> MergeReport:
    members = tuple(_member(report, share) for share in report.members)
    only = report.members[0] if len(report.members) == 1 else None
    files = tuple(dict.fromkeys(file for one in members for file in one.files))
    return MergeReport(
        session=only.session.id if only else None,
        merged=_is_merged(report),
        outcome=members[0].outcome if only else _outcome(report),
        target=report.target,
        method=report.method,
        dry_run=report.dry_run,
        commit=only.commit if only else report.commit,
        ref=report.ref,
        conflicts=files,
        blockers=(*report.blockers, *(_blockers(only) if only else ())),
        members=members,
    )


def _member(report: Report, share: Share) -> Member:
    landed = report.updated and share.fate is Fate.LANDED
    return Member(
        session=share.session.id,
        outcome=_UPDATED if landed else share.fate,
        commit=share.commit,
        files=share.files,
        whom=share.whom,
        why=visible(share.why, _WHY_LIMIT) if share.why else None,
    )


def _is_merged(report: Report) -> bool:
    fates = {one.fate for one in report.members}
    if report.updated:
        return False
    return fates <= (frozenset({Fate.ALREADY}) if report.dry_run else DONE)


def _outcome(report: Report) -> str:
    if not report.updated:
        return report.outcome
    well = all(one.fate in (*DONE, Fate.READY) for one in report.members)
    return _UPDATED if well else "blocked"


def _blockers(share: Share) -> tuple[str, ...]:
    return share.blockers or ((visible(share.why, _WHY_LIMIT),) if share.why else ())


MERGE = Operation(
    name="merge",
    title="Merge workers' work",
    description=(
        "Merge the committed work of workers whose turn is over into their base, as one train:"
        " each is tried and gated on top of those before it. What conflicts or fails is left out"
        " and goes back to its worker. Never forces."
    ),
    request=Merge,
    reply=MergeReport,
    run=_merge,
    destructive=True,
    idempotent=True,
    positional=("sessions",),
    question=_question,
)
