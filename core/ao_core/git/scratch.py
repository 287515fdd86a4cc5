"""A throw-away git directory over a real object store, in which no filter touches a byte.

The person's index, HEAD, stash, hooks and attributes are never used; what is written are objects.
"""

import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio.to_thread

from ao_core.files import in_our_words
from ao_core.git.repository import Git

# the highest in rank of all attributes; git refuses `-working-tree-encoding`
_NO_CONVERSION = "* -text !eol -ident -filter !working-tree-encoding\n"
_AS_IT_IS = (
    "core.fileMode=true", "core.symlinks=true", "core.ignoreCase=false",
    "core.protectNTFS=false", "core.protectHFS=false", "core.sparseCheckout=false",
)  # fmt: skip


@asynccontextmanager
async def scratch(git: Git, folder: Path) -> AsyncGenerator[Git]:
    """Git on `folder`, with an empty index of its own and the object store of `git`."""
    objects = await git.line("rev-parse", "--path-format=absolute", "--git-path", "objects")
    kind = await git.line("rev-parse", "--show-object-format")
    home = await anyio.to_thread.run_sync(_make, await git.git_dir(), kind)
    try:
        env = {
            "GIT_DIR": str(home),
            "GIT_WORK_TREE": str(folder),
            "GIT_OBJECT_DIRECTORY": objects,
        }
        yield replace(
            git, path=folder, env={**git.env, **env}, settings=(*git.settings, *_AS_IT_IS)
        )
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_remove, home)


def _make(parent: Path, kind: str) -> Path:
    # beside the real one, which is where `run` can reach, too
    with in_our_words(parent, "written"):
        home = Path(tempfile.mkdtemp(prefix="ao-scratch-", dir=parent))
    try:
        with in_our_words(home, "written"):
            _furnish(home, kind)
    except BaseException:  # interrupted, too: no folder stays
        _remove(home)
        raise
    return home


def _furnish(home: Path, kind: str) -> None:
    for name in ("objects", "refs", "info"):
        (home / name).mkdir()
    (home / "HEAD").write_text("ref: refs/heads/none\n")
    (home / "config").write_text(_config(kind))
    (home / "info" / "attributes").write_text(_NO_CONVERSION)


def _config(kind: str) -> str:
    if kind == "sha1":
        return "[core]\n\trepositoryformatversion = 0\n\tbare = false\n"
    version = "[core]\n\trepositoryformatversion = 1\n\tbare = false\n"
    return f"{version}[extensions]\n\tobjectFormat = {kind}\n"


def _remove(home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
