"""A writer killed at any moment loses nothing it acknowledged, and leaves no half commit."""

import os
import random
import select
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import pytest

from ao_core.clock import SystemClock
from ao_core.model.event import Said
from ao_core.store.contract import Store
from ao_core.store.flat import FilesStore
from ao_core.store.records import COUNTER
from ao_core.store.sqlite import SqliteStore
from ao_core.testing.store_kit import Make
from rounds import rounds

WRITER = Path(__file__).with_name("store_writer.py")
KILLS = rounds(200, 40)
WAIT = 20.0

Ack = tuple[str, int, int, int]


class Writers:
    """The process that starts writers, and what they print."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._rest = b""

    def killed_at(self, moment: float, *, working: bool) -> list[Ack]:
        """Start a writer, kill it so many seconds after it started (or began to commit)."""
        os.write(self._input, b"go\n")
        pid = int(next(self._lines(WAIT)).removeprefix("pid "))
        acks = [ack(next(self._lines(WAIT)))] if working else []
        acks += [ack(line) for line in self._lines(moment)]
        os.kill(pid, signal.SIGKILL)
        for line in self._lines(WAIT):
            if line == "dead":
                return acks
            acks.append(ack(line))
        raise AssertionError("the writer did not die")

    @property
    def _input(self) -> int:
        assert self._process.stdin
        return self._process.stdin.fileno()

    @property
    def _output(self) -> int:
        assert self._process.stdout
        return self._process.stdout.fileno()

    def _lines(self, seconds: float) -> Iterator[str]:
        """What is printed within this time."""
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0:
            line, newline, rest = self._rest.partition(b"\n")
            if newline:
                self._rest = rest
                yield line.decode()
            elif select.select([self._output], [], [], left)[0]:
                read = os.read(self._output, 65536)
                assert read, "the process that starts writers is gone"
                self._rest += read


def ack(line: str) -> Ack:
    name, value, revision, seq = line.split()
    return name, int(value), int(revision), int(seq)


@contextmanager
def writers(store: type[Store], path: Path) -> Generator[Writers, None, None]:
    argv = [sys.executable, str(WRITER), f"{store.__module__}:{store.__name__}", str(path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Writers(process)
        finally:
            process.kill()


@dataclass
class Seen:
    """What the store held after the kills so far."""

    make: Make
    path: Path
    last: int = 0
    said: dict[str, int] = field(default_factory=dict[str, int])
    lines: dict[int, tuple[str, int]] = field(default_factory=dict[int, tuple[str, int]])

    async def check(self, acks: list[Ack]) -> None:
        """All that was acknowledged is there, and record and journal agree."""
        async with self.make(self.path, SystemClock()) as store:
            async for event in store.follow(self.last, live=False):
                assert event.seq > self.last
                self._hear(event.seq, event.body)
            rows = {row.id: row async for row in store.scan(COUNTER)}
        assert {name: row.value.value for name, row in rows.items()} == self.said
        for name, value, revision, seq in acks:
            assert self.lines[seq] == (name, value)
            assert self.said[name] >= value
            assert rows[name].revision >= revision
        assert self.make is not SqliteStore or sound(self.path)

    def _hear(self, seq: int, body: object) -> None:
        assert isinstance(body, Said)
        name, value = body.text.split()
        assert int(value) == self.said.get(name, 0) + 1  # none missing, none twice
        self.said[name], self.last = int(value), seq
        self.lines[seq] = name, int(value)


def sound(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as db:
        return bool(db.execute("PRAGMA integrity_check").fetchone() == ("ok",))


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("store", [SqliteStore, FilesStore])
async def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(
    store: type[SqliteStore | FilesStore], tmp_path: Path
) -> None:
    chance = random.Random(20260101)  # noqa: S311
    seen = Seen(store, tmp_path / "store")
    acknowledged = 0
    with writers(store, seen.path) as started:
        for _ in range(KILLS):
            working = chance.random() < 0.8
            acks = started.killed_at(chance.uniform(0, 0.02), working=working)
            acknowledged += len(acks)
            await seen.check(acks)
    assert acknowledged >= KILLS
    assert len(seen.said) == 3
    assert len(seen.lines) >= acknowledged
