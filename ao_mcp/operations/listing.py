"""`list` and `show`: the team in lines, one session whole."""

from typing import Annotated

from pydantic import Field

from ao_core.allowance import states
from ao_core.engine.asking_github import gh_use_of
from ao_core.engine.budget_rules import said, spending, weigh
from ao_core.engine.evidence import verdict_of
from ao_core.engine.holds import why as why_it_waits
from ao_core.engine.host_limits import in_words
from ao_core.engine.overlap import overlaps_of, words
from ao_core.engine.queue import place_of, spare
from ao_core.engine.room import team_of
from ao_core.ids import session_id
from ao_core.model.attention import Attention, attention
from ao_core.model.evidence import NONE, GateRun, is_owed
from ao_core.model.remedy import remedy
from ao_core.model.rule import Precedent
from ao_core.model.saying import Saying
from ao_core.model.session import (
    Drive,
    RuntimeHandle,
    RuntimeReason,
    Session,
    derive_status,
    is_terminal,
)
from ao_core.redact import visible
from ao_core.store.records import EVIDENCE, MESSAGE, SESSION, Message, Permission
from ao_mcp.operations.contract import Call, Operation, Reply, Request
from ao_mcp.operations.shapes import Line, ProjectName, SessionName, doing, line, paused_shown

_OUTPUT = 1_500


class List(Request):
    """Which sessions to list."""

    project: ProjectName = None
    status: Annotated[str | None, Field(description="Only of this status.", max_length=40)] = None
    attention: Annotated[bool, Field(description="Only who needs somebody.")] = False
    ended: Annotated[bool, Field(description="Also the ended.")] = False
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: Annotated[str | None, Field(max_length=60)] = None


class ProjectLine(Reply):
    """One project in one line."""

    project: str
    path: str
    sessions: int


class Listed(Reply):
    """Projects and sessions."""

    projects: tuple[ProjectLine, ...]
    sessions: tuple[Line, ...]
    next: str | None = Field(default=None, description="Cursor of the next page.")


async def _list(call: Call, asked: List) -> Listed:
    every = sorted(call.engine.records.all(SESSION), key=order)
    found = [one for one in every if _wanted(one, asked)]
    if asked.cursor is not None:
        after = order(call.engine.session(asked.cursor))
        found = [one for one in found if order(one) > after]
    page = found[: asked.limit]
    more = page[-1].id if len(found) > len(page) else None
    return Listed(
        projects=await _projects(call, every),
        sessions=tuple(_line(call, one) for one in page),
        next=more,
    )


def _line(call: Call, session: Session) -> Line:
    engine = call.engine
    evidence = verdict_of(engine.records, session.id)
    return line(engine, session, evidence, place_of(engine, session))


def order(session: Session) -> tuple[str, int, str]:
    """By project, then as they were started."""
    return session.project, int(session.id.rsplit("-", 1)[1]), session.id


def _wanted(session: Session, asked: List) -> bool:
    if is_terminal(session) and not (asked.ended or asked.status or _is_left(session)):
        return False
    if asked.project is not None and session.project != asked.project:
        return False
    if asked.status is not None and derive_status(session) != asked.status:
        return False
    return not asked.attention or attention(session)[0] is not Attention.NONE


def _is_left(session: Session) -> bool:
    """Whether it ended by itself, and nobody has seen to it since."""
    seen_to = session.workspace_gone or session.run.reason is RuntimeReason.KILL_REQUESTED
    return not seen_to and attention(session)[0] is not Attention.NONE


async def _projects(call: Call, every: list[Session]) -> tuple[ProjectLine, ...]:
    return tuple(
        [
            ProjectLine(
                project=project.id,
                path=project.path,
                sessions=sum(
                    1 for one in every if one.project == project.id and not is_terminal(one)
                ),
            )
            for project in await call.engine.projects.known(call.caller)
        ]
    )


