"""Waits that are cancelled leave nothing behind in an engine: no task, no handle, no memory."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from ao_core import wire
from ao_core.engine.caller import Role
from ao_core.ids import SessionId
from ao_mcp.operations.every import OPERATIONS
from ao_mcp.server import serve
from faces.home import LEGACY, request
from inside import engine_at, settled
from mcp_client import listener
from team import Team

MANY = 1_000
MOST = 8_000_000  # bytes that the allocator may have kept
SOCKET = Path("run/socket")
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def cancelled(calls: Sequence[int]) -> list[dict[str, Any]]:
    """A wait for what never comes, and at once that nobody wants it any more."""
    said: list[dict[str, Any]] = []
    for call in calls:
        wait = {"name": "wait", "arguments": {"until": "merged", "seconds": 50}}
        asked = {**wait, "_meta": {"progressToken": call}}
        params = {"requestId": call, "reason": "enough"}
        said.append(request(call, "tools/call", asked))
        said.append({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
    return said


def held(process: psutil.Process) -> tuple[int, int]:
    return process.num_fds(), process.num_threads()


def test_a_thousand_waits_of_a_team_that_are_cancelled_leave_no_handle(team: Team) -> None:
    engine = psutil.Process(team.engine_pid)
    with listener(team) as client:
        client.shake_hands()
        relay = psutil.Process(client.process.pid)

        def rounds(first: int, count: int) -> None:
            client.say(*cancelled(range(first, first + count)))
            assert "result" in client.ask(f"after {first}", "ping")

        rounds(1, MANY // 10)
        before, weights = (held(engine), held(relay)), engine.memory_info().rss
        rounds(MANY, MANY)
        after = held(engine), held(relay)
        assert after[1] == before[1]
        assert after[0] <= (before[0][0] + 2, before[0][1] + 2)  # others come and go meanwhile
        assert engine.memory_info().rss - weights < MOST


class Line:
    """One connection to an engine in the test's own process."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self._stream, self._received = stream, BufferedByteReceiveStream(stream)

    async def hear(self) -> dict[str, Any]:
        return json.loads(await self._received.receive_until(b"\n", wire.LINE_LIMIT))

    async def ask(self, call: int | str, method: str, params: object, *before: Any) -> None:
        for one in (*before, request(call, method, params)):
            await self._stream.send(wire.encode(one))
        while (heard := await self.hear()).get("id") != call:
            assert heard["method"] == "notifications/progress", heard


async def nobody(role: Role, token: str) -> SessionId | None:
    return None


@asynccontextmanager
async def served(home: Path, repository: Path) -> AsyncGenerator[Line]:
    async with engine_at(settled(home, repository)) as engine, anyio.create_task_group() as tasks:
        face = partial(
            serve, engine, OPERATIONS, SOCKET, home_id="home", version="1", authenticate=nobody
        )
        await tasks.start(face)
        async with await anyio.connect_unix(SOCKET) as stream:
            line = Line(stream)
            await stream.send(wire.Preamble(wire.MCP, cwd=str(repository)).line())
            assert "version" in await line.hear()
            await line.ask(0, "initialize", LEGACY)
            await stream.send(wire.encode(INITIALIZED))
            yield line
        tasks.cancel_scope.cancel()


async def test_a_thousand_waits_that_are_cancelled_leave_no_task(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    async with served(home, tmp_path / "sample") as line:
        counts: list[int] = []
        for first in (1, MANY):
            calls = range(first, first + (MANY if first > 1 else MANY // 10))
            await line.ask(f"after {first}", "ping", {}, *cancelled(calls))
            await anyio.wait_all_tasks_blocked()
            counts.append(len(asyncio.all_tasks()))
        assert counts[1] <= counts[0] + 2  # the loop's own come and go
