"""The machine is kept awake while agents work, by whatever the system has for it."""

import logging
import os
import signal
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from ao_core import platform
from ao_core.engine.awake import Awake
from ao_core.model.session import SessionFacts, SessionReason, SessionState
from ao_core.testing.clock import FakeClock
from books import DEADLINE, START, Books
from team import eventually

BOTH = platform.inhibitors("linux", 1)
FINE = 'echo "$$ $1" >> "$0.ran"\nexec cat'
ENDS = 'echo "$$ $1" >> "$0.ran"\nexit 1'


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """Puts a program in the place of the system's own; returns where it writes down its runs."""

    def put(script: str) -> Path:
        file = tmp_path / "bin" / "systemd-inhibit"
        file.parent.mkdir()
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return file.with_name("systemd-inhibit.ran")

    return put


def runs(record: Path) -> list[tuple[int, str]]:
    lines = record.read_text().splitlines() if record.exists() else []
    return [(int(line.split()[0]), line.split()[1]) for line in lines]


async def ran(record: Path, count: int = 1) -> list[tuple[int, str]]:
    """What ran, once so many have."""
    await anyio.to_thread.run_sync(lambda: eventually(lambda: len(runs(record)) >= count))
    return runs(record)


async def held(books: Books, record: Path) -> int:
    """The process that holds on, once an agent works."""
    await goes(books, SessionState.WORKING)
    ((pid, what),) = await ran(record)
    assert what == "--what=idle:sleep"
    return pid


@asynccontextmanager
async def keeping(
    books: Books, tmp_path: Path, *, wanted: bool = True, commands: Sequence[Sequence[str]] = BOTH
) -> AsyncGenerator[anyio.Event]:
    """Awake on these books, whose sessions are idle at first; tells when it gives up."""

    async def asked() -> bool:
        return wanted

    path = f"{tmp_path / 'bin'}:{os.defpath}"
    awake = Awake(books.records, books.clock, path, asked, commands)
    over = anyio.Event()

    async def run() -> None:
        await awake.run()
        over.set()

    with anyio.fail_after(DEADLINE):
        for id in ("app-1", "app-2"):
            await goes(books, SessionState.IDLE, id)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            yield over
            tasks.cancel_scope.cancel()


async def goes(books: Books, state: SessionState, id: str = "app-1") -> None:
    facts = SessionFacts(state, SessionReason.TASK_IN_PROGRESS, START)
    await books.change(id, lambda session: replace(session, facts=facts))


def time(books: Books) -> FakeClock:
    assert isinstance(books.clock, FakeClock)
    return books.clock


def test_each_system_has_its_own_way_or_none() -> None:
    assert platform.inhibitors("macos", 7) == (("caffeinate", "-i", "-w", "7"),)
    assert [command[1] for command in BOTH] == ["--what=idle:sleep", "--what=idle"]
    assert all(command[-2:] == ("--mode=block", "cat") for command in BOTH)
    assert platform.inhibitors("windows", 7) == platform.inhibitors("wsl", 7) == ()


async def test_it_holds_while_an_agent_works_and_lets_go_a_while_after(
    books: Books, program: Callable[[str], Path], tmp_path: Path
) -> None:
    record = program(FINE)
    async with keeping(books, tmp_path):
        pid = await held(books, record)
        await goes(books, SessionState.WORKING, "app-2")
        await goes(books, SessionState.IDLE)
        await time(books).advance(3600)
        assert platform.process_exists(pid)
        await goes(books, SessionState.NEEDS_INPUT, "app-2")
        await time(books).until_sleeping()
        await time(books).advance(29)
        assert platform.process_exists(pid)
        await time(books).advance(1)
        await anyio.to_thread.run_sync(lambda: eventually(lambda: not platform.process_exists(pid)))
        await goes(books, SessionState.WORKING)
        assert len(await ran(record, 2)) == 2


async def test_between_two_turns_it_does_not_let_go(
    books: Books, program: Callable[[str], Path], tmp_path: Path
) -> None:
    record = program(FINE)
    async with keeping(books, tmp_path):
        pid = await held(books, record)
        for _ in range(3):
            await goes(books, SessionState.IDLE)
            await time(books).until_sleeping()
            await time(books).advance(20)
            await goes(books, SessionState.WORKING)
        assert platform.process_exists(pid)
    assert len(runs(record)) == 1
    assert not platform.process_exists(pid)


async def test_what_is_refused_is_asked_for_more_modestly_and_then_given_up_with_one_word(
    books: Books,
    program: Callable[[str], Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    record = program(ENDS)
    with caplog.at_level(logging.INFO):
        async with keeping(books, tmp_path) as over:
            await goes(books, SessionState.WORKING)
            await over.wait()
    assert [what for _, what in runs(record)] == ["--what=idle:sleep", "--what=idle"]
    assert caplog.text.count("cannot be kept awake") == 1


@pytest.mark.parametrize("commands", [(), [("no-such-program",)]])
async def test_where_there_is_no_way_nothing_fails(
    books: Books, tmp_path: Path, commands: Sequence[Sequence[str]]
) -> None:
    async with keeping(books, tmp_path, commands=commands) as over:
        await goes(books, SessionState.WORKING)
        await over.wait()


async def test_one_that_is_ended_from_outside_is_not_missed(
    books: Books, program: Callable[[str], Path], tmp_path: Path
) -> None:
    record = program(FINE)
    async with keeping(books, tmp_path):
        pid = await held(books, record)
        os.kill(pid, signal.SIGKILL)
        assert [what for _, what in await ran(record, 2)] == ["--what=idle:sleep", "--what=idle"]


async def test_nothing_is_run_for_whoever_does_not_want_it(
    books: Books, program: Callable[[str], Path], tmp_path: Path
) -> None:
    record = program(FINE)
    async with keeping(books, tmp_path, wanted=False):
        await goes(books, SessionState.WORKING)
        await goes(books, SessionState.IDLE)
        await time(books).until_sleeping()
        await time(books).advance(60)
    assert runs(record) == []
    async with keeping(books, tmp_path):  # the same for whoever does
        await held(books, record)
