"""Merge one branch into a target: predict, compute the result aside, move the target once.

A merge or squash is computed without any work tree; a rebase needs one, which is detached, of our
own, and always removed. No hook runs, nothing is forced, and a commit made meanwhile by somebody
else makes us compute again.
"""

import os
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from ao_core.errors import CommandFailed, NotFound, NotInstalled, WrongState
from ao_core.git.landing import Moved, advance
from ao_core.git.repository import LONG, NOTHING, Git, Identity
from ao_core.ids import HomeId, SessionId, branch_name, train_ref
from ao_core.model.work import Landed, Landing, MergeMethod
from ao_core.process import Run
from ao_core.redact import visible

_TRIES = 3
_MESSAGE_LIMIT = 20_000
_NEEDED = (2, 38)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a merge would meet; `already` says that there is nothing left to merge."""

    conflicts: tuple[str, ...] = ()
    already: bool = False


@dataclass(frozen=True, slots=True)
class _Built:
    """A result that nothing points to yet, or the files in conflict."""

    commit: str = ""
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Wish:
    target: str
    head: str
    method: MergeMethod
    message: str
    author: Identity
    scratch: Path


async def predict(run: Run, repository: Path, target: str, head: str) -> Prediction:
    """Merge in memory only: which files would be in conflict."""
    git = Git(run, repository)
    onto, commit = await _target(git, target), await _commit(git, head)
    if await git.is_ancestor(commit, onto):
        return Prediction(already=True)
    _, conflicts = await _merge_tree(git, onto, commit)
    return Prediction(conflicts)


async def land(
    run: Run, repository: Path, *, target: str, head: str, method: MergeMethod, message: str,
    home: HomeId, train_id: str, scratch: Path, author: Identity | None = None,
    session: SessionId | None = None,
) -> Landed:  # fmt: skip
    """Bring exactly the commit `head` into the branch `target`, or say what blocks it."""
    git = Git(run, repository)
    committer = await git.identity()
    git = git.signed(committer)
    text = _text(message, session)
    commit = await _commit(git, head)
    wish = _Wish(branch_name(target), commit, method, text, author or committer, scratch)
    kept = train_ref(home, train_id)
    for _ in range(_TRIES):
        landed = await _once(git, wish, kept)
        if landed is not None:
            return landed
    return Landed(Landing.READY, blockers=(f"{target} keeps moving; try again",))


async def _once(git: Git, wish: _Wish, kept: str) -> Landed | None:
    """One attempt; None when the target moved meanwhile."""
    onto = await _target(git, wish.target)
    if await git.is_ancestor(wish.head, onto):
        return Landed(Landing.ALREADY, onto)
    built = await _build(git, wish, onto)
    if built.conflicts:
        return Landed(Landing.CONFLICT, conflicts=built.conflicts)
    if built.commit == onto:
        return Landed(Landing.ALREADY, onto)
    move = await advance(git, wish.target, built.commit, onto)
    if move.moved is Moved.DONE:
        return Landed(Landing.LANDED, built.commit)
    if move.moved is Moved.ELSEWHERE:
        return None
    await git.update_ref(kept, built.commit, await git.resolve(kept) or NOTHING)
    return Landed(Landing.READY, built.commit, kept, blockers=move.blockers)


async def _build(git: Git, wish: _Wish, onto: str) -> _Built:
    if wish.method is MergeMethod.REBASE:
        return await _rebase(git, wish, onto)
    tree, conflicts = await _merge_tree(git, onto, wish.head)
    if conflicts:
        return _Built(conflicts=conflicts)
    if wish.method is MergeMethod.SQUASH:
        if tree == await git.line("rev-parse", "--verify", f"{onto}^{{tree}}"):
            return _Built(onto)
        parents = [onto]
    else:
        parents = [onto, wish.head]
    by = Git(git.run, git.path, {**git.env, **_author(wish.author)}, git.settings)
    return _Built(await by.commit_tree(tree, parents, wish.message))


async def _rebase(git: Git, wish: _Wish, onto: str) -> _Built:
    how = ("--no-autosquash", "--no-update-refs", "--no-rerere-autoupdate", "--quiet")
    async with scratch_tree(git, wish.scratch, wish.head) as aside:
        done = await aside.attempt(
            *("-c", "rebase.autoStash=false", "rebase", *how, "--empty=drop", onto), deadline=LONG
        )
        if done.status == 0:
            return _Built(await _commit(aside, "HEAD"))
        conflicts = await aside.fields("diff", "--name-only", "--diff-filter=U", "-z")
        if not conflicts:
            done.check("git rebase")
        return _Built(conflicts=tuple(sorted(set(conflicts))))


@asynccontextmanager
async def scratch_tree(git: Git, folder: Path, commit: str) -> AsyncGenerator[Git]:
    """A detached work tree of our own, which is removed whatever happens."""
    path = await anyio.to_thread.run_sync(_new_folder, folder)
    try:
        await git.call("worktree", "add", "--detach", "--", str(path), commit, deadline=LONG)
        yield Git(git.run, path, git.env, git.settings)
    finally:
        with anyio.CancelScope(shield=True):
            await git.attempt("worktree", "remove", "--force", "--force", str(path), deadline=LONG)
            await anyio.to_thread.run_sync(lambda: shutil.rmtree(path, ignore_errors=True))


def _new_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Path(tempfile.mkdtemp(prefix="merge-", dir=folder))


async def _merge_tree(git: Git, onto: str, commit: str) -> tuple[str, tuple[str, ...]]:
    how = ("--write-tree", "--name-only", "--no-messages", "-z")
    done = await git.attempt("merge-tree", *how, onto, commit, deadline=LONG)
    if done.status not in (0, 1):
        await _explain(git, done.stderr)
        done.check("git merge-tree")
    tree, *names = (os.fsdecode(part) for part in done.stdout.split(b"\0") if part)
    if done.status == 1 and not names:
        raise CommandFailed("git merge-tree found conflicts but named none", status=1)
    return tree, tuple(dict.fromkeys(names))


async def _explain(git: Git, stderr: bytes) -> None:
    if b"unrelated histories" in stderr:
        hint = "Merge by hand with --allow-unrelated-histories if that is meant."
        raise WrongState("the two branches have no commit in common", hint=hint)
    version = await git.version()
    if version < _NEEDED:
        found = ".".join(map(str, version))
        raise NotInstalled(f"git {found} cannot predict merges", hint="Install git 2.38 or later.")


async def _target(git: Git, branch: str) -> str:
    tip = await git.branch_tip(branch_name(branch))
    if tip is None:
        raise NotFound(f"there is no branch {branch}", hint="`git branch` lists them.")
    return tip


async def _commit(git: Git, name: str) -> str:
    commit = await git.resolve(name)
    if commit is None:
        raise NotFound(f"there is no commit {visible(name, 60)}")
    return commit


def _author(who: Identity) -> dict[str, str]:
    return {"GIT_AUTHOR_NAME": who.name, "GIT_AUTHOR_EMAIL": who.email}


def _text(message: str, session: SessionId | None) -> str:
    text = visible(message, _MESSAGE_LIMIT).strip() or "Merge"
    return f"{text}\n\nAO-Session: {session}\n" if session else f"{text}\n"
