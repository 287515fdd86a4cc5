"""Slow, silent, greedy and many: none of them harms anybody else over HTTP."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from ao_core.wire import LINE_LIMIT
from ao_mcp.http.line import Line
from faces.http_served import RawLine, Served, asks, events, hello, served

SHORT = 0.3


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("head", "body", "stall", "rest"):
        monkeypatch.setattr(Line, name, SHORT)


async def is_well(one: Served) -> bool:
    with anyio.fail_after(10):
        return (await one.ask()).status_code == 200


async def test_a_giant_body_is_too_large_whether_it_says_so_or_not(tmp_path: Path) -> None:
    async with served(tmp_path / "home") as one:
        told = await one.raw(one.head(50_000_000), b"{" * 100_000)
        assert b"HTTP/1.1 413" in told
        encoding: dict[str, Any] = {"Transfer-Encoding": "chunked"}
        chunked = one.head(None, **encoding)
        chunk = b"%x\r\n%s\r\n" % (1 << 20, b" " * (1 << 20))
        assert b"HTTP/1.1 413" in await one.raw(chunked, *[chunk] * 5)
        assert await is_well(one)


async def test_a_body_of_just_the_limit_is_read(tmp_path: Path) -> None:
    body = json.dumps(hello()).encode().ljust(LINE_LIMIT)
    async with served(tmp_path / "home") as one:
        line = await one.connect()
        await line.send(one.head(len(body)) + body)
        assert b"200 OK" in await line.until(b"\r\n")
        await line.close()


async def test_a_body_for_nobody_is_not_read_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("head", "body"):
        monkeypatch.setattr(Line, name, 60.0)
    async with served(tmp_path / "home") as one:
        line = await one.connect()
        await line.send(one.head(10_000_000, Authorization="Bearer wrong"))
        assert b"401" in await line.until(b"\r\n\r\n")
        await over(line, b" " * 1000)


@pytest.mark.parametrize("head", [b"", b"POST /mcp HTTP/1.1\r\nHost: x\r\nX: "])
async def test_a_head_that_never_ends_ends_the_connection(tmp_path: Path, head: bytes) -> None:
    async with served(tmp_path / "home") as one:
        line = await one.connect()
        await line.send(head)
        await over(line, b"x" if head else b"")
        assert await is_well(one)


async def test_a_body_that_never_ends_ends_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Line, "head", 60.0)
    async with served(tmp_path / "home") as one:
        line = await one.connect()
        await line.send(one.head(1000) + b"{")
        await over(line, b" ")


async def test_a_second_request_that_never_ends_ends_the_connection(tmp_path: Path) -> None:
    async with served(tmp_path / "home") as one:
        line = await one.connect()
        await line.send(one.head(0, Authorization=""))
        assert b"401" in await line.until(b"\r\n\r\n")
        await anyio.sleep(2 * SHORT)  # to be silent between requests is fine
        await line.send(b"POST /mcp HTTP/1.1\r\nX: ")
        await over(line, b"x")


async def over(line: RawLine, more: bytes) -> None:
    """It is ended in time, though something comes all the time."""

    async def drip() -> None:
        while True:
            await line.send(more)
            await anyio.sleep(SHORT / 10)

    async with anyio.create_task_group() as tasks:
        if more:
            tasks.start_soon(drip)
        await line.rest(10 * SHORT)
        tasks.cancel_scope.cancel()


async def test_who_reads_nothing_of_what_it_asked_for_is_let_go(tmp_path: Path) -> None:
    text = {"name": "echo", "arguments": {"text": "x" * 100, "times": 20_000}}
    async with served(tmp_path / "home") as one, httpx2.AsyncClient(timeout=10) as http:
        session = (await one.ask()).headers["mcp-session-id"]
        call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": text}
        body = json.dumps(call).encode()
        asked = one.head(len(body), **{"Mcp-Session-Id": session}) + body
        one.place.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        line = await one.connect(window=4096)
        line.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await line.send(asked)
        headers = one.headers(mcp_session_id=session)
        with anyio.fail_after(5):
            assert (
                await http.post(one.url, json=asks("tools/list", 3), headers=headers)
            ).status_code == 200
        await anyio.sleep(3 * SHORT)
        line.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await line.rest()) < 1_000_000


async def test_a_stream_that_is_silent_lasts(tmp_path: Path) -> None:
    async with served(tmp_path / "home") as one:
        session = (await one.ask()).headers["mcp-session-id"]
        line = await one.connect()
        named: dict[str, Any] = {"Mcp-Session-Id": session}
        await line.send(one.head(method="GET", **named))
        assert b"200" in await line.until(b"\r\n\r\n")
        with pytest.raises(TimeoutError):
            await line.rest(4 * SHORT)
        await line.close()


async def test_only_so_many_are_connected_and_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Line, "limit", 8)
    monkeypatch.setattr(Line, "head", 60.0)
    async with served(tmp_path / "home") as one:
        lines = [await one.connect() for _ in range(40)]
        ends = await asyncio.gather(*(line.rest(2) for line in lines[8:]))
        assert all(b"503" in end for end in ends)
        assert b"503" in await one.raw(b"")
        for line in lines[:8]:
            await line.close()
        assert await is_well(one)


async def test_only_so_many_sessions_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ao_mcp.http.mcp.SESSIONS", 3)
    async with served(tmp_path / "home") as one, httpx2.AsyncClient() as http:
        opened = [await one.ask() for _ in range(4)]
        assert [answer.status_code for answer in opened] == [200, 200, 200, 503]
        headers = one.headers(mcp_session_id=opened[0].headers["mcp-session-id"])
        assert (await http.delete(one.url, headers=headers)).status_code == 200
        assert await is_well(one)


async def test_only_so_many_calls_are_under_way_though_their_clients_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ao_mcp.http.mcp.CALLS", 3)
    async with served(tmp_path / "home") as one:
        session = (await one.ask()).headers["mcp-session-id"]
        for call in range(3):
            await leave_behind(one, session, call)
        echo = asks("tools/call", 9, name="echo", arguments={"text": "a"})
        refused = events(await one.ask(echo, mcp_session_id=session))[-1]["result"]
        assert refused["structuredContent"]["retryable"]
        gone = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        assert (await one.ask(gone, mcp_session_id=session)).status_code == 202
        again = events(await one.ask(echo, mcp_session_id=session))[-1]["result"]
        assert again["structuredContent"]["said"] == "a"


async def leave_behind(one: Served, session: str, call: int) -> None:
    """A client that is gone once its call is under way, which its progress tells."""
    meta = {"progressToken": call}
    arguments = {"seconds": 600, "steps": 1}
    wait = asks("tools/call", call, name="wait", arguments=arguments, _meta=meta)
    body, named = json.dumps(wait).encode(), {"Mcp-Session-Id": session}
    line = await one.connect()
    await line.send(one.head(len(body), **named) + body)
    await line.until(b"notifications/progress", 30)
    await line.close()


async def test_what_is_kept_of_a_session_is_bounded() -> None:
    from mcp_types import JSONRPCNotification

    from ao_mcp.http.mcp import Sent

    sent, heard, last = Sent(), list[str | None](), ""

    async def hear(one: object) -> None:
        heard.append(getattr(one, "event_id", None))

    for size in [10] * 1_000 + [200_000] * 5:
        params = {"text": "x" * size}
        note = JSONRPCNotification(jsonrpc="2.0", method="a", params=params)
        last = await sent.store_event("_GET_stream", note)
    assert await sent.replay_events_after("1", hear) == "_GET_stream"
    assert heard == [str(int(last) - 1), last]
    for nonsense in ("", "x", "-1", "9" * 30):
        assert await sent.replay_events_after(nonsense, hear) is None


async def test_what_comes_while_a_stream_is_taken_up_again_is_sent_too() -> None:
    from mcp_types import JSONRPCNotification

    from ao_mcp.http.mcp import Sent

    sent, heard = Sent(), list[str | None]()

    async def say(stream: str = "_GET_stream") -> str:
        note = JSONRPCNotification(jsonrpc="2.0", method="a", params={})
        return await sent.store_event(stream, note)

    async def hear(one: object) -> None:
        heard.append(getattr(one, "event_id", None))
        if len(heard) == 1:
            await say("another")
            await say()

    first, missed = await say(), await say()
    await sent.replay_events_after(first, hear)
    assert heard == [missed, "4"]
