"""What a merge has to know of each session before anything happens, and what stands in its way."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
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
from ao_core.errors import BadRequest
from ao_core.git.origin import REMOTE
from ao_core.git.upstream import fetched
from ao_core.ids import SessionId
from ao_core.model.session import Session, SessionState, is_terminal
from ao_core.model.work import Pull, PullState
from ao_core.redact import visible
from ao_core.slots.scm import WorkRef
from ao_core.store.records import SESSION

_BUSY = {
    SessionState.NOT_STARTED: "it has not started yet",
    SessionState.WORKING: "it is still working; wait until its turn has ended",
    SessionState.NEEDS_INPUT: "it waits for an answer",
}


def work_of(session: Session) -> WorkRef:
    """The session's work, as a source host needs to know it."""
    return WorkRef(
        session.id, session.branch, session.base, session.base_commit, session.title,
        session.path, session.commits, session.pull,
    )  # fmt: skip


def together(engine: Engine, ids: Sequence[SessionId]) -> tuple[Session, ...]:
    """The sessions that are to be merged in one go, each once; raises where they cannot be."""
    sessions = tuple(engine.session(id) for id in dict.fromkeys(ids))
    if not sessions:
        raise BadRequest("No session is named.", hint="Name those whose work is to be merged.")
    if len({one.project for one in sessions}) > 1:
        raise _apart("projects", [(one.project, one.id) for one in sessions])
    if len({one.base for one in sessions}) > 1:
        raise _apart("branches", [(one.base, one.id) for one in sessions])
    return sessions


def _apart(what: str, pairs: Sequence[tuple[str, str]]) -> BadRequest:
    groups = {key: ", ".join(id for its, id in pairs if its == key) for key, _ in pairs}
    shown = "; ".join(f"{visible(key, 100)}: {ids}" for key, ids in groups.items())
    return BadRequest(
        f"These are merged into different {what}: {shown}.",
        hint="Merge those of each by themselves.",
    )


@asynccontextmanager
async def all_alone(engine: Engine, sessions: Sequence[Session]) -> AsyncGenerator[None]:
    """While nobody else starts, ends or merges any of them; always asked for in one order."""
    async with AsyncExitStack() as locks:
        for id in sorted(one.id for one in sessions):
            await locks.enter_async_context(engine.alone(id))
        yield


@dataclass(frozen=True, slots=True)
class Candidate:
    """A session as it stands before its work is merged; without `blockers` it may go."""

    session: Session
    pull: Pull | None = None
    blockers: tuple[str, ...] = ()

    @property
    def merged(self) -> bool:
        """Whether it has been merged before."""
        return self.pull is not None and self.pull.state is PullState.MERGED


async def candidate(engine: Engine, project: Project, id: SessionId) -> Candidate:
    """Look at a session and its work; what its host objects to is asked elsewhere."""
    session = await look_at_head(engine, id)
    pull = await project.scm.find(work_of(session))
    if pull is not None:
        session = await seen(engine, id, pull)
    found = Candidate(session, pull)
    return found if found.merged else replace(found, blockers=await _blockers(project, found))


async def look_at_head(engine: Engine, id: SessionId) -> Session:
    """Record the session's last commit before it is judged."""
    session = engine.session(id)
    project = await engine.project_of(session)
    head = await head_of(project, session)

    def step(now: Session) -> Step:
        decided = decide(
            replace(now), Observation(engine.clock.now(), head=head), engine.policy_of(now)
        )
        known = decided.session if not is_terminal(now) else _recorded(now, head)
        known, lapsed, news = lapsing(engine.records, known, head)
        return Step(known, (*decided.events, *news), tuple(lapsed))

    return await engine.records.update(SESSION, id, step)


def _recorded(session: Session, head: str | None) -> Session:
    if head is None or head in session.commits or head == session.base_commit:
        return session
    return replace(session, commits=(*session.commits, head))


async def _blockers(project: Project, found: Candidate) -> tuple[str, ...]:
    session, blockers = found.session, list[str]()
    if why := is_busy(session):
        blockers.append(why)
    if await has_workspace(session):
        if why := await collected(project, session):
            blockers.append(why)
        dirty = await git_for(project, Path(session.path)).status()
        if dirty:
            blockers.append(f"{len(dirty)} changes in its workspace are not committed")
    if found.pull is None:
        blockers.append(_nothing(project, session))
    elif project.scm.remote and await _is_unpushed(project, session, found.pull):
        blockers.append("its last commits are not pushed, so its pull request lacks them")
    return tuple(blockers)


def _nothing(project: Project, session: Session) -> str:
    if project.scm.remote:
        return f"it has no pull request: its branch {session.branch} has to be pushed first"
    return f"its branch has no commits that {session.base} lacks"


async def _is_unpushed(project: Project, session: Session, pull: Pull) -> bool:
    """Whether there is more here than there; the host may have added what is not here."""
    git = git_for(project, project.repository)
    tip = await git.branch_tip(session.branch)
    if tip is None or tip == pull.head or pull.foreign:
        return False
    if await git.resolve(pull.head) is None:
        await fetched(git, session.branch, project.scm.remote or REMOTE)
    return not await git.is_ancestor(tip, pull.head)


def is_busy(session: Session) -> str | None:
    """Why its work cannot be touched now, if so."""
    return _BUSY.get(session.facts.state)


async def has_workspace(session: Session) -> bool:
    """Whether its files are there."""
    gone = session.workspace_gone or not session.path
    return not gone and await anyio.Path(session.path).exists()


async def seen(engine: Engine, id: SessionId, pull: Pull) -> Session:
    """Take in how a pull request stands."""

    def step(now: Session) -> Step:
        decided = decide(now, Observation(engine.clock.now(), pull=pull), engine.policy_of(now))
        return Step(decided.session, decided.events)

    return await engine.records.update(SESSION, id, step)
