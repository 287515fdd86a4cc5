"""`list` with many sessions in the store, and what an engine weighs that knows them."""

import json
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import anyio

from ao_core.clock import SystemClock
from ao_core.ids import ProjectId, SessionId
from ao_core.model.session import (
    PrFacts,
    PrReason,
    PrState,
    Session,
    SessionFacts,
    SessionReason,
    SessionState,
)
from ao_core.store.contract import Put
from ao_core.store.records import PROJECT, SESSION, ProjectRecord
from ao_core.store.sqlite import SqliteStore
from ao_core.wire import Connection
from bench import floors
from bench.processes import Child, weight
from bench.size import Size, milliseconds, seconds
from bench.stage import Stage, stage
from bench.table import Figure, Floor, Goal


def listing(size: Size) -> list[Figure]:
    """As a client sees it, socket and all."""
    with stage() as one:
        one.team.trusted().call("list_issues")  # the project is known from here on
        one.stop_engine()
        anyio.run(_seed, one.team.home / "ao.db", size.stored)
        one.settle()
        with one.team.connect() as line:
            pid = line.call("about")["pid"]
            page = line.call("list", {})
            timed = [_timed(line, 50) for _ in range(size.lists)]
            whole = [_timed(line, 500) for _ in range(max(5, size.lists // 10))]
            heavy = weight(pid)
        raw, light = _repeated(one, json.dumps(page), size.lists), floors.mcp_weight(one)
    floor = Floor(raw, "the same reply from a bare Python JSON loop")
    sdk = Floor(light, "a bare interpreter after `import mcp`")
    return [
        Figure("list", f"`list`, {size.stored} sessions, a page of 50, p50",
               milliseconds(*timed), "ms", size.lists, floor, Goal(10)),
        Figure("list_long", "the same, a page of 500", milliseconds(*whole), "ms", len(whole)),
        Figure("engine_memory_many", f"engine memory, {size.stored} sessions (PSS)",
               heavy, "MB", 1, sdk, Goal(200)),
    ]  # fmt: skip


def _timed(line: Connection, limit: int) -> float:
    return seconds(lambda: line.call("list", {"limit": limit}))


def _repeated(one: Stage, said: str, times: int) -> float:
    """The median of so many answers of that size through a pipe."""
    child = Child(floors.json_loop(said), one.team.env, one.folder)
    timed: list[float] = []
    for number in range(times):
        began = perf_counter()
        child.say(json.dumps({"id": number, "method": "list", "params": {}}).encode() + b"\n")
        json.loads(child.hear())
        timed.append(perf_counter() - began)
    child.end()
    return milliseconds(*timed)


async def _seed(database: Path, count: int) -> None:
    """Sessions that wait for their lead, written as the engine writes them."""
    async with SqliteStore(database, SystemClock()) as store:
        project = (await anext(aiter(store.scan(PROJECT)))).value
        sessions = [_session(project, number) for number in range(1, count + 1)]
        await store.commit([Put(SESSION, one.id, one, 0) for one in sessions])


def _session(project: ProjectRecord, number: int) -> Session:
    now, name = SystemClock().now(), f"{project.prefix}-{number}"
    idle = SessionFacts(SessionState.IDLE, SessionReason.TURN_ENDED, now)
    waiting = Session(
        SessionId(name), ProjectId(project.id), now, f"Task number {number} of many, as titles go",
        "command", "tmux", "worktree", idle, issue=str(number), prompt="Do what the issue says.",
        branch=f"ao/{name}-abcdef", base="main", base_commit="0" * 40, path=f"/nowhere/{name}",
    )  # fmt: skip
    opened = PrFacts(PrState.OPEN, PrReason.IN_PROGRESS, number, None, "1" * 40)
    return replace(waiting, pr=opened) if number % 2 else waiting
