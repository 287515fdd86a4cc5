"""Removes a snapshot that saves nothing any more, as a branch of somebody else's holds it whole."""

from datetime import UTC, datetime
from pathlib import Path

import anyio

from ao_core.git.repository import Git
from ao_core.git.salvage import archive_of

_OURS = "refs/heads/ao/"
_HOLDERS = ("refs/heads", "refs/tags")  # what only mirrors a remote may go with the next fetch


async def remove_spent(git: Git, ref: str, archive: Path, before: datetime) -> bool:
    """Whether the snapshot is gone: removed now, or before.

    It is removed only if it was made before that time, nothing of it lies in an archive, and its
    very commit, with all that hangs on it, is part of a branch or tag that is not ours.
    """
    commit = await git.resolve(ref)
    if commit is None:
        return True
    if not await _is_old(git, commit, before) or not await _is_held(git, commit):
        return False
    if await anyio.Path(archive_of(archive, commit)).exists():
        return False
    removed = await git.attempt("update-ref", "--no-deref", "-d", ref, commit)
    return removed.status == 0


async def _is_old(git: Git, commit: str, before: datetime) -> bool:
    made = await git.line("show", "--no-patch", "--format=%ct", commit, "--")
    return datetime.fromtimestamp(int(made), UTC) < before


async def _is_held(git: Git, commit: str) -> bool:
    listed = await git.call(
        "for-each-ref", "--format=%(refname)", f"--contains={commit}", *_HOLDERS
    )
    return any(not name.startswith(_OURS) for name in listed.text.splitlines())
