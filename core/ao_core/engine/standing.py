"""Looks whether each worker's work tree and its branch are where they belong."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from anyio import to_thread

from ao_core.engine.project import Project
from ao_core.git.footing import footing
from ao_core.ids import SessionId
from ao_core.model.session import Session, SessionState
from ao_core.model.standing import FIRM, Footing, Standing

_PASSING = 60.0  # how long one at work may be on another branch
_AT_ONCE = (Footing.FIRM, Footing.REMOVED, Footing.MOVED)


class Standings:
    """What was seen, and since when: who looks something up on another branch comes back."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._since: dict[SessionId, tuple[Standing, float]] = {}

    async def look(self, project: Project, session: Session, pid: int | None) -> Standing | None:
        """How it stands, or None where nothing is to be said, yet."""
        starts = session.facts.state is SessionState.NOT_STARTED  # it may be made at this moment
        if starts or not session.path or session.workspace_gone or not session.branch:
            return None
        found = await _found(project, session, _known(session))
        if found is not None and found.footing is Footing.REMOVED and pid is not None:
            found = await _found(project, session, await to_thread.run_sync(_folder_of, pid))
        return self._lasting(session, found)

    def forget(self, session: SessionId) -> None:
        """It has ended."""
        self._since.pop(session, None)

    def _lasting(self, session: Session, found: Standing | None) -> Standing | None:
        if found is None or found.footing in _AT_ONCE:
            self._since.pop(session.id, None)
            return found
        known, now = self._since.get(session.id), self._now()
        if known is None or known[0] != found:
            known = self._since[session.id] = (found, now)
        at_work = session.facts.state is SessionState.WORKING
        if found != session.standing and at_work and now - known[1] < _PASSING:
            return None if session.standing.is_firm else FIRM
        return found


async def place_of(project: Project, session: Session) -> Path:
    """Where its work tree is now, as far as git knows or its agent has shown."""
    if not session.path:
        return Path()
    found = await _found(project, session, _known(session))
    moved = found is not None and found.footing is Footing.MOVED
    return Path(found.where if found and moved else session.path)


async def _found(project: Project, session: Session, now: Path | None) -> Standing | None:
    path, common = Path(session.path), project.common_dir
    return await to_thread.run_sync(footing, path, session.branch, common, now)


def _known(session: Session) -> Path | None:
    """Where it was found before."""
    standing = session.standing
    return Path(standing.where) if standing.footing is Footing.MOVED else None


def _folder_of(pid: int) -> Path | None:
    """The folder a process is in."""
    import psutil

    with suppress(psutil.Error):
        return Path(psutil.Process(pid).cwd())
    return None
