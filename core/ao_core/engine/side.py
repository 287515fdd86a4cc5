"""Side commands of a session: git and gates, through its runtime's `exec`."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Unpack, cast

from anyio import to_thread

from ao_core.engine.project import Project
from ao_core.errors import AoError
from ao_core.git.repository import Git
from ao_core.model.session import RuntimeHandle, Session
from ao_core.process import DEFAULT_DEADLINE, OUTPUT_LIMIT, Completed, How, Run
from ao_core.slots.runtime import Runtime, Where
from ao_core.slots.workspace import Apart, Checkout

_log = logging.getLogger(__name__)


def run_in(project: Project, workspace: Path, handle: RuntimeHandle | None = None) -> Run:
    """A `run` whose commands go through the project's runtime."""
    return run_through(project.runtime, workspace, handle)


def gently(run: Run) -> Run:
    """The same, behind everything else that the machine does."""

    async def behind(argv: Sequence[str], **how: Unpack[How]) -> Completed:
        return await run(["nice", "-n", "19", *argv], **how)

    return behind


def run_through(runtime: Runtime[Any], folder: Path, handle: RuntimeHandle | None = None) -> Run:
    """The same, where there is no project yet."""
    where = Where(folder, handle)

    async def through_runtime(
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        deadline: float = DEFAULT_DEADLINE,
        stdin: bytes | None = None,
        limit: int = OUTPUT_LIMIT,
        last: bool = False,
    ) -> Completed:
        place = Where(cwd, handle) if cwd else where
        return await runtime.exec(place, argv, env, deadline, stdin=stdin, limit=limit, last=last)

    return through_runtime


def git_for(project: Project, path: Path) -> Git:
    """Git in one folder of the project."""
    return Git(run_in(project, path), path)


async def head_of(project: Project, session: Session) -> str | None:
    """The session's last commit, read from its branch."""
    if not session.branch:
        return None
    await collected(project, session)
    return await git_for(project, project.repository).resolve(f"refs/heads/{session.branch}")


async def collected(project: Project, session: Session) -> str | None:
    """Have the project's repository know what was committed in a clone; or why it does not."""
    workspace, path = project.workspace, Path(session.path)
    if not isinstance(workspace, Apart) or not session.path or session.workspace_gone:
        return None
    checkout = Checkout(path, session.branch, session.id, project.id)
    try:
        await cast("Apart", workspace).collect(checkout, run_in(project, project.repository))
    except AoError as exc:
        _log.warning("the commits of %s stay in its clone: %s", session.id, exc.message)
        return exc.message
    return None


async def has_left(project: Project, session: Session, commit: str) -> bool:
    """Whether the session's branch seems to be at another commit, by git's files alone.

    Where refs are kept in another way, nothing is seen.
    """
    ref = f"refs/heads/{session.branch}"
    apart = isinstance(project.workspace, Apart) and not session.workspace_gone
    common = Path(session.path) / ".git" if apart else project.common_dir
    return await to_thread.run_sync(_has_left, common, ref, commit)


async def moved_from(common: Path, branch: str, commit: str) -> bool:
    """The same of any branch."""
    return await to_thread.run_sync(_has_left, common, f"refs/heads/{branch}", commit)


def _has_left(common: Path, ref: str, commit: str) -> bool:
    try:
        return (common / ref).read_text().strip() != commit
    except (OSError, ValueError):  # packed away, perhaps
        return _packed(common, ref) not in (None, commit)


def _packed(common: Path, ref: str) -> str | None:
    with suppress(OSError, ValueError), (common / "packed-refs").open() as lines:
        return next((line[: -len(ref) - 2] for line in lines if line.endswith(f" {ref}\n")), None)
    return None
