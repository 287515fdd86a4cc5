"""What a worker showed and said last, kept when its agent is ended and its place is cleared away.

It is for reading only, is bounded, and goes with the other records of workers that ended long ago.
"""

import logging
from pathlib import Path
from typing import cast

import anyio
import anyio.to_thread

from ao_core.drive.transcript import Part, rendered
from ao_core.engine.conversed import conversed
from ao_core.engine.engine import Engine
from ao_core.engine.launching import launch_of
from ao_core.engine.project import Project
from ao_core.errors import AoError
from ao_core.files import private_dir, write_atomic
from ao_core.model.session import Drive, Session
from ao_core.redact import visible
from ao_core.slots.agent import Turn
from ao_core.slots.runtime import Typable

FOLDER = "ended"
_log = logging.getLogger(__name__)
_LINES, _TURNS = 500, 100
_LONGEST = 100_000
_PATIENCE = 5.0
_SPOKEN = (Part.USER, Part.AGENT)


async def screen(engine: Engine, session: Session) -> str:
    """What its terminal shows, or once that is gone, showed last; by protocol, what was said."""
    if session.run.handle is None:
        return ""
    if session.drive is Drive.PROTOCOL:
        return visible(rendered(await conversed(engine, session)), _LONGEST * 10)
    runtime = await engine.runtime_of(session)
    try:
        if isinstance(runtime, Typable):
            shown = await cast("Typable", runtime).screen(session.run.handle)
        else:
            shown = await runtime.output(session.run.handle, _LINES)
    except AoError:
        kept = await _kept(engine, session, "screen")
        if kept is None:
            raise
        return kept
    return visible(shown, _LONGEST)


async def turns(engine: Engine, session: Session) -> str:
    """What was said to it and by it; once its own log is gone, as it was last."""
    project = await engine.project_of(session)
    if session.drive is Drive.PROTOCOL:
        items = [one for one in await conversed(engine, session) if one.part in _SPOKEN]
        said = "\n\n".join(f"{one.part}: {one.text}" for one in items)
    else:
        agent = await engine.agent_of(session)
        found = await agent.turns(launch_of(engine, project, session), _TURNS)
        said = "\n\n".join(map(_told, found))
    return visible(said, _LONGEST * 10) or await _kept(engine, session, "turns") or ""


def _told(turn: Turn) -> str:
    """A message, and the tools that were used in it."""
    return "\n".join([f"{turn.role}: {turn.text}", *(f"  > {one}" for one in turn.tools)])


async def keep(engine: Engine, project: Project, session: Session) -> None:
    """Note it before the agent goes; nobody's end waits for it for long. A protocol has its log."""
    told = session.drive is Drive.PROTOCOL
    if told or session.run.handle is None or session.workspace_gone:
        return
    try:
        with anyio.move_on_after(_PATIENCE):
            found = {"screen": await screen(engine, session), "turns": await turns(engine, session)}
            await anyio.to_thread.run_sync(_write, project.home.path, session.id, found)
    except Exception as exc:  # an agent of anybody's, at its end
        _log.info("what %s showed last is not kept: %s", session.id, exc)


def _write(home: Path, session: str, found: dict[str, str]) -> None:
    folder = private_dir(private_dir(home / FOLDER) / session)
    for name, text in found.items():
        if text:
            write_atomic(folder / f"{name}.txt", text[-_LONGEST:], durable=False)


async def _kept(engine: Engine, session: Session, what: str) -> str | None:
    project = await engine.project_of(session)
    file = anyio.Path(project.home.path) / FOLDER / session.id / f"{what}.txt"
    if not await file.exists():
        return None
    return visible(await file.read_text(errors="replace"), _LONGEST)
