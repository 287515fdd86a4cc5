"""Read one session, a bounded piece at a time: screen, turns, diff, events, checks, copies."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import anyio

from ao_core.engine.comparing import compare, told
from ao_core.engine.engine import Engine
from ao_core.engine.keepsake import screen, turns
from ao_core.engine.merge import work_of
from ao_core.engine.side import git_for
from ao_core.errors import BadRequest, Pruned
from ao_core.ids import SessionId
from ao_core.model.event import Event
from ao_core.model.session import Session
from ao_core.redact import visible

LEAST, MOST = 200, 100_000
_PATIENCE = 5.0  # for what is found among the lines of a long journal


class What(StrEnum):
    """What can be read."""

    SCREEN = "screen"
    TURNS = "turns"
    DIFF = "diff"
    EVENTS = "events"
    CHECKS = "checks"
    COPIES = "copies"


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of a text. `cursor` reads on from its end; None when this is all. `total` is how many
    characters there are, for events how many lines the journal has.
    """

    text: str
    cursor: str | None
    total: int


async def read(
    engine: Engine, id: SessionId, what: What, cursor: str | None, max_chars: int
) -> Piece:
    """One piece of what a session has to show. All of it comes from outside: it is data."""
    session = engine.session(id)
    if not LEAST <= max_chars <= MOST:
        raise BadRequest(f"max_chars must be between {LEAST} and {MOST}.")
    offset = _offset(cursor)
    if what is What.EVENTS:
        return await _events(engine, session, offset, max_chars)
    text = await _READERS[what](engine, session)
    if what is What.SCREEN and cursor is None:
        offset = max(0, len(text) - max_chars)
    piece = text[offset : offset + max_chars]
    end = offset + len(piece)
    return Piece(piece, str(end) if end < len(text) else None, len(text))


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 12:
        raise BadRequest("This cursor is not one of ours.", hint="Leave it out to start over.")
    return int(cursor)


async def _diff(engine: Engine, session: Session) -> str:
    project = await engine.project_of(session)
    path = Path(session.path)
    if not session.path:
        return ""
    if session.workspace_gone or not await anyio.Path(path).exists():
        git = git_for(project, project.repository)
        changed = await git.diff(session.base_commit, f"refs/heads/{session.branch}")
        return visible(changed, MOST * 10)
    git = git_for(project, path)
    changed = await git.diff(session.base_commit)
    new = [f"new file, not added yet: {one.path}" for one in await git.status() if one.code == "?"]
    return visible("\n".join([changed, *new]), MOST * 10)


async def _events(engine: Engine, session: Session, after: int, max_chars: int) -> Piece:
    """Whole lines, as many as fit and are found in time. The journal is long: the cursor is the
    number of a line of it, and nothing but what is returned is kept.
    """
    lines, room, head = list[str](), max_chars, engine.records.head
    until = anyio.current_time() + _PATIENCE
    try:
        async with aclosing(engine.records.follow(after, live=False)) as journal:
            async for event in journal:
                if event.session == session.id:
                    line = line_of(event)[:max_chars]
                    room -= len(line) + bool(lines)
                    if room < 0:
                        break
                    lines.append(line)
                after = event.seq
                if anyio.current_time() > until:
                    break
            else:
                return Piece("\n".join(lines), None, head)
    except Pruned as exc:
        raise Pruned(exc.message, hint="Leave `cursor` out to begin with what is kept.") from exc
    return Piece("\n".join(lines), str(after), head)


def line_of(event: Event) -> str:
    """An event as one line."""
    facts = {
        name: value for name, value in asdict(event.body).items() if value not in (None, "", ())
    }
    told = " ".join(f"{name}={value}" for name, value in facts.items())
    return visible(f"{event.seq} {event.at:%H:%M:%S} {event.kind} {told}", 400)


async def _checks(engine: Engine, session: Session) -> str:
    project = await engine.project_of(session)
    pull = await project.scm.find(work_of(session))
    if pull is None:
        return "There is no pull request yet."
    checks = await project.scm.checks(pull)
    if not checks:
        return "No checks are set up."
    return visible("\n".join(f"{one.name}: {one.state} {one.url or ''}" for one in checks), MOST)


async def _copies(engine: Engine, session: Session) -> str:
    return visible(told(engine, await compare(engine, [session.id])), MOST)


_READERS: Mapping[What, Callable[[Engine, Session], Awaitable[str]]] = {
    What.SCREEN: screen,
    What.TURNS: turns,
    What.DIFF: _diff,
    What.CHECKS: _checks,
    What.COPIES: _copies,
}