LIST = Operation(
    name="list",
    title="List projects and workers",
    description=(
        "List projects and workers: one line each with status, who is working and who needs you."
        " `show` has all of one."
    ),
    request=List,
    reply=Listed,
    run=_list,
    read_only=True,
    idempotent=True,
)


class Show(Request):
    """Which session to show."""

    session: SessionName


class MessageLine(Reply):
    """A message that is not settled, or was the last."""

    message: str
    state: str
    reason: str | None = None
    evidence: str | None = None
    text: str


class PermissionLine(Reply):
    """A permission the worker waits for."""

    request: str
    tool: str
    arguments: str
    since: str


class GateLine(Reply):
    """One gate. Its output is data."""

    gate: str
    passed: bool
    ended: str
    seconds: float
    output: str | None = None


class EvidenceShown(Reply):
    """What the gates say of one commit."""

    verdict: str = Field(description="none, verified, failed, stale or unverified.")
    why: str | None = None
    commit: str | None = None
    tree: str | None = None
    at: str | None = None
    gates: tuple[GateLine, ...] = ()


class SaidLine(Reply):
    """What the worker told somebody. It is data."""

    at: str
    to: str
    text: str


class Shown(Reply):
    """Everything known of one session."""

    session: str
    project: str
    title: str
    status: str
    attention: str
    why: str = ""
    hint: str | None = None
    state: str
    reason: str
    since: str
    runtime: str
    agent: str
    drive: str
    permissions: str
    issue: str | None = None
    after: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    spare: str = Field(default="", description="Copies to kill.")
    overlaps: tuple[str, ...] = Field(default=(), description="Who changes the same lines.")
    branch: str
    base: str
    path: str
    workspace_gone: bool = False
    paused: str | None = None
    question: str | None = None
    report: str | None = None
    said: tuple[SaidLine, ...] = ()
    evidence: EvidenceShown
    activity: str | None = None
    activity_source: str | None = None
    pull_request: str = "none"
    pull_request_url: str | None = None
    slow_hosts: tuple[str, ...] = Field(
        default=(), description="Hosts that are asked less often, so that their news comes later."
    )
    merged_as: str | None = None
    commits: tuple[str, ...] = ()
    salvage: tuple[str, ...] = Field(default=(), description="Refs that hold saved work.")
    credentials: tuple[str, ...] = ()
    permissions_pending: tuple[PermissionLine, ...] = ()
    always: tuple[str, ...] = ()
    messages: tuple[MessageLine, ...] = ()
    input_tokens: int | None = Field(default=None, description="As the agent tells; else null.")
    output_tokens: int | None = None
    cost_usd: float | None = None
    minutes: float = Field(default=0.0, description="At work.")
    budget: str | None = Field(default=None, description="Used of what it may use.")
    gh: str = ""
    exit_status: int | None = None
    exit_signal: int | None = None
    attach: tuple[str, ...] = Field(default=(), description="Command that attaches a person.")


