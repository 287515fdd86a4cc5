"""Save everything in a work tree that is saved nowhere else, and put it back.

What git can keep becomes a commit under `refs/ao/<home>/<session>/<n>` of the project's own
repository: its tree is the work tree byte for byte, its parents are HEAD, a commit of the index
(conflicting versions under `.ao-unmerged/<stage>/`), and the commits no lasting ref holds. What
git would not keep goes into an archive. Empty folders are not kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import anyio.to_thread

from ao_core.errors import Conflict, Unknown, WrongState
from ao_core.files import in_our_words
from ao_core.git.archive import Measured, chosen, measure, unpack, write
from ao_core.git.bring import bring
from ao_core.git.repository import FALLBACK, LONG, NOTHING, Git
from ao_core.git.scratch import scratch
from ao_core.git.snapshot import Risk, Trees, capture, look
from ao_core.git.staged import entries, feed, put_back, unwatched
from ao_core.ids import HomeId, SessionId, snapshot_ref
from ao_core.process import Run
from ao_core.redact import visible

PATTERNS = (".env*",)
SIZE_LIMIT = 256 * 1024 * 1024
# what it is saved from goes at once: the one must not be on the disk before the other
_DURABLY = ("core.fsync=loose-object,reference", "core.fsyncMethod=batch")
_REASON_LIMIT = 200
_MERGING = "AO-Merging: "
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Saved:
    """Where saved work is. `left_out` names what was too big for the archive."""

    ref: str
    commit: str
    archive: Path | None = None
    left_out: tuple[str, ...] = ()


async def salvage(
    run: Run, worktree: Path, home: HomeId, session: SessionId, reason: str,
    *, archive: Path, patterns: Sequence[str] = PATTERNS, limit: int = SIZE_LIMIT,
    repository: Path | None = None,
) -> Saved | None:  # fmt: skip
    """Save what is at risk, or return None where nothing is. Saving the same again adds nothing.

    `repository` is the project's; what is saved goes there, also from a clone of it.
    """
    git = Git(run, worktree, settings=_DURABLY).signed(FALLBACK)
    keeper = _keeper(git, repository)
    risk = await look(git, patterns, keeper)
    if not risk:
        return None
    found = await anyio.to_thread.run_sync(measure, worktree, risk.items)
    kept = chosen(found, limit)
    left_out = tuple(one.item.path for one in found if one not in kept)
    trees = await capture(git)
    target = await _earlier(keeper or git, home, session, risk, trees, kept, archive)
    if target is None:
        commit = await _save(git, session, risk, trees, kept, archive, reason)
        if keeper is not None:
            await bring(keeper, worktree, commit)
        target = await _point(keeper or git, home, session, commit), commit
    return Saved(*target, archive_of(archive, target[1]) if kept else None, left_out)


async def has_unsaved(
    run: Run, worktree: Path, *, saved: str | None = None, patterns: Sequence[str] = PATTERNS,
    repository: Path | None = None,
) -> bool:  # fmt: skip
    """Whether something would be lost with the work tree, beside what the commit `saved` keeps."""
    git = Git(run, worktree)
    keeper = _keeper(git, repository)
    risk = await look(git, patterns, keeper)
    if not risk:
        return False
    if saved is None or await (keeper or git).resolve(saved) is None:
        return True
    found = await anyio.to_thread.run_sync(measure, worktree, risk.items)
    return not await _holds(keeper or git, saved, risk, await capture(git), found)


def _keeper(git: Git, repository: Path | None) -> Git | None:
    """The project's repository, where the work tree has another one, of its own."""
    apart = repository is not None and (git.path / ".git").is_dir()
    return replace(git, path=repository) if repository is not None and apart else None


async def restore_into(
    run: Run, ref: str, folder: Path, *,
    repository: Path | None = None, archive: Path | None = None, fresh: bool = False,
) -> None:  # fmt: skip
    """Put every byte of a saved work tree into a clean work tree, or into an empty folder.

    In a work tree the index comes back, too, and a merge goes on; what a sparse checkout leaves
    out, and was not changed, stays out.
    `repository` is where `ref` is found, if not from the folder itself; `archive` is where
    `salvage` was told to put what git would not keep. `fresh`: the folder was made just now, so
    that nothing in it is work, even where git takes what it has written itself for changed.
    """
    git = Git(run, repository or folder)
    commit = await git.resolve(ref)
    if commit is None:
        raise Unknown(f"{ref} is not there", hint="`git for-each-ref refs/ao` lists what is.")
    await _clear(run, folder, fresh=fresh)
    is_tree = await anyio.Path(folder / ".git").exists()
    async with scratch(git, folder) as bare:
        await bare.call("read-tree", commit)
        if is_tree:
            await _leave_out(Git(run, folder), bare)
        await bare.call("checkout-index", "--all", "--force", deadline=LONG)
    if is_tree:
        await _go_on(Git(run, folder), git, commit)
    if archive is not None:
        await anyio.to_thread.run_sync(unpack, archive_of(archive, commit), folder)


