"""Workspaces as git work trees. https://git-scm.com/docs/git-worktree

Each is locked with a reason that names home and session: only the home that made it removes it.
`/.ao/` is kept out by one line in the repository's own `info/exclude`: a setting per work tree
would change the repository's format and shadow the person's own exclude file.
"""

from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.to_thread

from ao_core.errors import AoError, CommandFailed, ConfigError, NotFound, WrongState
from ao_core.files import in_our_words
from ao_core.git.answers import Registered
from ao_core.git.repository import Git
from ao_core.git.salvage import has_unsaved
from ao_core.ids import branch_name, session_id
from ao_core.plugin import Config, Manifest, Scope
from ao_core.process import Run
from ao_core.slots.workspace import Checkout, Plan, Workspace, leaving
from ao_plugins._exclude import keep_out
from ao_plugins._marked import clear, move
from ao_plugins._spares import Spares
from ao_plugins._trees import HALF, HALF_MADE, base_commit, gone, remove, remove_folder


class WorktreeConfig(Config):
    """Nothing to set yet."""


class Worktree(Workspace[WorktreeConfig], Spares):
    """A git work tree and a branch for each session."""

    manifest = Manifest("worktree", "workspace", "A git work tree for each session", "1.0.0")
    config_type = WorktreeConfig

    def __init__(self, config: WorktreeConfig, scope: Scope) -> None:
        super().__init__(config, scope)
        Spares.__init__(self, scope.home)

    async def create(self, plan: Plan, run: Run) -> Checkout:
        """Make it on a new branch from `plan.start`; adopt it if this very plan was made before."""
        git = Git(run, plan.repository)
        _check(plan)
        await self.go_on_taking(git, plan)
        found = await _at(git, plan.path)
        if found and found.branch == plan.branch and await self._finished(git, found):
            return await self._checkout(git, plan)
        if found and self._owned(found) and await gone(found):
            await _forget(git, found)  # somebody took it away, and its branch
            found = None
        await _require_free(git, plan, found)
        base = plan.start or await base_commit(git, plan.base)
        if found:
            await _undo_half(git, plan, found, base)
        exists = await git.branch_tip(plan.branch) is not None
        if exists and not found:
            raise await _taken(git, plan)
        await self._add(git, plan, None if exists else base)
        return Checkout(plan.path, plan.branch, plan.session, plan.project, base, base)

    async def destroy(self, checkout: Checkout, run: Run, *, saved: str | None = None) -> None:
        """Remove directory and registration; refuses what is not ours or not saved."""
        here = await anyio.Path(checkout.path / ".git").is_file()
        place = checkout.path if here else self.scope.repository
        if place is None:
            return
        main = Git(run, (await Git(run, place).worktrees())[0].path)
        found, left = await _at(main, checkout.path), leaving(checkout.path)
        if (found is None or not here) and await anyio.Path(checkout.path).exists():
            raise _not_ours(checkout.path) if found is None else _no_tree(checkout.path)
        if found is not None:
            await self._require_ours(main, checkout, found)
            if here and await has_unsaved(run, checkout.path, saved=saved):
                hint = "Save it first: `kill` does, and names the ref it is saved under."
                raise WrongState(f"{checkout.path} holds work that is not saved", hint=hint)
            if here:  # in one step: nobody ever takes what is half removed for the work
                await clear(left)
                await move(checkout.path, left)
            await remove(main, checkout.path)
        if checkout.path.name == checkout.session:
            await clear(left)

    async def list(self, plan_root: Path, repository: Path, run: Run) -> Sequence[Checkout]:
        """Every workspace of this home under the project's root."""
        root = await anyio.Path(plan_root).resolve()
        found = await Git(run, repository).worktrees()
        ours = [one for one in found if one.path.parent == Path(root) and self._owned(one)]
        there = [one for one in ours if not await gone(one)]
        of = self.scope.project or ""
        return tuple(
            Checkout(one.path, one.branch or "", one.path.name, of, "", one.head or "")
            for one in there
        )

    async def exists(self, path: Path, run: Run) -> bool:
        """Whether a usable workspace is there."""
        here, real = await anyio.Path(path / ".git").is_file(), await anyio.Path(path).resolve()
        try:
            return here and await Git(run, path).toplevel() == Path(real)
        except (CommandFailed, ConfigError):
            return False

    async def restore(self, plan: Plan, run: Run) -> Checkout:
        """Make it again for a branch that exists; never moves the branch."""
        git = Git(run, plan.repository)
        _check(plan)
        await self.go_on_taking(git, plan)
        found = await _at(git, plan.path)
        if found and await self._finished(git, found):
            return await self._checkout(git, plan)
        if found and self._owned(found):
            await _require_kept(git, found)
            await _forget(git, found)
            found = None
        await _require_free(git, plan, found)
        if await git.branch_tip(plan.branch) is None:
            hint = "`git branch` lists the branches; saved work is under refs/ao."
            raise NotFound(f"branch {plan.branch} does not exist", hint=hint)
        if await git.checked_out_at(plan.branch):
            raise await _taken(git, plan)
        await self._add(git, plan)
        return await self._checkout(git, plan)

    async def _add(self, git: Git, plan: Plan, base: str | None = None) -> None:
        """Make it, with its branch where a base is given; or leave neither."""
        await anyio.to_thread.run_sync(keep_out, await git.common_dir())
        with in_our_words(plan.root, "made"):
            await anyio.Path(plan.root).mkdir(parents=True, exist_ok=True, mode=0o700)
        # `--no-track` writes no configuration, whose lock parallel calls would fight for
        new = ["--no-track", "-b", plan.branch] if base else []
        try:
            await self.register(git, "add", *HALF, *new, "--", str(plan.path), base or plan.branch)
            await Git(git.run, plan.path).check_out()  # the long part: others may register
            await self.register(git, "unlock", str(plan.path))
            await self._lock(git, plan.path)
        except BaseException as exc:  # cancelled, too: nothing half made stays
            with anyio.CancelScope(shield=True):
                await _take_back(git, plan, base, exc)
            raise

    async def _lock(self, git: Git, path: Path) -> None:
        await self.register(git, "lock", "--reason", self.reason(path.name), str(path))

    async def _checkout(self, git: Git, plan: Plan) -> Checkout:
        inside = Git(git.run, plan.path)
        head = await inside.head() or ""
        branch = await inside.current_branch() or plan.branch
        base = await git.resolve(plan.base)
        parted = await git.merge_base(head, base) if head and base else None
        return Checkout(plan.path, branch, plan.session, plan.project, parted or "", head)

    async def _finished(self, git: Git, found: Registered) -> bool:
        """Whether git made it to the end; one that lost its lock is locked again."""
        if await gone(found):
            return False
        if found.lock is None:
            await self._lock(git, found.path)
            return True
        return self._owned(found)

    async def _require_ours(self, git: Git, checkout: Checkout, found: Registered) -> None:
        begun = found.lock in (None, HALF_MADE) and found.branch == checkout.branch
        if checkout.path.name != checkout.session or not (self._owned(found) or begun):
            raise _not_ours(checkout.path)
        await _require_kept(git, found)

    def _owned(self, found: Registered) -> bool:
        return found.lock == self.reason(found.path.name)


