"""The files of a journal: their names, which there are, and what stands in them.

A file is named after its first commit and the first event it may hold. Once all its commits are in
the snapshot it is rewritten with the events alone, under a name that says so; the last file, which
is being written, never is.
"""

import os
import re
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from ao_core.errors import Corrupt
from ao_core.files import is_draft
from ao_core.store.line import Damaged, Entry, Noted, read

_NAME = re.compile(r"c([0-9]{12,})-e([0-9]{12,})(\.events)?\.jsonl")
_STRIDE = 16 * 1024  # bytes that may have to be read to find a line
_HINT = "Put a copy of the home in its place; it was not changed."


class Mark(NamedTuple):
    """Where a line stands: the first event it or a later one may hold, its commit, its offset."""

    event: int
    commit: int
    offset: int


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of the journal, and some places in it that are known."""

    path: Path
    commit: int
    event: int
    thin: bool = False
    marks: list[Mark] = field(default_factory=list[Mark], compare=False)
    _lock: Lock = field(default_factory=Lock, compare=False, repr=False)

    def mark(self, mark: Mark) -> None:
        """Remember a place, if the last one before it that is known is far away."""
        with self._lock:
            at = bisect_right(self.marks, mark.offset, key=lambda one: one.offset)
            if not at or mark.offset - self.marks[at - 1].offset >= _STRIDE:
                self.marks.insert(at, mark)

    def near(self, event: int) -> Mark:
        """The nearest known place before an event."""
        marks = tuple(self.marks)  # others read and write meanwhile
        at = bisect_right(marks, event, key=lambda mark: mark.event)
        return marks[at - 1] if at else Mark(self.event, self.commit, 0)

    def thinned(self) -> "Segment":
        """The file it becomes."""
        return segment(self.path.parent, self.commit, self.event, thin=True)


def segment(folder: Path, commit: int, event: int, *, thin: bool = False) -> Segment:
    """The file that begins with a commit."""
    name = f"c{commit:012}-e{event:012}{'.events' if thin else ''}.jsonl"
    return Segment(folder / name, commit, event, thin)


class Shelf:
    """The journal's files in order. Any thread may ask; each change is seen as a whole."""

    def __init__(self, segments: list[Segment]) -> None:
        self._segments = tuple(segments)
        self._lock = Lock()

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All of them."""
        return self._segments

    def from_event(self, event: int) -> tuple[Segment, ...]:
        """The file that may hold an event, and all after it."""
        segments = self._segments
        at = bisect_right(segments, event, key=lambda one: one.event)
        return segments[max(at - 1, 0) :]

    def add(self, new: Segment) -> None:
        """Another file, at the end."""
        with self._lock:
            self._segments = (*self._segments, new)

    def replace(self, old: Segment, new: Segment | None) -> None:
        """Another file in the place of one, or none."""
        with self._lock:
            changed = [new if one == old else one for one in self._segments]
            self._segments = tuple([one for one in changed if one])


def next_event(entry: Entry, event: int) -> int:
    """The first event that may stand after a commit, given the first that may stand in it."""
    event = entry.ends.head + 1 if entry.ends else event
    return entry.events[-1].seq + 1 if entry.events else event


def on_disk(folder: Path) -> list[Segment]:
    """The files of a folder in order; one that was rewritten stands for what it was."""
    found: dict[int, Segment] = {}
    for path in folder.iterdir():
        if match := _NAME.fullmatch(path.name):
            one = Segment(path, int(match[1]), int(match[2]), bool(match[3]))
            if one.thin or one.commit not in found:
                found[one.commit] = one
    return [found[commit] for commit in sorted(found)]


def remove_replaced(folder: Path, kept: list[Segment]) -> None:
    """Remove what a crash left: files that were rewritten, and drafts."""
    paths = {one.path for one in kept}
    for path in list(folder.iterdir()):
        stale = _NAME.fullmatch(path.name) and path not in paths
        if stale or is_draft(path.name):
            with suppress(FileNotFoundError):
                path.unlink()


class Line(NamedTuple):
    """A line as read: the commit, the first of its write, its offset and its end."""

    entry: Entry
    batch: int
    offset: int
    end: int


def lines(segment: Segment, start: Mark | None = None) -> Iterator[Line]:
    """A file's lines from a place on; raises `Corrupt` at one that is not as it was written."""
    _, commit, offset = start or Mark(segment.event, segment.commit, 0)
    with segment.path.open("rb") as file:
        file.seek(offset)
        for raw in file:
            try:
                entry, batch = read(raw)
            except Damaged:
                raise damaged(segment, commit) from None
            if entry.number != commit:
                raise damaged(segment, commit)
            yield Line(entry, batch, offset, offset + len(raw))
            offset += len(raw)
            commit += 1


def damaged(segment: Segment, commit: int) -> Corrupt:
    """What is said of a line that cannot be read."""
    line = commit - segment.commit + 1
    return Corrupt(f"{segment.path}, line {line}: the journal is damaged", hint=_HINT)


def missing(folder: Path, commit: int) -> Corrupt:
    """What is said of lines that are not there."""
    return Corrupt(f"{folder}: the journal lacks commit {commit}", hint=_HINT)


def noted(shelf: Shelf, start: int, until: int, most: int) -> list[tuple[str, Noted]]:
    """Events with their moments, from one number to another, at most `most`."""
    while True:
        try:
            return _noted(shelf.from_event(start), start, until, most)
        except FileNotFoundError as exc:
            if os.fspath(exc.filename) in [os.fspath(one.path) for one in shelf.segments]:
                raise  # not rewritten or pruned meanwhile, but gone


def _reaches(entry: Entry, until: int) -> bool:
    return bool(entry.events) and entry.events[-1].seq >= until


def _noted(
    segments: tuple[Segment, ...], start: int, until: int, most: int
) -> list[tuple[str, Noted]]:
    found: list[tuple[str, Noted]] = []
    expected = 0
    for number, one in enumerate(segments):
        if number and one.commit != expected:
            raise missing(one.path.parent, expected)
        expected = one.commit
        place = Mark(one.event, one.commit, 0) if number else one.near(start)
        event = place.event
        for line in lines(one, place):
            one.mark(Mark(event, line.entry.number, line.offset))  # the next page begins near it
            event = next_event(line.entry, event)
            expected = line.entry.number + 1
            wanted = (told for told in line.entry.events if start <= told.seq <= until)
            found += [(line.entry.at, told) for told in wanted]
            if len(found) >= most or _reaches(line.entry, until):
                return found[:most]
    raise missing(segments[-1].path.parent, expected)
