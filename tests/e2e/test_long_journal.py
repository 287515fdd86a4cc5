"""A journal of many lines: whoever reads it reads page by page, and keeps none of it.

25,000 lines; as many as LONG_JOURNAL says, if it does (`make long-journal`: a million).
"""

import os
import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from ao_core.clock import SystemClock
from ao_core.config.own import Retention
from ao_core.engine.engine import Engine
from ao_core.engine.outlets import Outlets
from ao_core.engine.overlap import Overlaps
from ao_core.engine.queue import Queue
from ao_core.engine.reactions import Reactions
from ao_core.engine.recover import recover
from ao_core.engine.retention import tidy
from ao_core.errors import Pruned
from ao_core.ids import ProjectId
from ao_core.store.choice import open_store
from ao_core.store.contract import Put
from ao_core.store.records import CURSOR, SESSION, Cursor
from ao_mcp.app import engine_on
from ao_mcp.operations.contract import Call
from ao_mcp.operations.every import OPERATIONS
from books import a_session, over
from inside import a_person, settled
from long_journal import grown
from receiver import Receiver
from rounds import EVERY_KIND
from team import FILES, PLAIN, Kind

LINES = int(os.environ.get("LONG_JOURNAL", "25000"))
SESSIONS = [f"sam-{number}" for number in range(1, 51)]
READERS = ("reactions", "queue", "overlap", "notifier/sample/hook")
PAGES = 12_000_000  # bytes; all lines together take twice as much, at the least
BY_NAME = {operation.name: operation for operation in OPERATIONS}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240 + LINES // 1_000),
    pytest.mark.parametrize("kind", [PLAIN, FILES], ids=str),
]


@asynccontextmanager
async def long_home(home: Path, repository: Path, kind: Kind) -> AsyncGenerator[Path]:
    """A home whose sessions have ended, and of which readers have read one line."""
    with Receiver() as people:
        settled(home, repository, kind)
        hook = f"notifiers: {{hook: {{plugin: webhook, url: '{people.url}'}}}}\n"
        text = (home / "config.yaml").read_text()
        (home / "config.yaml").write_text(f"{hook}defaults: {{notifiers: [hook]}}\n{text}")
        await grown(home, kind.store, LINES, SESSIONS)
        async with open_store(home, kind.store, SystemClock()) as store:
            mine = ProjectId("sample")
            past = [over(a_session(id, project=mine, workspace_gone=True)) for id in SESSIONS]
            await store.commit([Put(SESSION, one.id, one, 0) for one in past])
            behind = READERS if kind is PLAIN or EVERY_KIND else READERS[:1]  # stores are alike
            read = {id: 1 if id in behind else LINES for id in READERS}
            await store.commit([Put(CURSOR, id, Cursor(id, at), 0) for id, at in read.items()])
        yield home
        assert not people.sent  # nothing in it is notable


async def within_pages(work: Callable[[], Awaitable[None]]) -> None:
    """Do it; at no time it has more than some pages in memory."""
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    await work()
    most = tracemalloc.get_traced_memory()[1] - before
    assert most < PAGES, f"{most / 1e6:.1f} MB"


async def asked(engine: Engine, repository: Path, name: str, **params: object) -> dict[str, Any]:
    request = BY_NAME[name].request.model_validate(params)
    reply = await BY_NAME[name].run(Call(engine, a_person(repository)), request)
    return reply.model_dump()


async def test_whoever_reads_a_long_journal_keeps_none_of_it(
    home: Path, tmp_path: Path, kind: Kind
) -> None:
    repository = tmp_path / "sample"
    async with long_home(home, repository, kind):
        async with engine_on(home):
            """What an engine takes by itself is in memory from here on."""
        tracemalloc.start()
        try:
            await within_pages(lambda: starts(home))
            async with engine_on(home) as engine:
                for what in (listed, waited, read, caught_up, tidied):
                    await within_pages(lambda what=what: what(engine, repository))
        finally:
            tracemalloc.stop()


async def starts(home: Path) -> None:
    async with engine_on(home) as engine:
        await recover(engine)
        assert engine.records.head == LINES


async def listed(engine: Engine, repository: Path) -> None:
    assert not (await asked(engine, repository, "list"))["sessions"]
    past = await asked(engine, repository, "list", ended=True, limit=500)
    assert len(past["sessions"]) == len(SESSIONS)


async def waited(engine: Engine, repository: Path) -> None:
    """By one session and an old cursor, and then by all for the end: each line once."""
    cursor, seen = 10, list[int]()
    for _ in range(10):
        mine = {"sessions": (SESSIONS[0],), "until": "merged", "seconds": 0}
        news = await asked(engine, repository, "wait", cursor=cursor, **mine)
        seen += [int(line.split()[0]) for line in news["events"]]
        cursor = news["cursor"]
    assert seen == [number for number in range(11, cursor + 1) if number % 50 == 0]
    assert len(seen) == 10 * 40
    cursor, seen = LINES - 1_000, list[int]()
    while cursor < LINES:
        news = await asked(engine, repository, "wait", cursor=cursor, until="merged", seconds=0)
        seen += [int(line.split()[0]) for line in news["events"]]
        cursor = news["cursor"]
    assert seen == list(range(LINES - 999, LINES + 1))


async def read(engine: Engine, repository: Path) -> None:
    """In pages of what fits, whole lines of one session only."""
    seen: list[int] = []
    size = 50_000
    cursor: str | None = None
    while True:
        params = {"session": SESSIONS[0], "what": "events", "max_chars": size, "cursor": cursor}
        piece = await asked(engine, repository, "read", **params)
        assert len(piece["text"]) <= size
        assert piece["total"] == LINES
        seen += [int(line.split()[0]) for line in piece["text"].splitlines()]
        if (cursor := piece["cursor"]) is None:
            break
    assert seen == [number for number in range(1, LINES + 1) if number % 50 == 0]


async def caught_up(engine: Engine, repository: Path) -> None:
    """Everybody who reads along, from far behind."""
    async with anyio.create_task_group() as tasks:
        for reader in (Reactions(engine), Queue(engine), Overlaps(engine), Outlets(engine)):
            tasks.start_soon(reader.run)
        while min([place async for place in places(engine)]) < LINES - 500:  # noqa: ASYNC110
            await anyio.sleep(0.1)
        tasks.cancel_scope.cancel()
    cursors = [row.id async for row in engine.records.store.scan(CURSOR)]
    assert sorted(cursors) == sorted([*READERS, "reactions/sample"])  # one for each project, too


async def places(engine: Engine) -> AsyncGenerator[int]:
    async for row in engine.records.store.scan(CURSOR):
        yield row.value.seq


async def tidied(engine: Engine, repository: Path) -> None:
    """The older half goes; who would miss some of it is told."""
    await tidy(engine, Retention.model_validate({"journal": "5d"}))
    assert engine.records.store.first == pytest.approx(LINES / 2, rel=0.01)
    with pytest.raises(Pruned):
        await asked(engine, repository, "wait", cursor=10, seconds=0)
