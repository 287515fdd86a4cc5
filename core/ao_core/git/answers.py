"""What git answers, and how it is read."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Registered:
    """A work tree as git has it on its list. `lock` is the reason, "" for none given."""

    path: Path
    head: str | None
    branch: str | None
    lock: str | None
    prunable: bool
    bare: bool


@dataclass(frozen=True, slots=True)
class Change:
    """One line of `git status`. `submodule` holds the letters of what is dirty in it."""

    path: str
    code: str
    submodule: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    """How a file differs between two commits; without numbers it is no text."""

    path: str
    added: int | None
    removed: int | None


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit, in short."""

    id: str
    author: str
    at: int
    subject: str


def registered(block: str) -> Registered:
    """From one block of `git worktree list --porcelain -z`."""
    facts = dict[str, str]()
    for line in block.strip("\0").split("\0"):
        name, _, value = line.partition(" ")
        facts[name] = value
    branch = facts.get("branch")
    head = facts.get("HEAD")
    return Registered(
        path=Path(facts["worktree"]),
        head=head if head and head.strip("0") else None,
        branch=branch.removeprefix("refs/heads/") if branch else None,
        lock=facts.get("locked"),
        prunable="prunable" in facts,
        bare="bare" in facts,
    )


def changed(line: str) -> Changed:
    """From one line of `git diff --numstat -z`."""
    added, removed, path = line.split("\t", 2)
    return Changed(path, *(None if one == "-" else int(one) for one in (added, removed)))


def change(line: str) -> Change:
    """From one line of `git status --porcelain=v2 -z`."""
    kind, _, rest = line.partition(" ")
    if kind in ("?", "!"):
        return Change(rest, kind)
    # `1 XY sub mH mI mW hH hI path`; an unmerged one has two fields more
    parts = line.split(" ", 10 if kind == "u" else 8)
    return Change(parts[-1], parts[1], parts[2].strip("NS."))
