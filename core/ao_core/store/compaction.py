"""Keeps a journal short to read and small on the disk.

The state is saved as of one commit; files that end before it are rewritten with their events alone,
or removed when all of those were pruned. Each step leaves a journal that says the same as before.
"""

from dataclasses import replace
from pathlib import Path

from ao_core.files import in_our_words, sync_folder, write_atomic
from ao_core.store import snapshot
from ao_core.store.line import written
from ao_core.store.segments import Mark, Segment, Shelf, lines, next_event
from ao_core.store.state import State


def compact(folder: Path, shelf: Shelf, state: State) -> int:
    """Save a state, and clear away what it makes needless; returns its size."""
    size = snapshot.save(folder, state)
    with in_our_words(folder, "tidied"):
        for one, following in _covered(shelf, state):
            if following.event <= state.numbers.first:
                shelf.replace(one, None)
                one.path.unlink()
            elif not one.thin:
                _thin(shelf, one)
        sync_folder(folder)
    return size


def _covered(shelf: Shelf, state: State) -> list[tuple[Segment, Segment]]:
    """The files all of whose commits are in the state, each with the one after it."""
    pairs = zip(shelf.segments, shelf.segments[1:], strict=False)
    return [pair for pair in pairs if pair[1].commit <= state.numbers.commit + 1]


def _thin(shelf: Shelf, one: Segment) -> None:
    new = one.thinned()
    parts: list[bytes] = []
    event, offset = one.event, 0
    for line in lines(one):
        part = written(replace(line.entry, edits=(), leases=()), line.batch)
        new.mark(Mark(event, line.entry.number, offset))
        offset += len(part)
        event = next_event(line.entry, event)
        parts.append(part)
    write_atomic(new.path, b"".join(parts))
    shelf.replace(one, new)
    one.path.unlink()
