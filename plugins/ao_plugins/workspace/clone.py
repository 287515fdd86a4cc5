"""Workspaces as clones of their own. https://git-scm.com/docs/git-clone

Objects are copied, neither linked nor borrowed: what a person's `git gc` removes, or a worker does
to its files, never reaches the other side. The branch stands in the project's repository as well,
and is brought up to date whenever the engine looks: from exactly where it was left, or not at all.
"""

from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.to_thread

from ao_core.errors import AoError, CommandFailed, ConfigError, Conflict, NotFound, WrongState
from ao_core.files import in_our_words
from ao_core.git.bring import bring
from ao_core.git.repository import LONG, NOTHING, Git
from ao_core.git.salvage import has_unsaved
from ao_core.ids import branch_name, session_id
from ao_core.plugin import Config, Manifest, Scope
from ao_core.process import Run
from ao_core.slots.workspace import Apart, Checkout, Plan, Workspace, leaving
from ao_plugins._exchange import COLLECTED, REMOTE, exchange, signature
from ao_plugins._exclude import keep_out
from ao_plugins._inherited import inherited, take_lists
from ao_plugins._marked import Mark, aside, clear, marked, move, read_mark, write_mark

_HOW = (
    "--local", "--no-hardlinks", "--dissociate", "--no-checkout", "--no-reject-shallow",
    "--no-recurse-submodules", "--quiet", "--origin", REMOTE,
)  # fmt: skip


class CloneConfig(Config):
    """Nothing to set."""


class Clone(Workspace[CloneConfig], Apart):
    """A repository of its own for each session."""

    manifest = Manifest("clone", "workspace", "A clone of its own for each session", "1.0.0")
    config_type = CloneConfig

    def __init__(self, config: CloneConfig, scope: Scope) -> None:
        super().__init__(config, scope)
        self._seen: dict[Path, object] = {}

    async def create(self, plan: Plan, run: Run) -> Checkout:
        """Make it on a new branch from `plan.start`; adopt it if this very plan was made before."""
        git = Git(run, plan.repository)
        _check(plan)
        mark = await self._mark(plan.path)
        if mark and mark.branch == plan.branch:
            return await _checkout(Git(run, plan.path), plan)
        await _require_free(plan)
        base = plan.start or await _base(git, plan.base)
        if await git.branch_tip(plan.branch) is not None:
            raise _taken(plan.branch)
        await self._make(git, plan, base, new=True)
        return Checkout(plan.path, plan.branch, plan.session, plan.project, base, base)

    async def destroy(self, checkout: Checkout, run: Run, *, saved: str | None = None) -> None:
        """Remove the clone; refuses what is not ours or not saved in the project's repository."""
        path = checkout.path
        mark = await self._mark(path)
        if mark is None or path.name != checkout.session:
            if await anyio.Path(path).exists():
                raise _not_ours(path)
        else:
            await self._require_saved(checkout, run, self._repository(mark), saved)
            await move(path, leaving(path))
            self._seen.pop(path, None)
        if path.name == checkout.session:
            await clear(leaving(path))
            await clear(aside(path, "new"))

    async def list(self, plan_root: Path, repository: Path, run: Run) -> Sequence[Checkout]:
        """Every workspace of this home under the project's root."""
        found = await anyio.to_thread.run_sync(marked, plan_root, self.scope.home)
        return tuple([await self._listed(path, mark, run) for path, mark in found])

    async def exists(self, path: Path, run: Run) -> bool:
        """Whether a usable workspace is there."""
        here, real = await anyio.Path(path / ".git").is_dir(), await anyio.Path(path).resolve()
        try:
            return here and await Git(run, path).toplevel() == Path(real)
        except (CommandFailed, ConfigError):
            return False

    async def restore(self, plan: Plan, run: Run) -> Checkout:
        """Make it again for a branch that exists; never moves the branch."""
        git = Git(run, plan.repository)
        _check(plan)
        mark = await self._mark(plan.path)
        if mark and mark.branch == plan.branch:
            return await _checkout(Git(run, plan.path), plan)
        await _require_free(plan)
        tip = await git.branch_tip(plan.branch)
        if tip is None:
            hint = "`git branch` lists the branches; saved work is under refs/ao."
            raise NotFound(f"branch {plan.branch} does not exist", hint=hint)
        await self._make(git, plan, tip, new=False)
        return await _checkout(Git(run, plan.path), plan)

    async def collect(self, checkout: Checkout, run: Run) -> None:
        """Bring the branch into the project's repository, and the project's base into the clone."""
        mark = await self._mark(checkout.path)
        if mark is None:
            return
        path, repository = checkout.path, self._repository(mark)
        seen = await anyio.to_thread.run_sync(
            signature, path, repository, checkout.branch, mark.base
        )
        if seen is None or self._seen.get(path) != seen:
            await exchange(Git(run, path), Git(run, repository), checkout.branch, mark.base)
            self._seen[path] = seen

    async def _make(self, git: Git, plan: Plan, commit: str, *, new: bool) -> None:
        """Make it aside, then put it and its branch in place; or leave neither."""
        draft = aside(plan.path, "new")
        await clear(draft)
        claimed = False
        try:
            await _furnish(git, plan, draft, commit)
            mark = Mark(self.scope.home, plan.session, plan.branch, plan.base, str(plan.repository))
            await anyio.to_thread.run_sync(write_mark, draft, mark)
            if new:
                await _claim(git, plan.branch, commit)
                claimed = True
            await move(draft, plan.path)
        except BaseException:  # cancelled, too: nothing half made stays
            with anyio.CancelScope(shield=True):
                await clear(draft)
                if claimed:
                    await git.drop_branch(plan.branch, commit)
            raise

    async def _listed(self, path: Path, mark: Mark, run: Run) -> Checkout:
        head = await Git(run, path).head() or ""
        return Checkout(path, mark.branch, mark.session, self.scope.project or "", "", head)

    async def _mark(self, path: Path) -> Mark | None:
        return await anyio.to_thread.run_sync(read_mark, path, self.scope.home)

    async def _require_saved(
        self, checkout: Checkout, run: Run, repository: Path, saved: str | None
    ) -> None:
        try:
            await self.collect(checkout, run)
        except AoError as exc:  # what is not brought over has to be saved
            why = f": {exc.message}"
        else:
            why = ""
        if await has_unsaved(run, checkout.path, saved=saved, repository=repository):
            hint = "Save it first: `kill` does, and names the ref it is saved under."
            raise WrongState(f"{checkout.path} holds work that is not saved{why}", hint=hint)

    def _repository(self, mark: Mark) -> Path:
        return self.scope.repository or Path(mark.repository)