async def _clear(run: Run, folder: Path, *, fresh: bool) -> None:
    place = anyio.Path(folder)
    await place.mkdir(parents=True, exist_ok=True)
    names = {entry.name async for entry in place.iterdir()} - {".ao"}
    if not names:
        return
    if ".git" not in names or not (fresh or await _is_clean(run, folder)):
        hint = "Save or commit what is there, or choose an empty folder."
        raise WrongState(f"{folder} holds work of its own", hint=hint)
    for name in await Git(run, folder).fields("ls-files", "-z", "--cached"):
        file = place / name
        if not await file.is_dir() or await file.is_symlink():
            await file.unlink(missing_ok=True)


async def _is_clean(run: Run, folder: Path) -> bool:
    return not await has_unsaved(run, folder, patterns=())


async def _leave_out(git: Git, bare: Git) -> None:
    left_out = set((await unwatched(git))[0])
    if left_out:
        same = set(await entries(git)) & set(await entries(bare))
        names = sorted(one.path for one in same if one.path in left_out)
        await feed(bare, names, "--skip-worktree", "--stdin")


async def _go_on(git: Git, keeper: Git, saved: str) -> None:
    """Put index and merge back, where something was staged on what is checked out now."""
    parents = (await keeper.line("rev-parse", f"{saved}^@")).split()
    if len(parents) < 2 or parents[0] != await git.head():
        return
    if await git.resolve(saved) is None:
        await bring(git, keeper.path, saved)
    trees = await git.line("rev-parse", f"{parents[0]}^{{tree}}", f"{parents[1]}^{{tree}}")
    head, index = trees.split()
    if index != head:
        await put_back(git, index)
    message = (await git.line("show", "--no-patch", "--format=%B", saved, "--")).splitlines()
    names = [line.removeprefix(_MERGING) for line in message if line.startswith(_MERGING)]
    if names and (other := await git.resolve(names[-1])):
        note = await git.git_dir() / "MERGE_HEAD"
        with in_our_words(note, "written"):
            await anyio.Path(note).write_text(f"{other}\n")


async def _save(
    git: Git, session: SessionId, risk: Risk, trees: Trees,
    kept: Sequence[Measured], archive: Path, reason: str,
) -> str:  # fmt: skip
    before = [risk.head] if risk.head else []
    index = await git.commit_tree(trees.index, before, f"ao: index of {session}\n")
    message = _message(session, risk, kept, reason)
    commit = await git.commit_tree(trees.work, [*before, index, *risk.loose], message)
    if kept:
        items = [one.item for one in kept]
        target = archive_of(archive, commit)
        await anyio.to_thread.run_sync(write, git.path, items, target)
    return commit


async def _point(git: Git, home: HomeId, session: SessionId, commit: str) -> str:
    for _ in range(_TRIES):
        taken = [int(ref.rpartition("/")[2]) for ref, _ in await _refs(git, home, session)]
        ref = snapshot_ref(home, session, max(taken, default=-1) + 1)
        try:
            await git.update_ref(ref, commit, NOTHING)
        except Conflict:
            continue
        return ref
    raise Conflict(f"no free name for saved work of {session}")


async def _refs(git: Git, home: HomeId, session: SessionId) -> list[tuple[str, str]]:
    """The session's saved work so far, with its commits."""
    folder = snapshot_ref(home, session, 0).rpartition("/")[0]
    output = await git.call("for-each-ref", "--format=%(refname) %(objectname)", f"{folder}/")
    pairs = [(line.split()[0], line.split()[1]) for line in output.text.splitlines()]
    return [pair for pair in pairs if pair[0].rpartition("/")[2].isdecimal()]


async def _earlier(
    git: Git, home: HomeId, session: SessionId, risk: Risk, trees: Trees,
    kept: Sequence[Measured], archive: Path,
) -> tuple[str, str] | None:  # fmt: skip
    for ref, commit in await _refs(git, home, session):
        there = not kept or await anyio.Path(archive_of(archive, commit)).exists()
        if there and await _holds(git, commit, risk, trees, kept):
            return ref, commit
    return None


async def _holds(git: Git, saved: str, risk: Risk, trees: Trees, items: Sequence[Measured]) -> bool:
    """Whether a commit of ours keeps exactly this state."""
    shown = await git.call("show", "--no-patch", "--format=%T%x00%P%x00%B", saved, "--")
    tree, parents, message = shown.text.split("\0", 2)
    before = [risk.head] if risk.head else []
    first, rest = parents.split()[: len(before)], parents.split()[len(before) :]
    if tree != trees.work or first != before or not rest:
        return False
    if await git.line("rev-parse", "--verify", f"{rest[0]}^{{tree}}") != trees.index:
        return False
    marks = {line.removeprefix("AO-Kept: ").strip() for line in message.splitlines()}
    return set(risk.loose) <= {*rest, *before} and {one.mark for one in items} <= marks


def _message(session: SessionId, risk: Risk, kept: Sequence[Measured], reason: str) -> str:
    # one line, so that a reason cannot pass for our own marks
    why = " ".join(visible(reason, _REASON_LIMIT).split())
    lines = [f"ao: saved work of {session}", "", f"Reason: {why}", ""]
    lines += [f"AO-Session: {session}", *([f"AO-Doing: {risk.doing}"] if risk.doing else [])]
    lines += [f"{_MERGING}{risk.merging}"] if risk.merging else []
    return "\n".join([*lines, *(f"AO-Kept: {one.mark}" for one in kept), ""])


def archive_of(archive: Path, commit: str) -> Path:
    """Where what git would not keep of a saved work tree lies, if there was any."""
    return archive / f"{commit}.tar"
