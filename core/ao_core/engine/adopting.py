"""A branch that exists, to go on with: taken as it stands, never moved, and never deleted."""

from dataclasses import dataclass

from ao_core.engine.engine import Engine
from ao_core.engine.project import Project
from ao_core.engine.side import git_for
from ao_core.errors import BadRequest, WrongState
from ao_core.git.repository import Git
from ao_core.ids import branch_name


@dataclass(frozen=True, slots=True)
class Adopted:
    """A branch, where it is, and where it left its base."""

    branch: str
    tip: str
    base_commit: str


async def adopted(
    engine: Engine, project: Project, branch: str | None, base: str, *, copies: int = 1
) -> Adopted | None:
    """What is adopted by that name; None where it is no branch yet, but only a hint for one."""
    git = git_for(project, project.repository)
    tip = await git.branch_tip(branch_name(branch)) if branch else None
    if branch is None or tip is None:
        return None
    if branch == base or copies > 1:
        why = "the branch its work would go to" if branch == base else "for one worker only"
        raise BadRequest(f"{branch} exists and is {why}.", hint="Leave `branch` out.")
    require_unused(engine, project, branch)
    await _require_free(git, branch)
    onto = await engine.upstream.tip(project, base, engine.clock)
    parted = await git.merge_base(tip, onto) if onto else None
    if onto and parted is None:
        hint = "Name the `base` it was made from."
        raise BadRequest(f"{branch} and {base} have no commit in common.", hint=hint)
    return Adopted(branch, tip, parted or tip)


def require_unused(engine: Engine, project: Project, branch: str) -> None:
    """Raise where a worker is on this branch, or waits to be."""
    for session in engine.live():
        if session.project == project.id and session.branch == branch:
            hint = f"Tell it with `send`, or end it with `kill` first: {session.id}."
            raise WrongState(f"{session.id} is at work on {branch}.", hint=hint)


async def _require_free(git: Git, branch: str) -> None:
    if holder := await git.checked_out_at(branch):
        hint = "Switch to another branch there; or leave `branch` out for one of its own."
        raise WrongState(f"{branch} is checked out at {holder.path}.", hint=hint)
