"""Work trees that are made before anybody needs them, with no branch until a session takes one.

What each is, the reason of its lock says: `ao <home> spare <commit>` is ready, with that session's
reason it is about to become its workspace, and git's own `initializing` is on one that is being
written. So a crash leaves nothing that is not known, and no list of ours has to agree with git's.
"""

from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex

import anyio
from anyio import to_thread

from ao_core.errors import AoError, CommandFailed, Conflict, TimedOut, WrongState
from ao_core.files import in_our_words
from ao_core.git.answers import Registered
from ao_core.git.registration import relock, settle_here
from ao_core.git.repository import LONG, NOTHING, Git
from ao_core.ids import branch_name, session_id
from ao_core.process import Run
from ao_core.slots.workspace import Checkout, Plan, Spare, Warm, spares_beside
from ao_plugins._exclude import keep_out
from ao_plugins._trees import HALF, HALF_MADE, base_commit, gone, remove_folder

_QUIETLY = ("--quiet", "--no-recurse-submodules")
_STATUS = (
    "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--ignored",
    "--ignore-submodules=none", "--no-renames",
)  # fmt: skip


class Spares(Warm):
    """The spares of one home's work trees."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._registering = anyio.Lock()

    async def spares(self, root: Path, repository: Path, run: Run) -> Sequence[Spare]:
        """Every spare of this home, as it is now."""
        git, folder = Git(run, repository), await anyio.Path(spares_beside(root)).resolve()
        found = [one for one in await git.worktrees() if one.path.parent == Path(folder)]
        return tuple([await self._seen(run, one) for one in found])

    async def stock(self, root: Path, repository: Path, commit: str, run: Run) -> Spare:
        """Make one more; or leave nothing."""
        git, folder = Git(run, repository), spares_beside(root)
        path = folder / f"spare-{token_hex(4)}"
        await to_thread.run_sync(keep_out, await git.common_dir())
        await _made(folder)
        try:
            await self.register(git, "add", *HALF, "--detach", "--", str(path), commit)
            await Git(run, path).check_out()
            await self._require_untouched(run, Spare(path, commit))
            await to_thread.run_sync(relock, path, self._ready(commit))
        except BaseException as exc:  # cancelled, too: nothing half made stays
            await self._take_back(git, Spare(path, commit), None, exc)
            raise
        return Spare(path, commit)

    async def refresh(self, spare: Spare, commit: str, run: Run) -> Spare:
        """Bring it to another commit. Raises `WrongState` where somebody has touched it."""
        await self._require_untouched(run, spare)
        inside = Git(run, spare.path)
        if commit != spare.commit:
            await to_thread.run_sync(relock, spare.path, HALF_MADE)
            await inside.call("checkout", *_QUIETLY, "--detach", commit, deadline=LONG)
        # files written in the same second as the index would be read again by each `status`
        await inside.attempt("update-index", "-q", "--refresh", "--force-write-index")
        if commit != spare.commit:
            await self._require_untouched(run, Spare(spare.path, commit))  # or it never is clean
            await to_thread.run_sync(relock, spare.path, self._ready(commit))
        return Spare(spare.path, commit)

    async def discard(self, root: Path, repository: Path, spare: Spare, run: Run) -> None:
        """Remove it. Raises `WrongState` where somebody has touched it."""
        git, path = Git(run, repository), spare.path
        if spare.session and not await self._is_taking(git, spare):
            return
        if spare.session and await _is_away(path, root / spare.session):
            path = root / spare.session  # it was moved there, and git was not told
            await to_thread.run_sync(settle_here, path)
        elif not (spare.half or spare.session):
            await self._require_untouched(run, spare)
            await to_thread.run_sync(relock, path, HALF_MADE)
        await remove_folder(git, path)

    async def take(self, plan: Plan, spare: Spare, run: Run, *, new: bool) -> Checkout:
        """Make a session's workspace of it, on a `new` branch or on the one that is there."""
        session_id(plan.session)
        branch_name(plan.branch)
        git = Git(run, plan.repository)
        base = plan.start or await base_commit(git, plan.base)
        await self._require_untouched(run, spare)
        await to_thread.run_sync(relock, spare.path, self.reason(plan.session))
        try:
            if new:
                await git.update_ref(f"refs/heads/{plan.branch}", base, NOTHING)
            checkout = await _switched(Git(run, spare.path), spare, plan, base, new=new)
            await _put_in_place(spare.path, plan)
        except BaseException as exc:  # cancelled, too
            ours = new and not isinstance(exc, Conflict)  # or the branch was there before
            await self._take_back(git, spare, (plan, base if ours else None), exc)
            raise
        return checkout

    async def go_on_taking(self, git: Git, plan: Plan) -> None:
        """What a crash left half taken: put in place where it has its branch, else removed."""
        folder = Path(await anyio.Path(plan.spares).resolve())
        for one in await git.worktrees():
            if one.path.parent == folder and one.lock == self.reason(plan.session):
                there = not await gone(one) or await _is_away(one.path, plan.path)
                if there and one.branch == plan.branch:
                    await _put_in_place(one.path, plan)
                else:
                    await remove_folder(git, one.path)

    async def register(self, git: Git, *args: str) -> None:
        """Change git's list of work trees."""
        async with self._registering:  # git takes what another git is just writing for broken
            await git.call("worktree", *args)

    def reason(self, session: str) -> str:
        """Why the workspace of a session is locked."""
        return f"ao {self._home} {session}"

    def _ready(self, commit: str) -> str:
        return self.reason(f"spare {commit}")

    async def _seen(self, run: Run, one: Registered) -> Spare:
        name, _, commit = (one.lock or "").removeprefix(self.reason("")).partition(" ")
        spare = Spare(one.path, commit or one.head or "")
        ours = (one.lock or "").startswith(self.reason(""))
        if ours and not commit:
            return Spare(one.path, one.head or "", session=name)
        if one.lock == HALF_MADE or await gone(one):
            return Spare(one.path, one.head or "", half=True)
        try:
            why = await _touched(run, spare) if ours else "its lock is not ours"
        except TimedOut:
            raise
        except CommandFailed as exc:  # its index is broken, say
            why = f"it cannot be read; {exc.message}"
        return Spare(spare.path, spare.commit, touched=why)

    async def _is_taking(self, git: Git, spare: Spare) -> bool:
        """Whether its session still is about to take it, and has not done so since it was seen."""
        locks = {one.path: one.lock for one in await git.worktrees()}
        return spare.session is not None and locks.get(spare.path) == self.reason(spare.session)

    async def _require_untouched(self, run: Run, spare: Spare) -> None:
        if why := await _touched(run, spare):
            hint = "`git worktree list` shows it; what is in it is left alone."
            raise WrongState(f"{spare.path} is no longer as it was made: {why}", hint=hint)

    async def _take_back(
        self, git: Git, spare: Spare, taking: tuple[Plan, str | None] | None, exc: BaseException
    ) -> None:
        """Remove what was begun; where that fails, too, the reason to tell is the first one."""
        with anyio.CancelScope(shield=True):
            try:
                listed = {one.path for one in await git.worktrees()}
                places = [spare.path, *([taking[0].path] if taking else [])]
                if taking and await _is_away(*places):
                    await to_thread.run_sync(settle_here, taking[0].path)
                    await remove_folder(git, taking[0].path)
                elif Path(await anyio.Path(spare.path).resolve()) in listed:
                    await remove_folder(git, spare.path)
                if taking and taking[1]:
                    await git.drop_branch(taking[0].branch, taking[1])
            except AoError as left:
                exc.add_note(f"{spare.path} is left half made: {left.message}")


