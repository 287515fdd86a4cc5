"""Running a check on a commit in a scratch tree: nothing left of the last one, nothing changed."""

import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import anyio.to_thread

from ao_core.errors import CommandFailed
from ao_core.git.joining import open_up
from ao_core.git.repository import LONG, Git
from ao_core.redact import visible

Gate: TypeAlias = Callable[[Path, str], Awaitable[str | None]]
"""Checks the folder, in which the commit is checked out: None where it passed, else why not."""

_WHY_LIMIT = 4000
_SHOWN = 10
_GITLINK = "160000 "


async def prove(aside: Git, commit: str, gate: Gate) -> str | None:
    """Check out exactly the commit and run the gate on it; None where it passed."""
    try:
        await check_out(aside, commit)
        before = await _fingerprint(aside, commit)
    except CommandFailed as exc:  # a filter refuses, say, or a name that this disk cannot hold
        return f"it cannot be checked out: {exc.message}"
    why = await gate(aside.path, commit)
    if why is not None:
        return visible(why, _WHY_LIMIT).strip() or "the gate failed"
    if await aside.head() != commit:
        return "the gate checked out or made another commit"
    try:
        after = await _fingerprint(aside, commit)
    except CommandFailed:
        return "after the gate the files can no longer be read"
    if after == before:
        return None
    names = await aside.fields("diff-tree", "-r", "--name-only", "-z", before, after)
    return f"the gate changed {visible(', '.join(names[:_SHOWN]), _WHY_LIMIT)}"


async def check_out(aside: Git, commit: str) -> None:
    """Make the tree exactly the commit, whatever was done to it."""
    try:
        await _lay_out(aside, commit)
    except CommandFailed:
        await anyio.to_thread.run_sync(open_up, aside.path)
        await _lay_out(aside, commit)


async def _lay_out(aside: Git, commit: str) -> None:
    # not `reset`: should a branch be checked out by now, it is not ours to move
    await aside.call("checkout", "--force", "--detach", "--quiet", commit, deadline=LONG)
    await aside.call("clean", "-ffdx", "--quiet", deadline=LONG)
    entries = await aside.fields("ls-files", "--stage", "-z")
    links = [one.partition("\t")[2] for one in entries if one.startswith(_GITLINK)]
    if links:
        await anyio.to_thread.run_sync(_empty, [aside.path / name for name in links])


def _empty(folders: list[Path]) -> None:
    """Submodules as they are where nobody has filled them; git leaves them at the last commit."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)


async def _fingerprint(aside: Git, commit: str) -> str:
    """The hash of all tracked files, read anew: an index of its own knows nothing yet."""
    index = Path(aside.env["GIT_DIR"], "ao-index")
    settings = (*aside.settings, "core.safecrlf=false")
    fresh = replace(aside, env={**aside.env, "GIT_INDEX_FILE": str(index)}, settings=settings)
    await fresh.call("read-tree", commit)
    await fresh.call("add", "--update", deadline=LONG)
    return await fresh.line("write-tree")
