"""Where a work tree and its branch are, by git's files alone: no process is asked.

https://git-scm.com/docs/gitrepository-layout. Where refs are kept in another way than in files,
and in the middle of a rebase or bisect, nothing is said.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ao_core.model.standing import FIRM, Footing, Standing
from ao_core.redact import visible

_HEADS = "refs/heads/"
_ELSEWHERE = ".invalid"  # the branch named where refs are not files
_LONGEST, _PAGE = 200, 10_000
_UNDER_WAY = ("rebase-merge", "rebase-apply", "BISECT_LOG")


def footing(path: Path, branch: str, common: Path, now: Path | None = None) -> Standing | None:
    """How the work stands; None where nothing can be said. `now` is where its agent is."""
    try:
        return _found(path, branch, common, now)
    except OSError:  # a folder that we may not look into, say
        return None


def _found(path: Path, branch: str, common: Path, now: Path | None) -> Standing | None:
    git_dir = _git_dir(path)
    if git_dir is None:
        where = _moved_to(path, branch, common, now)
        return Standing(Footing.MOVED, str(where)) if where else Standing(Footing.REMOVED)
    refs = git_dir if (path / ".git").is_dir() else common
    return _by_head(git_dir, refs, branch)


def _by_head(git_dir: Path, refs: Path, branch: str) -> Standing | None:
    head = _line(git_dir / "HEAD")
    if head is None or any((git_dir / name).exists() for name in _UNDER_WAY):
        return None
    if not head.startswith(f"ref: {_HEADS}"):
        return Standing(Footing.SWITCHED, f"commit {visible(head[:12], 12)}")
    found = head.removeprefix(f"ref: {_HEADS}")
    if found == _ELSEWHERE:
        return None
    if found != branch:
        return Standing(Footing.SWITCHED, visible(found, _LONGEST))
    return FIRM if _exists(refs, _HEADS + branch) else Standing(Footing.BRANCH_GONE)


def _git_dir(path: Path) -> Path | None:
    """Git's own folder of the work tree there, if there is one."""
    dot = path / ".git"
    if dot.is_dir():
        return dot
    told = _line(dot)
    if told is None or not told.startswith("gitdir: "):
        return None
    found = path / told.removeprefix("gitdir: ")
    return found if found.is_dir() else None


def _moved_to(path: Path, branch: str, common: Path, now: Path | None) -> Path | None:
    """Where it was moved: by git, which knows; or with the agent still in it."""
    for known in _registered(common, branch):
        told = _line(known / "gitdir")
        there = (known / told).parent if told else path
        if there != path and _same(_git_dir(there), known):
            return there
        if now is not None and now != path and _same(_git_dir(now), known):
            return now
    return None


def _registered(common: Path, branch: str) -> Iterator[Path]:
    with suppress(OSError):
        for known in (common / "worktrees").iterdir():
            if _line(known / "HEAD") == f"ref: {_HEADS}{branch}":
                yield known


def _same(one: Path | None, other: Path) -> bool:
    return one is not None and one.resolve() == other.resolve()


def _exists(refs: Path, name: str) -> bool:
    if (refs / name).is_file():
        return True
    with suppress(OSError, ValueError), (refs / "packed-refs").open() as lines:
        return any(line.endswith(f" {name}\n") for line in lines)
    return False


def _line(file: Path) -> str | None:
    try:
        with file.open() as text:  # a worker may have written it
            return text.read(_PAGE).strip()
    except (OSError, ValueError):
        return None
