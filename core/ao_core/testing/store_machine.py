"""A store against a dict and a list: whatever the calls and their order, both say the same.

Inherit `StoreMachine`, provide `make`, and name its `TestCase` in a test module.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ao_core.clock import Clock
from ao_core.errors import Conflict
from ao_core.store.contract import Change, Drop, Put, Store
from ao_core.store.records import COUNTER, Counter
from ao_core.testing.clock import FakeClock
from ao_core.testing.store_kit import counted, journal, said

T = TypeVar("T")
_Held = dict[str, tuple[int, int]]

_UNKNOWN = -1  # written by this very commit: no revision that was named can be its
_FAR = 1_000_000  # no revision of this run is so high: a guess must not be right by luck
_IDS = st.sampled_from(["a", "a/1", "a%", "a_", "b", "é", "\U0010ffff"])
_WISHES = st.tuples(_IDS, st.integers(0, 9), st.booleans(), st.integers(0, 9))
_TEXTS = st.lists(st.text(max_size=5), max_size=3)


class StoreMachine(RuleBasedStateMachine):
    """Commits, refusals and reopening, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        self._runner = asyncio.Runner()
        self._clock = FakeClock()
        self._held: _Held = {}
        self._said: list[str] = []
        self._head = 0

    @abstractmethod
    def make(self, path: Path, clock: Clock) -> Store:
        """The store under test."""

    @initialize()
    def open(self) -> None:
        self._store = self.make(Path(self._folder.name) / "store", self._clock)
        self._run(self._store.__aenter__())

    def teardown(self) -> None:
        self._run(self._store.__aexit__(None, None, None))
        self._runner.close()
        self._folder.cleanup()

    @rule(wishes=st.lists(_WISHES, max_size=4), texts=_TEXTS)
    def commit(self, wishes: list[tuple[str, int, bool, int]], texts: list[str]) -> None:
        changes = [self._change(*wish) for wish in wishes]
        after = dict(self._held)
        allowed = all(_foresee(after, change) for change in changes)
        try:
            made = self._run(self._store.commit(changes, [said(text) for text in texts]))
        except Conflict:
            assert not allowed
            return
        assert allowed
        assert all(event.seq > 0 for event in made.events)
        self._said += texts
        self._head = max([self._head, *(event.seq for event in made.events)])
        self._held = after
        for change, revision in zip(changes, made.revisions, strict=True):
            self._learn(change, revision)

    @rule()
    def reopen(self) -> None:
        self._run(self._store.__aexit__(None, None, None))
        self.open()

    @rule(count=st.integers(0, 3))
    def prune(self, count: int) -> None:
        lines = self._run(_sequence(self._store))
        before = lines[count] if count < len(lines) else self._head + 1
        assert self._run(self._store.prune(before)) == min(count, len(lines))
        self._said = self._said[count:]

    @rule(skip=st.integers(0, 5))
    def follow_from_the_middle(self, skip: int) -> None:
        lines = self._run(_sequence(self._store))
        after = lines[skip - 1] if 0 < skip <= len(lines) else 0
        expected = self._said[skip:] if after else self._said
        assert self._run(journal(self._store, after)) == expected

    @rule(prefix=_IDS)
    def scan_a_prefix(self, prefix: str) -> None:
        expected = {id: held for id, held in self._held.items() if id.startswith(prefix)}
        assert self._run(_records(self._store, prefix)) == sorted(expected.items())

    @rule(id=_IDS)
    def read_one(self, id: str) -> None:
        row = self._run(self._store.read(COUNTER, id))
        assert (row and (row.value.value, row.revision)) == self._held.get(id)

    @invariant()
    def both_say_the_same(self) -> None:
        assert self._run(_records(self._store)) == sorted(self._held.items())
        assert self._run(journal(self._store)) == self._said
        lines = self._run(_sequence(self._store))
        assert lines == sorted(set(lines))
        assert self._store.head == self._head == (lines[-1] if lines else self._head)
        assert self._store.first == (lines[0] if lines else self._head + 1)

    def _change(self, id: str, value: int, drop: bool, dishonest: int) -> Change:
        """A change that expects what is there, or now and then something else."""
        held = self._held.get(id, (0, 0))[1]
        expect = {0: held + _FAR, 1: 0}.get(dishonest, held)
        return Drop(COUNTER, id, expect) if drop else counted(id, value, expect)

    def _learn(self, change: Change, revision: int) -> None:
        if isinstance(change, Drop):
            assert revision == 0
        else:
            assert revision > 0
            self._held[change.id] = (self._held[change.id][0], revision)

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(call)


def _foresee(held: _Held, change: Change) -> bool:
    """Make the change in the model, if it may be made."""
    if held.get(change.id, (0, 0))[1] != change.expect:
        return False
    if isinstance(change, Drop):
        return held.pop(change.id, None) is not None
    held[change.id] = (_number(change), _UNKNOWN)
    return True


def _number(change: Put[Any]) -> int:
    assert isinstance(change.value, Counter)
    return change.value.value


async def _records(store: Store, prefix: str = "") -> list[tuple[str, tuple[int, int]]]:
    return [(r.id, (r.value.value, r.revision)) async for r in store.scan(COUNTER, prefix)]


async def _sequence(store: Store) -> list[int]:
    return [event.seq async for event in store.follow(0, live=False)]
