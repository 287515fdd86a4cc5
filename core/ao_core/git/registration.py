"""What git keeps of a work tree in a folder of its own, written where git would take two steps.

`locked` and `gitdir` are part of git's documented layout. Git itself changes a lock by taking it
away first, and moves no work tree that has submodules.
https://git-scm.com/docs/gitrepository-layout
"""

from pathlib import Path

from ao_core.errors import ConfigError
from ao_core.files import in_our_words, write_atomic

_MARK = "gitdir: "
_MODE = 0o644


def relock(worktree: Path, reason: str) -> None:
    """Lock a work tree, or give its lock another reason, at one moment."""
    write_atomic(_folder_of(worktree) / "locked", f"{reason}\n", _MODE, durable=False)


def settle_here(worktree: Path) -> None:
    """Have git know a work tree where it is now."""
    place = worktree.resolve() / ".git"
    write_atomic(_folder_of(worktree) / "gitdir", f"{place}\n", _MODE, durable=False)


def _folder_of(worktree: Path) -> Path:
    file = worktree / ".git"
    with in_our_words(file, "read"):
        text = file.read_text()
    if not text.startswith(_MARK):
        raise ConfigError(f"{file} does not name a work tree", hint="`git worktree list` helps.")
    return worktree / text.removeprefix(_MARK).strip()
