"""Names for new sessions: taken, with their place in the queue where they have to wait.

Session, number, key and the intent to start it are one commit, while nobody else lets sessions in:
so there is never one more than there is room for, and a crash leaves all of it or nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ao_core.engine.adopting import Adopted, require_unused
from ao_core.engine.engine import Engine
from ao_core.engine.environment import Grant
from ao_core.engine.keys import Ticket
from ao_core.engine.project import Project
from ao_core.engine.room import team_of
from ao_core.engine.waiting import Limits, Team, upcoming, waits_for
from ao_core.errors import Conflict
from ao_core.ids import SessionId, new_branch, session_id
from ao_core.model.budget import Budget
from ao_core.model.event import EventKind, NewEvent, Said, Started
from ao_core.model.session import (
    Drive,
    PermissionMode,
    Session,
    SessionFacts,
    SessionReason,
    SessionState,
    is_waiting,
)
from ao_core.model.work import Issue
from ao_core.redact import visible
from ao_core.store.contract import Change, Put
from ao_core.store.records import COUNTER, SESSION, Counter, IntentKind

_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller wants."""

    project: str | None = None
    issue: str | None = None
    prompt: str | None = None
    agent: str | None = None
    model: str | None = None
    branch: str | None = None
    base: str | None = None
    permissions: PermissionMode | None = None
    drive: Drive | None = None
    after: tuple[SessionId, ...] = ()
    copies: int = 1
    budget: Budget = field(default_factory=Budget)
    pull: int | None = None  # to be taken over


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found where everything that could fail was looked at."""

    project: Project
    agent: str
    drive: Drive
    runtime: str
    issue: Issue | None
    base: str
    base_commit: str
    grant: Grant
    adopted: Adopted | None = None


async def reserve(
    engine: Engine, checked: Checked, wish: Wish, ticket: Ticket
) -> tuple[Session, ...]:
    """The sessions, each either about to start or in the queue."""
    room = engine.room
    async with room.lock:
        if checked.adopted:  # somebody may have been faster since it was looked at
            require_unused(engine, checked.project, checked.adopted.branch)
        line = team_of(engine.records).line()
        ids = {checked.project.id, *(one.project for one in line)}
        limits = await room.measure(engine.projects, ids)
        made = await _reserved(engine, checked, wish, ticket, limits)
        for session in made:
            hold(engine, session, checked.project, checked.grant)
    return made


def hold(engine: Engine, session: Session, project: Project, grant: Grant) -> None:
    """Keep what its client gave it, for as long as this engine lives."""
    engine.grants[session.id] = grant
    if is_waiting(session):
        engine.room.views[session.id] = project


async def _reserved(
    engine: Engine, checked: Checked, wish: Wish, ticket: Ticket, limits: Limits
) -> tuple[Session, ...]:
    prefix = checked.project.prefix
    for _ in range(_ATTEMPTS):
        counter = await engine.records.store.read(COUNTER, prefix)
        number = counter.value.value if counter else 0
        new = [_session(engine, checked, wish, number + 1 + one) for one in range(wish.copies)]
        count = Put(
            COUNTER, prefix, Counter(prefix, number + wish.copies),
            counter.revision if counter else 0,
        )  # fmt: skip
        made, changes, events = _let_in(engine, _grouped(new), limits, checked.base_commit)
        used = ticket.used_for(made[0].id)
        try:
            await engine.records.commit([*changes, count, *used], events)
        except Conflict:
            continue
        return made
    raise Conflict("Too many sessions are being started at once.", hint="Try again.")


def _grouped(new: Sequence[Session]) -> list[Session]:
    group = new[0].id if len(new) > 1 else None
    return [replace(one, group=group) for one in new]


def _let_in(
    engine: Engine, new: Sequence[Session], limits: Limits, base_commit: str
) -> tuple[tuple[Session, ...], list[Change], list[NewEvent]]:
    """Put them at the end of the queue, and take out of it whoever need not wait."""
    before = team_of(engine.records)
    first = before.next_number()
    new = [replace(one, queued=first + count) for count, one in enumerate(new)]
    team = Team({**before.sessions, **{one.id: one for one in new}}, before.evidence)
    admitted = {one.id for one in upcoming(team, limits)}
    made = tuple(begun(engine, one, base_commit) if one.id in admitted else one for one in new)
    team = Team({**team.sessions, **{one.id: one for one in made}}, team.evidence)
    changes: list[Change] = [Put(SESSION, one.id, one, 0) for one in made]
    for one in made:
        changes += [] if is_waiting(one) else [start_of(engine, one)]
    return made, changes, [_told(team, limits, one) for one in made]


def begun(engine: Engine, session: Session, base_commit: str = "") -> Session:
    """The same, out of the queue. Without a commit it begins at its base as that is by then."""
    now = engine.clock.now()
    facts = SessionFacts(SessionState.NOT_STARTED, SessionReason.SPAWN_REQUESTED, now)
    return replace(session, facts=facts, queued=0, started=now, base_commit=base_commit)


def start_of(engine: Engine, session: Session) -> Change:
    """The intent to start it, to be committed together with what says so."""
    return engine.intents.beginning(IntentKind.SPAWN, session.id, "1")


def _told(team: Team, limits: Limits, session: Session) -> NewEvent:
    return in_line(team, limits, session) if is_waiting(session) else announced(session)


def in_line(team: Team, limits: Limits, session: Session) -> NewEvent:
    """It waits: at which place, and for what."""
    text = f"place {team.place(session)}: {waits_for(team, limits, session)}"
    return NewEvent(EventKind.SESSION_QUEUED, Said(text), session.project, session.id)


def announced(session: Session) -> NewEvent:
    """It begins."""
    body = Started(session.title, session.agent, session.issue, session.branch)
    return NewEvent(EventKind.SESSION_SPAWN_STARTED, body, session.project, session.id)


def _session(engine: Engine, checked: Checked, wish: Wish, number: int) -> Session:
    project, issue, known = checked.project, checked.issue, checked.adopted
    id = session_id(f"{project.prefix}-{number}")
    hint = wish.branch or (issue.branch_name if issue else None)
    now = engine.clock.now()
    return Session(
        id=id,
        project=project.id,
        created_at=now,
        title=_title(wish, issue),
        agent=checked.agent,
        runtime=checked.runtime,
        workspace=project.workspace.name,
        facts=SessionFacts(SessionState.NOT_STARTED, SessionReason.QUEUED, now),
        issue=issue.id if issue else None,
        prompt=wish.prompt,
        model=wish.model or project.settings.model,
        drive=checked.drive,
        permissions=wish.permissions or project.settings.permissions,
        branch=known.branch if known else new_branch(id, hint),
        adopted=known is not None,
        pull=wish.pull,
        commits=(known.tip,) if known and known.tip != known.base_commit else (),
        base=checked.base,
        base_commit=known.base_commit if known else "",
        generation=1,
        credentials=checked.grant.credentials,
        after=unique(wish.after),
        budget=wish.budget.over(project.settings.budget),
    )


def unique(ids: Iterable[SessionId]) -> tuple[SessionId, ...]:
    """Each once, in order."""
    return tuple(dict.fromkeys(ids))


def _title(wish: Wish, issue: Issue | None) -> str:
    text = issue.title if issue else (wish.prompt or "").strip().splitlines()[0]
    return visible(text, 80)
