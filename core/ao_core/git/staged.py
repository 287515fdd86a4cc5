"""The index of a work tree: its entries, as a tree that keeps them all, and put back from there."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ao_core.git.repository import LONG, Git

GITLINK = "160000"
_ASIDE = re.compile(r"\.ao-unmerged/([123])/")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the index."""

    mode: str
    object: str
    stage: str
    path: str

    def __str__(self) -> str:
        return f"{self.mode} {self.object} {self.stage}\t{self.path}"


async def entries(git: Git) -> tuple[Entry, ...]:
    """Every line of it."""
    lines = await git.fields("ls-files", "--stage", "-z")
    return tuple(_entry(line) for line in lines)


async def unwatched(git: Git) -> tuple[list[str], list[str]]:
    """What a sparse checkout leaves out, and what git was told to take for unchanged."""
    lines = await git.fields("ls-files", "-v", "-z")
    left_out = [line[2:] for line in lines if line[0] in "Ss"]
    return left_out, [line[2:] for line in lines if line[0].islower() and line[0] != "s"]


async def feed(git: Git, names: Iterable[object], *how: str) -> None:
    """Give an index names or lines, whatever bytes they are made of."""
    data = b"".join(os.fsencode(str(name)) + b"\0" for name in names)
    await git.call("update-index", "-z", *how, stdin=data, deadline=LONG)


async def as_tree(bare: Git, found: Sequence[Entry]) -> str:
    """A tree of all entries, those in conflict side by side."""
    await bare.call("read-tree", "--empty")
    await feed(bare, [Entry(one.mode, one.object, "0", _place(one)) for one in found],
               "--index-info")  # fmt: skip
    return await bare.line("write-tree", "--missing-ok")


async def put_back(git: Git, tree: str) -> None:
    """Make the index what such a tree keeps, and leave alone what is so already."""
    lines = await git.fields("ls-tree", "-r", "-z", "--full-tree", tree)
    wanted, there = {_kept(line) for line in lines}, set(await entries(git))
    nothing = "0" * len(tree)
    gone = [Entry("0", nothing, "0", path) for path in sorted({one.path for one in there - wanted})]
    paths = {one.path for one in gone}
    new = sorted(str(one) for one in wanted if one not in there or one.path in paths)
    await feed(git, [*gone, *new], "--index-info")


def _place(entry: Entry) -> str:
    # a conflict has up to three versions of a file, which a tree can only hold side by side
    return entry.path if entry.stage == "0" else f".ao-unmerged/{entry.stage}/{entry.path}"


def _kept(line: str) -> Entry:
    facts, _, path = line.partition("\t")
    mode, _, name = facts.split(" ")
    aside = _ASIDE.match(path)
    return Entry(mode, name, aside[1] if aside else "0", path[aside.end() :] if aside else path)


def _entry(line: str) -> Entry:
    facts, _, path = line.partition("\t")
    mode, name, stage = facts.split(" ")
    return Entry(mode, name, stage, path)
