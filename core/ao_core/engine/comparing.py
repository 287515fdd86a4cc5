"""What the copies of a task came to, side by side, for whoever chooses one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

from ao_core.engine.engine import Engine
from ao_core.engine.evidence import verdict_of
from ao_core.engine.queue import spare
from ao_core.engine.room import team_of
from ao_core.engine.side import git_for, head_of
from ao_core.engine.waiting import by_number
from ao_core.errors import BadRequest
from ao_core.git.answers import Changed
from ao_core.ids import SessionId
from ao_core.model.session import (
    Session,
    SessionState,
    derive_status,
    is_terminal,
    is_waiting,
)
from ao_core.redact import visible

_MOST = 20  # sessions
_FILES = 50
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Compared:
    """One session's work. `seconds` is how long it was at it, until it rested or ended."""

    session: Session
    verdict: str
    commits: int
    files: tuple[Changed, ...]
    uncommitted: int
    seconds: float | None

    @property
    def added(self) -> int:
        """Lines that are new."""
        return sum(one.added or 0 for one in self.files)

    @property
    def removed(self) -> int:
        """Lines that are gone."""
        return sum(one.removed or 0 for one in self.files)


async def compare(engine: Engine, ids: Sequence[SessionId]) -> Sequence[Compared]:
    """Sessions side by side; one alone stands for all that were given the same task with it."""
    sessions = [engine.session(id) for id in dict.fromkeys(ids)]
    if len(sessions) == 1:
        sessions = sorted([*sessions, *team_of(engine.records).copies(sessions[0])], key=by_number)
    if not 1 < len(sessions) <= _MOST:
        raise BadRequest(
            f"From 2 to {_MOST} sessions can be compared, and this is {len(sessions)}.",
            hint="Name several, or one that was started with `copies`.",
        )
    found: dict[SessionId, Compared] = {}
    limit = anyio.Semaphore(_AT_ONCE)

    async def look(session: Session) -> None:
        async with limit:
            found[session.id] = await _compared(engine, session)

    async with anyio.create_task_group() as tasks:
        for session in sessions:
            tasks.start_soon(look, session)
    return [found[session.id] for session in sessions]


async def _compared(engine: Engine, session: Session) -> Compared:
    project = await engine.project_of(session)
    head = await head_of(project, session) if session.base_commit else None
    files: tuple[Changed, ...] = ()
    commits = 0
    if head is not None:
        git = git_for(project, project.repository)
        files = await git.numstat(session.base_commit, head)
        commits = len(await git.log(session.base_commit, head))
    verdict = verdict_of(engine.records, session.id)
    dirty = 0
    if session.path and await anyio.Path(session.path).exists():
        dirty = len(await git_for(project, Path(session.path)).status())
    return Compared(session, verdict, commits, files, dirty, _seconds(engine, session))


def _seconds(engine: Engine, session: Session) -> float | None:
    began = session.started or session.created_at
    if is_waiting(session) or (is_terminal(session) and session.queued):
        return None
    rests = is_terminal(session) or session.facts.state is SessionState.IDLE
    until = session.facts.since if rests else engine.clock.now()
    return max(0.0, (until - began).total_seconds())


def advice(engine: Engine, compared: Sequence[Compared]) -> str:
    """What is left to do about them, once one of them is merged."""
    return spare(team_of(engine.records), compared[0].session)


def told(engine: Engine, compared: Sequence[Compared]) -> str:
    """All of it as text."""
    blocks = [_block(one) for one in compared]
    return "\n\n".join([*blocks, *filter(None, [advice(engine, compared)])])


def _block(one: Compared) -> str:
    session, usage = one.session, one.session.usage
    took = "not started" if one.seconds is None else f"{one.seconds:.0f} s"
    tokens = "unknown" if usage.tokens is None else str(usage.tokens)
    cost = "unknown" if usage.cost_usd is None else f"${usage.cost_usd:.4f}"
    head = (
        f"{session.id} ({session.agent}): {derive_status(session)}, evidence {one.verdict},"
        f" {one.commits} commits, {len(one.files)} files +{one.added} -{one.removed},"
        f" {one.uncommitted} changes not committed, {took}, tokens {tokens}, cost {cost}"
    )
    return "\n".join([head, *(f"  {line_of(file)}" for file in one.files[:_FILES])])


def line_of(file: Changed) -> str:
    """A file, and by how much it differs."""
    if file.added is None:
        return f"{visible(file.path, 200)} (no text)"
    return f"{visible(file.path, 200)} +{file.added} -{file.removed}"