def _check(plan: Plan) -> None:
    session_id(plan.session)
    branch_name(plan.branch)


async def _at(git: Git, path: Path) -> Registered | None:
    real = Path(await anyio.Path(path).resolve())
    return next((one for one in (await git.worktrees())[1:] if one.path == real), None)


async def _require_free(git: Git, plan: Plan, found: Registered | None) -> None:
    if found and found.lock == HALF_MADE:
        return
    if found or await anyio.Path(plan.path).exists():
        hint = "Move it away; the workspace of a session is never made over something else."
        raise WrongState(f"{plan.path} exists and is not this workspace", hint=hint)


async def _undo_half(git: Git, plan: Plan, found: Registered, base: str) -> None:
    """Take back what a crash left half made: nobody has worked in it yet."""
    if found.branch != plan.branch or found.head != base:
        hint = "Remove it with `git worktree remove --force --force` if nothing in it is needed."
        raise WrongState(f"{plan.path} is half made, by something else", hint=hint)
    await remove_folder(git, plan.path)


async def _take_back(git: Git, plan: Plan, base: str | None, exc: BaseException) -> None:
    """Undo what was made of it; where that fails, too, the reason to tell is the first one."""
    try:
        if await _at(git, plan.path):
            await remove(git, plan.path)
        if base:
            await git.drop_branch(plan.branch, base)
    except AoError as left:
        exc.add_note(f"{plan.path} is left half made: {left.message}")


async def _taken(git: Git, plan: Plan) -> WrongState:
    holder = await git.checked_out_at(plan.branch)
    where = f" and is checked out at {holder.path}" if holder else ""
    hint = "Choose another branch name; an existing one is never taken over."
    if holder and (holder.lock or "").endswith(f" {plan.session}"):
        hint = f"`git worktree move -f -f {holder.path} {plan.path}` brings it back."
    return WrongState(f"branch {plan.branch} exists{where}", hint=hint)


async def _forget(git: Git, found: Registered) -> None:
    """Have git forget a work tree that is not there any more."""
    if await anyio.Path(found.path).exists():
        raise _no_tree(found.path)
    await remove(git, found.path)


async def _require_kept(git: Git, found: Registered) -> None:
    """Refuse to forget a vanished work tree whose last commit nothing else holds."""
    if found.branch or not found.head or not await gone(found):
        return
    if not (await git.call("for-each-ref", "--count=1", f"--contains={found.head}")).stdout:
        hint = f"Keep it with `git branch <name> {found.head}`."
        raise WrongState(f"{found.path} is gone, but not its last commit", hint=hint)


def _no_tree(path: Path) -> WrongState:
    hint = "Take out of it what you need, and remove it by hand."
    return WrongState(f"{path} is no work tree of git any more, and is left alone", hint=hint)


def _not_ours(path: Path) -> WrongState:
    hint = "`git worktree list` tells whose it is; remove it by hand if you no longer need it."
    return WrongState(f"{path} is not a workspace of this home", hint=hint)
