"""Side commands of a session: git and gates, through its runtime's `exec`."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from anyio import to_thread

from ao_core.engine.project import Project
from ao_core.git.repository import Git
from ao_core.model.session import RuntimeHandle, Session
from ao_core.process import DEFAULT_DEADLINE, OUTPUT_LIMIT, Completed, Run
from ao_core.slots.runtime import Runtime, Where


def run_in(project: Project, workspace: Path, handle: RuntimeHandle | None = None) -> Run:
    """A `run` whose commands go through the project's runtime."""
    return run_through(project.runtime, workspace, handle)


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
    return await git_for(project, project.repository).resolve(f"refs/heads/{session.branch}")


async def has_left(project: Project, session: Session, commit: str) -> bool:
    """Whether the session's branch seems to be at another commit, by git's files alone.

    Where refs are kept in another way, nothing is seen.
    """
    ref = f"refs/heads/{session.branch}"
    return await to_thread.run_sync(_has_left, project.common_dir, ref, commit)


def _has_left(common: Path, ref: str, commit: str) -> bool:
    try:
        return (common / ref).read_text().strip() != commit
    except (OSError, ValueError):  # packed away, perhaps
        return _packed(common, ref) not in (None, commit)


def _packed(common: Path, ref: str) -> str | None:
    with suppress(OSError, ValueError), (common / "packed-refs").open() as lines:
        return next((line[: -len(ref) - 2] for line in lines if line.endswith(f" {ref}\n")), None)
    return None
