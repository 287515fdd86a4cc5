"""What a journal comes to: every record and lease, in memory, and the numbers that only grow."""

from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from ao_core.store.contract import Lease, lease_ended, not_following, taken, unexpected
from ao_core.store.line import Edit, Ends, Entry, Held, Noted

Key: TypeAlias = tuple[str, str]  # a record's kind and id


@dataclass(frozen=True, slots=True)
class Numbers:
    """The last commit, the last revision, and the journal's first and last line."""

    commit: int = 0
    revision: int = 0
    first: int = 1
    head: int = 0

    def after(self, entry: Entry) -> "Numbers":
        """The numbers once a commit is made."""
        ends = entry.ends or Ends(self.first, self.head)
        return Numbers(
            entry.number,
            max([self.revision, *(edit.revision for edit in entry.edits)]),
            ends.first,
            entry.events[-1].seq if entry.events else ends.head,
        )


@dataclass(frozen=True, slots=True)
class Wish:
    """A change as it is asked for; no body means that the record should go."""

    kind: str
    id: str
    expect: int
    body: str | None


@dataclass(frozen=True, slots=True)
class NewLine:
    """An event as it is asked for."""

    kind: str
    project: str | None
    session: str | None
    body: str


@dataclass(slots=True)
class State:
    """All that is on the disk. Changed by whole commits only."""

    records: dict[Key, Edit]
    leases: dict[str, Held]
    numbers: Numbers = Numbers()

    def apply(self, entry: Entry) -> None:
        """Take in a commit."""
        for edit in entry.edits:
            if edit.body is None:
                self.records.pop((edit.kind, edit.id), None)
            else:
                self.records[edit.kind, edit.id] = edit
        self.leases.update((lease.key, lease) for lease in entry.leases)
        self.numbers = self.numbers.after(entry)

    def copy(self) -> "State":
        """As it is now, whatever comes."""
        return State(dict(self.records), dict(self.leases), self.numbers)


class Draft:
    """What the state will be, once the commits at hand are on the disk."""

    def __init__(self, state: State) -> None:
        self._records: ChainMap[Key, Edit] = ChainMap({}, state.records)
        self._leases: ChainMap[str, Held] = ChainMap({}, state.leases)
        self.numbers = state.numbers
        self.entries: list[Entry] = []

    def take(self, entry: Entry) -> None:
        """Take in a commit that is about to be written."""
        self._records.update(((edit.kind, edit.id), edit) for edit in entry.edits)
        self._leases.update((lease.key, lease) for lease in entry.leases)
        self.numbers = self.numbers.after(entry)
        self.entries.append(entry)

    def entry(self, at: str) -> Entry:
        """The next commit, still empty."""
        return Entry(self.numbers.commit + 1, at)

    def commit(self, at: str, wishes: Iterable[Wish], lines: Iterable[NewLine]) -> Entry:
        """All changes and events, or `Conflict`."""
        entry = replace(
            self.entry(at), edits=tuple(self._edits(wishes)), events=tuple(self._numbered(lines))
        )
        self.take(entry)
        return entry

    def _edits(self, wishes: Iterable[Wish]) -> list[Edit]:
        seen = self._records.new_child()
        made: list[Edit] = []
        revision = self.numbers.revision
        for wish in wishes:
            _expect(seen, wish)
            revision += wish.body is not None
            edit = Edit(wish.kind, wish.id, revision if wish.body is not None else 0, wish.body)
            seen[wish.kind, wish.id] = edit
            made.append(edit)
        return made

    def _numbered(self, lines: Iterable[NewLine]) -> list[Noted]:
        return [
            Noted(seq, line.kind, line.project, line.session, line.body)
            for seq, line in enumerate(lines, self.numbers.head + 1)
        ]

    def prune(self, at: str, before: int) -> int:
        """Let lines at the beginning go; how many."""
        first, head = self.numbers.first, self.numbers.head
        kept = min(before, head + 1)
        if kept <= first:
            return 0
        self.take(replace(self.entry(at), ends=Ends(kept, head)))
        return kept - first

    def begin_at(self, at: str, first: int) -> None:
        """Have the next line be of this number; only an empty journal can skip some."""
        head = self.numbers.head
        if first != head + 1:
            if head:
                raise not_following(head, first)
            self.take(replace(self.entry(at), ends=Ends(first, first - 1)))

    def lease(self, at: str, key: str, holder: str, now: float, ttl: float) -> Lease:
        """Take or renew a lease."""
        held = self._leases.get(key) or Held(key, holder, 0, 0.0)
        last = Lease(key, held.token, held.expires)
        lease = taken(last, now, ttl, ours=held.holder == holder)
        ours = Held(key, holder, lease.token, lease.expires)
        self.take(replace(self.entry(at), leases=(ours,)))
        return lease

    def check(self, fence: Lease, now: datetime) -> None:
        """Raise `Conflict` unless this lease is valid."""
        held = self._leases.get(fence.key)
        if held is None or held.token != fence.token or held.expires <= now.timestamp():
            raise lease_ended(fence.key)

    def give_back(self, at: str, holder: str) -> None:
        """End every lease of a holder; their tokens go on growing."""
        ended = [
            replace(held, expires=0.0)
            for held in self._leases.values()
            if held.holder == holder and held.expires
        ]
        if ended:
            self.take(replace(self.entry(at), leases=tuple(ended)))


def _expect(seen: Mapping[Key, Edit], wish: Wish) -> None:
    there = seen.get((wish.kind, wish.id))
    revision = there.revision if there and there.body is not None else 0
    if revision != wish.expect or (wish.body is None and not revision):
        raise unexpected(wish.kind)