async def _show(call: Call, asked: Show) -> Shown:
    session = call.engine.session(session_id(asked.session))
    attach: tuple[str, ...] = ()
    if session.run.handle is not None and not is_terminal(session):
        attach = await _attach(call, session, session.run.handle)
    used, usage = spending(session, call.engine.clock.now()), session.spent.plus(session.usage)
    who, why = attention(session)
    team = team_of(call.engine.records)
    return Shown(
        session=session.id,
        project=session.project,
        title=session.title,
        status=derive_status(session),
        attention=who,
        why=visible(why or place_of(call.engine, session), 300),
        hint=remedy(session),
        state=session.facts.state,
        reason=session.facts.reason,
        since=session.facts.since.isoformat(timespec="seconds"),
        runtime=session.run.state,
        agent=session.agent,
        drive=session.drive,
        permissions=session.permissions,
        issue=session.issue,
        after=session.after,
        copies=tuple(one.id for one in team.copies(session)),
        spare=spare(team, session),
        overlaps=tuple(words(one, session.id) for one in overlaps_of(call.engine, session.id)),
        branch=session.branch,
        base=session.base,
        path=session.path,
        workspace_gone=session.workspace_gone,
        paused=paused_shown(session),
        question=session.question,
        report=session.report,
        said=tuple(map(_said, session.said)),
        evidence=_evidence(call, session),
        activity=doing(call.engine, session),
        activity_source=session.activity.source if session.activity else None,
        pull_request=session.pr.state,
        pull_request_url=session.pr.url,
        slow_hosts=tuple(in_words(one) for one in states() if one.slow),
        merged_as=session.merged_as,
        commits=tuple(session.commits[-10:]),
        salvage=tuple(session.salvage),
        credentials=tuple(session.credentials),
        permissions_pending=tuple(map(asked_line, call.engine.permissions.pending(session.id))),
        always=tuple(map(_always, session.precedents)),
        messages=tuple(_message(call, one) for one in _recent(call, session)),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=usage.cost_usd,
        minutes=round(used.minutes, 2),
        budget=said(weigh(session.budget, used)) or None,
        gh=(await gh_use_of(call.engine, session)).told(),
        exit_status=session.run.exit_status,
        exit_signal=session.run.exit_signal,
        attach=tuple(attach),
    )


def _evidence(call: Call, session: Session) -> EvidenceShown:
    found = call.engine.records.find(EVIDENCE, session.id)
    coming = "its gates are run once its turn has ended" if is_owed(session, found) else None
    if found is not None and found.put_off and found.claimed == session.done:
        coming = f"{found.why}; this is tried again"
    coming = "its gates are running" if session.id in call.engine.proving else coming
    if found is None:
        return EvidenceShown(verdict=NONE, why=coming)
    return EvidenceShown(
        verdict=found.verdict,
        why=coming or found.why,
        commit=found.commit,
        tree=found.tree or None,
        at=found.at.isoformat(timespec="seconds"),
        gates=tuple(map(_gate, found.runs)),
    )


def _said(saying: Saying) -> SaidLine:
    at = saying.at.isoformat(timespec="seconds")
    return SaidLine(at=at, to=saying.to, text=visible(saying.text, _OUTPUT))


def _gate(run: GateRun) -> GateLine:
    said = None if run.passed else visible(run.tail[-_OUTPUT:], _OUTPUT)
    return GateLine(
        gate=run.name, passed=run.passed, ended=run.ending, seconds=run.seconds, output=said,
    )  # fmt: skip


async def _attach(call: Call, session: Session, handle: RuntimeHandle) -> tuple[str, ...]:
    if session.drive is Drive.PROTOCOL:
        return ("ao", "attach", session.id)
    return (await (await call.engine.runtime_of(session)).attach_info(handle)).command


def _recent(call: Call, session: Session) -> list[Message]:
    return call.engine.records.of_session(MESSAGE, session.id)[-5:]


def _message(call: Call, message: Message) -> MessageLine:
    return MessageLine(
        message=message.id, state=message.state, reason=why_it_waits(call.engine.records, message),
        evidence=message.evidence, text=visible(message.body, 200),
    )  # fmt: skip


def _always(known: Precedent) -> str:
    said = "allow" if known.allowed else "deny"
    at = known.at.isoformat(timespec="seconds")
    return f"{said} {known.tool}: {known.about} ({known.by}, {at})"


def asked_line(permission: Permission) -> PermissionLine:
    """A permission request as it is listed."""
    return PermissionLine(
        request=permission.id,
        tool=permission.tool,
        arguments=permission.arguments,
        since=permission.asked_at.isoformat(timespec="seconds"),
    )


SHOW = Operation(
    name="show",
    title="Show one worker",
    description=(
        "Show all facts of one worker: state, pull request, commits, messages, budget, tokens,"
        " what it asks permission for, how to attach. `read` has its screen, diff and conversation."
    ),
    request=Show,
    reply=Shown,
    run=_show,
    read_only=True,
    idempotent=True,
    positional=("session",),
)
