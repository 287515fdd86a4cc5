"""Merge the work of one session into its target, or say what stands in the way."""

from dataclasses import dataclass, replace
from pathlib import Path

import anyio

from ao_core.engine.case import Observation
from ao_core.engine.decide import decide
from ao_core.engine.engine import Engine
from ao_core.engine.evidence import lapsing
from ao_core.engine.project import Project
from ao_core.engine.records import Step
from ao_core.engine.side import collected, git_for, head_of
from ao_core.errors import AoError
from ao_core.ids import SessionId
from ao_core.model.event import EventKind, Merged, NewEvent
from ao_core.model.session import Session, SessionState, is_terminal
from ao_core.model.work import Landed, Landing, Mergeability, MergeMethod, Pull, PullState
from ao_core.redact import visible
from ao_core.slots.scm import WorkRef
from ao_core.store.records import SESSION, IntentKind, Outcome


@dataclass(frozen=True, slots=True)
class Report:
    """What a merge did, or would do."""

    session: Session
    target: str
    method: MergeMethod
    landed: Landed
    pull: Pull | None = None
    dry_run: bool = False


_BUSY = {
    SessionState.NOT_STARTED: "it has not started yet",
    SessionState.WORKING: "it is still working; wait until its turn has ended",
    SessionState.NEEDS_INPUT: "it waits for an answer",
}


def work_of(session: Session) -> WorkRef:
    """The session's work, as a source host needs to know it."""
    return WorkRef(
        session.id, session.branch, session.base, session.base_commit, session.title,
        session.path, session.commits,
    )  # fmt: skip


async def merge(engine: Engine, id: SessionId, method: MergeMethod, *, dry_run: bool) -> Report:
    """Merge one session. Whatever the outcome, nothing is forced and nothing is lost."""
    engine.session(id)
    return await engine.detached(lambda: _judged(engine, id, method, dry_run=dry_run))


async def _judged(engine: Engine, id: SessionId, method: MergeMethod, *, dry_run: bool) -> Report:
    async with engine.alone(id):
        session = await look_at_head(engine, id)
        project = await engine.project_of(session)
        pull = await project.scm.find(work_of(session))
        if pull is not None and pull.state is PullState.MERGED:
            return await _already(engine, project, session, pull, method)
        judged = await project.scm.mergeability(pull, method) if pull else None
        blockers = await _blockers(project, session, judged)
        if pull is None or blockers or dry_run:
            landed = _unmoved(judged, blockers)
            return Report(session, session.base, method, landed, pull, dry_run)
        return await _merge(engine, project, session, pull, method)


def _unmoved(judged: Mergeability | None, blockers: tuple[str, ...]) -> Landed:
    if judged is not None and judged.conflicts:
        return Landed(Landing.CONFLICT, blockers=blockers, conflicts=judged.files)
    return Landed(Landing.READY, blockers=blockers)


async def look_at_head(engine: Engine, id: SessionId) -> Session:
    """Record the session's last commit before it is judged."""
    session = engine.session(id)
    project = await engine.project_of(session)
    head = await head_of(project, session)

    def step(now: Session) -> Step:
        decided = decide(replace(now), Observation(engine.clock.now(), head=head), engine.policy)
        known = decided.session if not is_terminal(now) else _recorded(now, head)
        known, lapsed, news = lapsing(engine.records, known, head)
        return Step(known, (*decided.events, *news), tuple(lapsed))

    return await engine.records.update(SESSION, id, step)


def _recorded(session: Session, head: str | None) -> Session:
    if head is None or head in session.commits or head == session.base_commit:
        return session
    return replace(session, commits=(*session.commits, head))


async def _blockers(
    project: Project, session: Session, judged: Mergeability | None
) -> tuple[str, ...]:
    found: list[str] = []
    if session.facts.state in _BUSY:
        found.append(_BUSY[session.facts.state])
    if await _has_workspace(session):
        if why := await collected(project, session):
            found.append(why)
        dirty = await git_for(project, Path(session.path)).status()
        if dirty:
            found.append(f"{len(dirty)} changes in its workspace are not committed")
    if judged is None:
        return (*found, f"its branch has no commits that {session.base} lacks")
    return (*found, *judged.blockers)


async def _has_workspace(session: Session) -> bool:
    gone = session.workspace_gone or not session.path
    return not gone and await anyio.Path(session.path).exists()


async def _already(
    engine: Engine, project: Project, session: Session, pull: Pull, method: MergeMethod
) -> Report:
    session = await seen(engine, session.id, pull)
    landed = Landed(Landing.ALREADY, commit=pull.merged_as or pull.head)
    return Report(session, session.base, method, landed, pull)


async def seen(engine: Engine, id: SessionId, pull: Pull) -> Session:
    """Take in how a pull request stands."""

    def step(now: Session) -> Step:
        decided = decide(now, Observation(engine.clock.now(), pull=pull), engine.policy)
        return Step(decided.session, decided.events)

    return await engine.records.update(SESSION, id, step)


async def _merge(
    engine: Engine, project: Project, session: Session, pull: Pull, method: MergeMethod
) -> Report:
    intent = await engine.intents.begin(IntentKind.MERGE, session.id, f"{pull.head}-{session.base}")
    try:
        message = f"{visible(session.title, 72)}\n\nAO-Session: {session.id}\n"
        landed = await project.scm.merge(pull, method, message=message)
    except AoError as exc:
        await engine.intents.end(intent.id, Outcome.FAILED, exc.code)
        raise
    session = await _told(engine, session.id, method, landed)
    if landed.landing in (Landing.LANDED, Landing.ALREADY):
        done = replace(pull, state=PullState.MERGED, merged_as=landed.commit)
        session = await seen(engine, session.id, done)
    await engine.intents.end(intent.id, Outcome.DONE, str(landed.landing))
    return Report(session, session.base, method, landed, pull)


_TOLD = {
    Landing.LANDED: EventKind.MERGE_COMPLETED,
    Landing.ALREADY: EventKind.MERGE_COMPLETED,
    Landing.READY: EventKind.MERGE_BLOCKED,
    Landing.CONFLICT: EventKind.MERGE_CONFLICTS,
}


async def _told(engine: Engine, id: SessionId, method: MergeMethod, landed: Landed) -> Session:
    def step(now: Session) -> Step:
        body = Merged(
            now.base, method, landed.commit, landed.ref, landed.blockers, landed.conflicts
        )
        kind = _TOLD[landed.landing]
        merged_as = landed.commit if kind is EventKind.MERGE_COMPLETED else now.merged_as
        event = NewEvent(kind, body, now.project, now.id)
        return Step(replace(now, merged_as=merged_as), (event,))

    return await engine.records.update(SESSION, id, step)
