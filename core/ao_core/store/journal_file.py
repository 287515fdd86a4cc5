"""The journal's last file, to which commits are appended; and how a journal is read at first."""

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ao_core.errors import Corrupt
from ao_core.files import sync_folder
from ao_core.store import snapshot
from ao_core.store.line import Damaged, Entry, read, written
from ao_core.store.segments import (
    Line,
    Mark,
    Segment,
    Shelf,
    lines,
    missing,
    next_event,
    on_disk,
    segment,
)
from ao_core.store.state import State

_log = logging.getLogger(__name__)
_FULL = 1024 * 1024  # bytes after which the next file begins


@dataclass(frozen=True, slots=True)
class Loaded:
    """A journal as it was found."""

    state: State
    segments: list[Segment]
    saved: int  # bytes of the snapshot
    unsaved: int  # bytes read after it
    end: int  # where the last file ends
    torn: int  # bytes behind that, of a write that was cut short


def load(folder: Path) -> Loaded:
    """Read the snapshot and what follows it. Changes nothing."""
    state, saved = snapshot.load(folder)
    segments = on_disk(folder)
    if not segments and state.numbers.commit:
        raise missing(folder, state.numbers.commit)
    unsaved = end = torn = 0
    for number, one in enumerate(segments):
        last = number == len(segments) - 1
        if not last and segments[number + 1].commit <= state.numbers.commit + 1:
            continue  # all of it is in the snapshot
        if one.thin or one.commit > state.numbers.commit + 1:
            raise missing(folder, state.numbers.commit + 1)
        end, torn = _read(one, state, last)
        unsaved += end
    return Loaded(state, segments, saved, unsaved, end, torn)


def _read(one: Segment, state: State, last: bool) -> tuple[int, int]:
    """Take in a file's commits; how far it is whole, and how much of it is not."""
    end = 0
    at = Mark(one.event, one.commit, 0)
    try:
        for line in lines(one):
            one.mark(Mark(at.event, line.entry.number, line.offset))
            if line.entry.number > state.numbers.commit:
                state.apply(line.entry)
            end, at = line.end, _after(line, at)
    except Corrupt:
        if not last or not _is_torn(one, end, at.commit):
            raise
    if at.commit <= state.numbers.commit and last:
        raise missing(one.path.parent, at.commit)
    return end, one.path.stat().st_size - end


def _after(line: Line, at: Mark) -> Mark:
    return Mark(next_event(line.entry, at.event), line.entry.number + 1, line.end)


def _is_torn(one: Segment, end: int, commit: int) -> bool:
    """Whether nothing follows that was written after commit `commit` was on the disk."""
    with one.path.open("rb") as file:
        file.seek(end)
        for raw in file:
            with suppress(Damaged):
                if read(raw)[1] > commit:
                    return False
    return True


class JournalFile:
    """Appends commits: whole and on the disk, or not at all."""

    def __init__(self, folder: Path, found: Loaded) -> None:
        self._folder = folder
        self.shelf = Shelf(found.segments)
        self._file = -1
        self._size = found.end
        self._event = found.state.numbers.head + 1
        self._unsure = found.torn > 0
        if found.segments:
            self._file = _opened(found.segments[-1].path)
            if found.torn:
                path = found.segments[-1].path
                _log.warning("%s: %d bytes of an unfinished write are cut off", path, found.torn)
            self._restore()

    def append(self, entries: Sequence[Entry]) -> int:
        """Write commits and see them on the disk; returns how many bytes they are."""
        self._restore()
        if self._file < 0 or self._size >= _FULL:
            self._begin(entries[0].number)
        batch = entries[0].number
        parts = [written(entry, batch) for entry in entries]
        self._unsure = True
        try:
            _write_all(self._file, b"".join(parts))
            os.fsync(self._file)
        except BaseException:  # interrupted, too: what is not known to be whole goes
            with suppress(OSError):  # else it is tried again before the next commit
                self._restore()
            raise
        self._unsure = False
        self._note(entries, parts)
        return sum(map(len, parts))

    def close(self) -> None:
        """Let the file go."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _restore(self) -> None:
        """Cut off what a failed write left."""
        if self._unsure:
            os.ftruncate(self._file, self._size)
            os.fsync(self._file)
            self._unsure = False

    def _begin(self, commit: int) -> None:
        new = segment(self._folder, commit, self._event)
        file = _opened(new.path)
        try:
            os.ftruncate(file, 0)  # of an attempt that failed
            sync_folder(self._folder)
        except BaseException:  # whatever it was, the file is let go and it is raised
            os.close(file)
            raise
        self.close()
        self._file, self._size = file, 0
        self.shelf.add(new)

    def _note(self, entries: Sequence[Entry], parts: Sequence[bytes]) -> None:
        current = self.shelf.segments[-1]
        for entry, part in zip(entries, parts, strict=True):
            current.mark(Mark(self._event, entry.number, self._size))
            self._size += len(part)
            self._event = next_event(entry, self._event)


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _write_all(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
