"""A pull request that somebody else began, to go on with: its branch is brought here as it is."""

from dataclasses import replace
from typing import cast

from ao_core.engine.adopting import require_unused
from ao_core.engine.engine import Engine
from ao_core.engine.project import Project
from ao_core.engine.reserving import Wish
from ao_core.engine.side import git_for
from ao_core.errors import BadRequest, Conflict, Unknown, WrongState
from ao_core.git.origin import REMOTE
from ao_core.git.repository import NOTHING, Git
from ao_core.git.upstream import fetched_ref
from ao_core.ids import branch_name
from ao_core.model.work import Pull, PullState
from ao_core.slots.scm import Claimable


async def taking_over(engine: Engine, project: Project, wish: Wish) -> Wish:
    """The same wish, with the pull request's branch and base; nothing here is moved back."""
    if wish.pull is None:
        return wish
    if wish.branch or wish.copies > 1:
        raise BadRequest("A pull request has one branch, for one worker.", hint="Leave it out.")
    pull = await _open(project, wish.pull)
    branch = branch_name(f"pull/{pull.number}" if pull.foreign else pull.branch)
    require_unused(engine, project, branch)
    await _brought(project, pull, branch)
    return replace(wish, branch=branch, base=wish.base or pull.base)


def task_of(wish: Wish) -> str | None:
    """What is to be done, where only the pull request was named."""
    if wish.pull is None or wish.issue or (wish.prompt or "").strip():
        return wish.prompt
    return (
        f"Take over pull request {wish.pull}, whose branch you are on. See what it wants, what its "
        "checks and reviewers say, and bring it to where it can be merged."
    )


async def _open(project: Project, number: int) -> Pull:
    scm = project.scm
    if not isinstance(scm, Claimable):
        hint = "Set `scm:` to the host that has them."
        raise BadRequest(f"{scm.name} has no pull requests of others.", hint=hint)
    pull = await scm.get(number)
    if pull is None:
        raise Unknown(f"There is no pull request {number}.")
    if pull.state is not PullState.OPEN:
        raise WrongState(f"Pull request {number} is {pull.state} already.")
    return pull


async def _brought(project: Project, pull: Pull, branch: str) -> None:
    git = git_for(project, project.repository)
    ref = cast("Claimable", project.scm).ref_of(pull)
    head = await fetched_ref(git, ref, project.scm.remote or REMOTE)
    if head != pull.head:
        hint = "Try again."
        raise Conflict(f"Pull request {pull.number} has moved on meanwhile.", hint=hint)
    tip = await git.branch_tip(branch)
    if tip is None:
        await git.update_ref(f"refs/heads/{branch}", head, NOTHING)
    elif tip != head:
        await _forwarded(git, branch, tip, head)


async def _forwarded(git: Git, branch: str, tip: str, head: str) -> None:
    if not await git.is_ancestor(tip, head):
        hint = f"Push them, or rename it: `git branch -m {branch} <another name>`."
        raise WrongState(f"{branch} has commits here that the pull request lacks.", hint=hint)
    if await git.checked_out_at(branch) is None:  # whoever holds it is told of elsewhere
        await git.update_ref(f"refs/heads/{branch}", head, tip)
