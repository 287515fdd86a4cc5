"""What work becomes on top of a commit, computed aside: nothing points to the result yet.

A merge or squash needs no work tree; a rebase needs one, which is detached, of our own, and always
removed. No hook runs and nothing of the repository but its objects changes.
"""

import os
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import anyio.to_thread

from ao_core.errors import CommandFailed, NotFound, NotInstalled, WrongState
from ao_core.files import in_our_words
from ao_core.git.naming import named
from ao_core.git.repository import LONG, Git, Identity
from ao_core.ids import SessionId, branch_name
from ao_core.model.work import MergeMethod
from ao_core.redact import visible

_MESSAGE_LIMIT = 20_000
_NEEDED = (2, 38)
_PREFIX = "merge-"
# a part of the files is not what will be there; and rerere would note conflicts for the person
_WHOLE = ("core.sparseCheckout=false", "submodule.recurse=false", "rerere.enabled=false")


@dataclass(frozen=True, slots=True)
class Joined:
    """A result that nothing points to yet, or the files in conflict."""

    commit: str = ""
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be joined to something, and as what."""

    head: str
    method: MergeMethod
    message: str
    author: Identity


async def combine(git: Git, wish: Wish, onto: str, known: str | None = None) -> Joined:
    """Merge or squash in memory.

    `known` has the files of `onto`, and the history that says which work is in them already.
    """
    tree, conflicts = await merge_tree(git, known or onto, wish.head)
    if conflicts:
        return Joined(conflicts=conflicts)
    if wish.method is MergeMethod.SQUASH:
        if tree == await tree_of(git, onto):
            return Joined(onto)
        parents = [onto]
    else:
        parents = [onto, wish.head]
    by = replace(git, env={**git.env, **_author(wish.author)})
    return Joined(await by.commit_tree(tree, parents, wish.message))


async def replay(
    aside: Git, onto: str, known: str | None = None, *, session: SessionId | None
) -> Joined:
    """Rebase what is checked out in a scratch tree, without the commits that `known` contains.

    Those that do not say which session they come from are said to be of `session`.
    """
    how = ("--no-autosquash", "--no-update-refs", "--no-rerere-autoupdate", "--quiet")
    done = await aside.attempt(
        *("-c", "rebase.autoStash=false", "rebase", *how, "--empty=drop"),
        *("--onto", onto, known or onto),
        deadline=LONG,
    )
    if done.status == 0:
        commit = await commit_of(aside, "HEAD")
        return Joined(await named(aside, onto, commit, session) if session else commit)
    conflicts = await aside.fields("diff", "--name-only", "--diff-filter=U", "-z")
    await aside.attempt("rebase", "--quit")
    if not conflicts:
        done.check("git rebase")
    return Joined(conflicts=tuple(sorted(set(conflicts))))


async def merge_tree(git: Git, onto: str, commit: str) -> tuple[str, tuple[str, ...]]:
    """The tree of a merge, made in memory, and the files in conflict."""
    how = ("--write-tree", "--name-only", "--no-messages", "-z")
    done = await git.attempt("merge-tree", *how, onto, commit, deadline=LONG)
    if done.status not in (0, 1):
        await _explain(git, done.stderr)
        done.check("git merge-tree")
    tree, *names = (os.fsdecode(part) for part in done.stdout.split(b"\0") if part)
    if done.status == 1 and not names:
        raise CommandFailed("git merge-tree found conflicts but named none", status=1)
    return tree, tuple(dict.fromkeys(names))


@asynccontextmanager
async def scratch_tree(git: Git, folder: Path, commit: str) -> AsyncGenerator[Git]:
    """A detached work tree of our own, with all files, which is removed whatever happens."""
    path = await anyio.to_thread.run_sync(_new_folder, folder)
    git = replace(git, settings=(*git.settings, *_WHOLE))
    try:
        add = ("worktree", "add", "--detach", "--", str(path), commit)
        await git.call(*add, deadline=LONG, into=folder)
        yield await _settled(git, path)
    finally:
        with anyio.CancelScope(shield=True):
            await _remove(git, path)


async def sweep(git: Git, folder: Path) -> None:
    """Remove the scratch trees that somebody who was killed has left."""
    for path in await anyio.to_thread.run_sync(lambda: sorted(folder.glob(f"{_PREFIX}*"))):
        await _remove(git, path)


async def target_tip(git: Git, branch: str) -> str:
    """The commit of a branch that has to be there."""
    tip = await git.branch_tip(branch_name(branch))
    if tip is None:
        raise NotFound(f"there is no branch {branch}", hint="`git branch` lists them.")
    return tip


async def commit_of(git: Git, name: str) -> str:
    """The commit of a name that has to be there."""
    commit = await git.resolve(name)
    if commit is None:
        raise NotFound(f"there is no commit {visible(name, 60)}")
    return commit


async def tree_of(git: Git, commit: str) -> str:
    """The hash of all files of a commit."""
    return await git.line("rev-parse", "--verify", f"{commit}^{{tree}}")


def message_of(text: str, session: SessionId | None) -> str:
    """A commit's message, with the session it comes from."""
    text = visible(text, _MESSAGE_LIMIT).strip() or "Merge"
    return f"{text}\n\nAO-Session: {session}\n" if session else f"{text}\n"


def open_up(path: Path) -> None:
    """Make every folder below one of ours writable, so that it can be emptied."""
    for folder, names, _ in os.walk(path):
        for name in names:
            inner = Path(folder, name)
            with suppress(OSError):
                if not inner.is_symlink():
                    inner.chmod(0o700)


async def _settled(git: Git, path: Path) -> Git:
    # named, not searched for: whatever is done to its files, no repository around it is taken
    own = {"GIT_DIR": str(await replace(git, path=path).git_dir()), "GIT_WORK_TREE": str(path)}
    return replace(git, path=path, env={**git.env, **own})


async def _remove(git: Git, path: Path) -> None:
    how = ("worktree", "remove", "--force", "--force", str(path))
    done = await git.attempt(*how, deadline=LONG)
    await anyio.to_thread.run_sync(_clear_away, path)
    if done.status != 0:  # its files were in the way, and are gone now
        await git.attempt(*how, deadline=LONG)


def _clear_away(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        open_up(path)
        shutil.rmtree(path, ignore_errors=True)


def _new_folder(folder: Path) -> Path:
    with in_our_words(folder, "written"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))


async def _explain(git: Git, stderr: bytes) -> None:
    if b"unrelated histories" in stderr:
        hint = "Merge by hand with --allow-unrelated-histories if that is meant."
        raise WrongState("the two branches have no commit in common", hint=hint)
    version = await git.version()
    if version < _NEEDED:
        found = ".".join(map(str, version))
        raise NotInstalled(f"git {found} cannot predict merges", hint="Install git 2.38 or later.")


def _author(who: Identity) -> dict[str, str]:
    return {"GIT_AUTHOR_NAME": who.name, "GIT_AUTHOR_EMAIL": who.email}