async def _furnish(git: Git, plan: Plan, draft: Path, commit: str) -> None:
    """A clone with the branch checked out, set up as the repository itself is."""
    with in_our_words(plan.root, "made"):
        await anyio.Path(plan.root).mkdir(parents=True, exist_ok=True, mode=0o700)
    branch, base = f"refs/heads/{plan.branch}", f"refs/heads/{plan.base}"
    based = await git.branch_tip(plan.base) is not None
    chosen = ("--branch", plan.base) if based else ()
    await git.call("clone", *_HOW, *chosen, "--", str(plan.repository), str(draft), deadline=LONG)
    settings, common = await inherited(git, REMOTE), await git.common_dir()
    await anyio.to_thread.run_sync(_set_up, draft / ".git", common, settings)
    here = Git(git.run, draft)
    await here.call("symbolic-ref", "HEAD", branch)
    wanted = ("+refs/remotes/*:refs/remotes/*", f"^refs/remotes/{REMOTE}/*", commit)
    await bring(here, plan.repository, *wanted, *((f"+{base}:{base}",) if based else ()))
    await here.update_ref(branch, commit, NOTHING)
    await here.update_ref(COLLECTED, commit, NOTHING)
    await here.check_out()


async def _checkout(here: Git, plan: Plan) -> Checkout:
    head, base = await here.head(), await here.resolve(f"refs/remotes/{REMOTE}/{plan.base}")
    parted = await here.merge_base(head, base) if head and base else None
    return Checkout(plan.path, plan.branch, plan.session, plan.project, parted or "", head or "")


def _set_up(folder: Path, common: Path, settings: str) -> None:
    take_lists(common, folder)
    keep_out(folder)
    with in_our_words(folder, "written"), (folder / "config").open("a") as file:
        file.write(settings)


async def _claim(git: Git, branch: str, commit: str) -> None:
    try:
        await git.update_ref(f"refs/heads/{branch}", commit, NOTHING)
    except Conflict as exc:
        raise _taken(branch) from exc


def _check(plan: Plan) -> None:
    session_id(plan.session)
    branch_name(plan.branch)


async def _base(git: Git, name: str) -> str:
    for ref in (f"refs/heads/{name}", f"refs/remotes/origin/{name}", name):
        if commit := await git.resolve(ref):
            return commit
    hint = "Name a branch or commit of this repository as base."
    raise WrongState(f"there is no branch or commit {name!r} to start from", hint=hint)


async def _require_free(plan: Plan) -> None:
    if await anyio.Path(plan.path).exists() or await anyio.Path(plan.path).is_symlink():
        hint = "Move it away; the workspace of a session is never made over something else."
        raise WrongState(f"{plan.path} exists and is not this workspace", hint=hint)


def _taken(branch: str) -> WrongState:
    hint = "Choose another branch name; an existing one is never taken over."
    return WrongState(f"branch {branch} exists", hint=hint)


def _not_ours(path: Path) -> WrongState:
    hint = "Remove it by hand if you no longer need it."
    return WrongState(f"{path} is not a workspace of this home", hint=hint)