async def _switched(inside: Git, spare: Spare, plan: Plan, base: str, *, new: bool) -> Checkout:
    """Have it on the session's branch."""
    if new and base == spare.commit:  # no file has to be looked at
        await inside.call("symbolic-ref", "HEAD", f"refs/heads/{plan.branch}")
        return Checkout(plan.path, plan.branch, plan.session, plan.project, base, base)
    await inside.call("checkout", *_QUIETLY, "--no-guess", plan.branch, "--", deadline=LONG)
    head = await inside.head() or ""
    parted = await inside.merge_base(head, base) or ""
    return Checkout(plan.path, plan.branch, plan.session, plan.project, parted, head)


async def _touched(run: Run, spare: Spare) -> str | None:
    """What is no longer as it was made, if anything is."""
    done = await Git(run, spare.path).call(*_STATUS, deadline=LONG)
    lines = [line.decode(errors="replace") for line in done.stdout.split(b"\0") if line]
    if f"# branch.oid {spare.commit}" not in lines:
        return "another commit is checked out"
    if "# branch.head (detached)" not in lines:
        return "a branch is checked out"
    changed = sum(not line.startswith("# ") for line in lines)
    return f"{changed} of its files and folders were changed or added" if changed else None


async def _is_away(spare: Path, workspace: Path) -> bool:
    """Whether a spare was moved to where the workspace goes."""
    there = await anyio.Path(workspace / ".git").is_file()
    return there and not await anyio.Path(spare).exists()


async def _made(folder: Path) -> None:
    with in_our_words(folder, "made"):
        await anyio.Path(folder).mkdir(parents=True, exist_ok=True, mode=0o700)


async def _put_in_place(path: Path, plan: Plan) -> None:
    """Move it to where the session's workspace goes, and tell git; or go on with that."""
    await _made(plan.root)
    if not await _is_away(path, plan.path):
        if await anyio.Path(plan.path).exists() or await anyio.Path(plan.path).is_symlink():
            hint = "Move it away; the workspace of a session is never made over something else."
            raise WrongState(f"{plan.path} exists and is not this workspace", hint=hint)
        with in_our_words(plan.path, "made"):
            await anyio.Path(path).rename(plan.path)
    await to_thread.run_sync(settle_here, plan.path)
