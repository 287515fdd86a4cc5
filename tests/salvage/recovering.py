"""Getting work back as the documentation tells a person to: by git and tar alone."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from salvage.works import Seen, disorder, merging
from salvage.yard import ENVIRONMENT, files, git, history, index

__all__ = ["Saved", "disorder", "missing", "recovered", "told"]
PAGE = Path(__file__).parents[2] / "docs" / "saved-work.md"
_PARTED = re.compile(r"\.ao-unmerged/([123])/")


@dataclass(frozen=True, slots=True)
class Saved:
    """What a reply names."""

    ref: str | None
    archive: str | None


def told(part: str) -> str:
    """The commands of one part of the page."""
    found = re.search(rf"<!-- tested: {part} -->\n```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found, f"the page has no part called {part}"
    return found[1]


def follow(part: str, folder: Path, repository: Path, saved: Saved, **more: str) -> str:
    """Do what the page says, in a folder."""
    known = {"SAVED": saved.ref or "", "ARCHIVE": saved.archive or "", **more}
    places = {"REPOSITORY": str(repository), **known}
    done = subprocess.run(
        ["sh", "-eu", "-c", told(part)], cwd=folder, env={**os.environ, **ENVIRONMENT, **places},
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return os.fsdecode(done.stdout)


def recovered(folder: Path, repository: Path, saved: Saved, branch: str) -> Path:
    """A new folder with all that was saved, or with the branch where nothing had to be."""
    folder.mkdir(parents=True)
    if saved.ref is None:  # a branch on which nothing was done may be gone, too
        there = git(repository, "branch", "--list", branch)
        git(repository, "worktree", "add", "--quiet", "--detach", str(folder / "shop-3"),
            branch if there else "main")  # fmt: skip
    else:
        follow("files", folder, repository, saved)
    return folder / "shop-3"


def missing(seen: Seen, back: Path, repository: Path, saved: Saved) -> list[str]:
    """What of a workspace is not to be had any more: nothing, it is hoped."""
    found = files(back, *(() if "sub" in seen.must.repositories else ("sub",)))
    unseen = {name: found.pop(name, None) for name in seen.must.unseen}
    lines = [f"{name!r}: {one} became {found.get(name)}"
             for name, one in seen.files.items() if found.get(name) != one]  # fmt: skip
    lines += [f"{name!r} came from nowhere" for name in found.keys() - seen.files.keys()]
    lines += [f"{name!r} is deleted" for name, one in unseen.items() if one is None]
    lines += [f"the index has lost {one!r}" for one in sorted(_lost(seen, repository, saved))]
    lines += [f"{one} is held by nothing" for one in seen.must.commits if not held(repository, one)]
    lines += [line for name in seen.inner for line in _differing(seen, back, name)]
    return lines + [f"{name} has lost its content" for name, data in seen.must.large.items()
                    if shown(repository, name) != data]  # fmt: skip


def _differing(seen: Seen, back: Path, name: str) -> list[str]:
    if not (back / name / ".git").exists():
        return [f"{name} is no repository any more"]
    try:
        now = history(back / name)
    except AssertionError as error:
        return [f"{name} is a broken repository: {error}"]
    return [f"{name}: {what} {before} became {now[what]}"
            for what, before in seen.inner[name].items() if now[what] != before]  # fmt: skip


def _lost(seen: Seen, repository: Path, saved: Saved) -> set[str]:
    if saved.ref is None:
        return set()
    return seen.index - kept_index(repository, saved.ref)


def kept_index(repository: Path, ref: str) -> set[str]:
    """The index of a saved work tree, as git would list it."""
    lines = git(repository, "ls-tree", "-r", "-z", f"{ref}^2").split("\0")
    return {_line(line) for line in lines if line}


def _line(line: str) -> str:
    facts, _, name = line.partition("\t")
    mode, _, found = facts.split(" ")
    parted = _PARTED.match(name)
    stage, rest = (parted[1], name[parted.end() :]) if parted else ("0", name)
    return f"{mode} {found} {stage}\t{rest}"


def held(repository: Path, name: str) -> bool:
    """Whether some ref leads to an object."""
    if git(repository, "cat-file", "-t", name, ok=False) != "commit":
        return bool(git(repository, "for-each-ref", "--points-at", name, ok=False))
    stashed = git(repository, "stash", "list", "--format=%H").split()
    return name in stashed or bool(git(repository, "for-each-ref", f"--contains={name}"))


def shown(repository: Path, name: str) -> bytes:
    """A large file, as git would write it."""
    how = ["git", "cat-file", "--filters"]
    how += [name] if ":" in name else ["--path=x.large", name]
    env = {**os.environ, **ENVIRONMENT}
    return subprocess.run(how, cwd=repository, env=env, capture_output=True, check=False).stdout


def changed(seen: Seen, path: Path) -> list[str]:
    """What is not as it was, of a workspace that was left alone or put back."""
    found = files(path, *(() if "sub" in seen.must.repositories else ("sub",)))
    names = (seen.files.keys() | found.keys()) - set(seen.must.unseen)
    lines = [f"{one!r} differs" for one in names if found.get(one) != seen.files.get(one)]
    if git(path, "rev-parse", "HEAD") == seen.head:
        lines += [f"the index differs at {one!r}" for one in sorted(seen.index ^ index(path))]
        lines += ["the merge is over"] if merging(path) != seen.merging else []
    return lines + [line for name in seen.inner for line in _differing(seen, path, name)]
