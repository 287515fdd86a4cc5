"""MCP over HTTP as its clients see it: by the SDK's client, in both eras, and by hand."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp_types import ServerNotification

from ao_core.engine.engine import Engine
from ao_core.wire import SEQ
from ao_mcp.operations.contract import AnyOperation, Call, Operation
from ao_mcp.operations.every import OPERATIONS as EVERY
from ao_mcp.toolsets import DEFAULT, TOOLSETS, Offer
from bare_engine import an_engine
from books import Books, a_session, opened_books
from faces.fake_operations import WaitReply, WaitRequest
from faces.http_served import MODERN, Served, asks, events, hello, served

ERAS = ["legacy", MODERN, "auto"]
ADDRESS = "ao://session/app-1"
META: dict[str, Any] = {"protocolVersion": MODERN, "clientCapabilities": {}}
NOTE = {"jsonrpc": "2.0", "method": "notifications/initialized"}


async def whose(call: Call, asked: WaitRequest) -> WaitReply:
    caller = call.caller
    known = [caller.role, caller.client, caller.project, caller.cwd, dict(caller.environment)]
    return WaitReply(said=json.dumps([*known, caller.connection]))


WHO: tuple[AnyOperation, ...] = (
    Operation("who", "Who", "Say who calls.", WaitRequest, WaitReply, whose, read_only=True),
)


async def caller(client: Client) -> list[Any]:
    result = await client.call_tool("who", {})
    assert not result.is_error, result
    return json.loads(cast("dict[str, str]", result.structured_content)["said"])


@pytest.mark.parametrize("era", ERAS)
async def test_the_sdks_client_lists_and_calls(tmp_path: Path, era: str) -> None:
    async with served(tmp_path / "home") as one, one.client(era) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["echo", "wait", "fail"]
        result = await client.call_tool("echo", {"text": "hé\n"})
        assert cast("dict[str, str]", result.structured_content)["said"] == "hé\n"
        failed = await client.call_tool("fail", {})
        assert failed.is_error
        long = await client.call_tool("echo", {"text": "x" * 1000, "times": 3_000})
        assert "larger than" in cast("dict[str, str]", long.structured_content)["message"]
        assert client.instructions == (None if era == MODERN else "Lead.")  # which asks nothing


@pytest.mark.parametrize("era", ["legacy", MODERN])
async def test_progress_is_told_on_the_way(tmp_path: Path, era: str) -> None:
    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async with served(tmp_path / "home") as one, one.client(era) as client:
        await client.call_tool("wait", {"steps": 3, "seconds": 0}, progress_callback=hear)
    assert heard == [1, 2, 3]


@pytest.mark.parametrize("era", ["legacy", MODERN])
async def test_who_calls_is_a_lead_of_the_project_that_the_address_names(
    tmp_path: Path, era: str
) -> None:
    async with served(tmp_path / "home", operations=WHO) as one:
        async with one.client(era, "/app") as client:
            first = await caller(client)
        async with one.client(era, "/app") as client:
            again = await caller(client)
        async with one.client(era) as client:
            nowhere = await caller(client)
    assert first[:5] == ["lead", "mcp", "app", None, {}]
    assert again[:5] == first[:5]  # to whom its keys belong
    assert (again[5] != first[5]) is (era == "legacy")
    assert nowhere[2] is None


async def test_a_project_that_cannot_be_is_not_found(tmp_path: Path) -> None:
    async with served(tmp_path / "home") as one:
        assert (await one.ask(path="/..%00")).status_code == 404
        assert (await one.ask(path="/a/b")).status_code == 404
        assert (await one.ask(path="/app")).status_code == 200


@pytest.mark.parametrize("era", ["legacy", MODERN])
async def test_an_address_says_which_tools_are_wanted(tmp_path: Path, era: str) -> None:
    wanted = Offer(("flow", "survey"), read_only=True)
    reads = {one.name for one in EVERY if wanted.has(one.name, read_only=one.read_only)}
    async with served(tmp_path / "home", operations=EVERY) as one:
        async with one.client(era, "/app?toolsets=flow,survey&read_only=true") as client:
            seen = {tool.name for tool in (await client.list_tools()).tools}
            with pytest.raises(MCPError, match="no tool `pause`"):
                await client.call_tool("pause", {})
        async with one.client(era) as client:
            usual = {tool.name for tool in (await client.list_tools()).tools}
    assert {"transcript", "events"} <= seen <= reads
    assert usual == {name for chosen in DEFAULT for name in TOOLSETS[chosen]}


@pytest.mark.parametrize("said", ["toolsets=cor", "read_only=perhaps"])
async def test_an_address_that_asks_for_tools_there_are_none_of_is_refused(
    tmp_path: Path, said: str
) -> None:
    async with served(tmp_path / "home") as one:
        answer = await one.ask(path=f"?{said}")
    assert answer.status_code == 400
    assert answer.json()["hint"]


# -- following ---------------------------------------------------------------------------------


@dataclass(slots=True)
class Followed:
    """A journal, served."""

    one: Served
    books: Books


@asynccontextmanager
async def followed(folder: Path) -> AsyncGenerator[Followed]:
    async with opened_books(folder) as books, anyio.create_task_group() as tasks:
        await books.keep(a_session())
        engine = cast("SimpleNamespace", an_engine(books))
        engine.tasks = tasks
        async with served(folder / "home", engine=cast("Engine", engine)) as one:
            yield Followed(one, books)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("era", ["legacy", "auto"])  # who names an era does not ask in it
async def test_only_of_what_changes_it_is_said_that_it_is_told(tmp_path: Path, era: str) -> None:
    async with followed(tmp_path) as at, at.one.client(era) as client:
        can = client.server_capabilities
        changing = [one and one.list_changed for one in (can.tools, can.prompts, can.resources)]
    assert changing == [False, False, True]


class Ear:
    """What one client was told of resources."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self._news = anyio.Event()

    async def __call__(self, message: object) -> None:
        told = cast("ServerNotification", message).model_dump(by_alias=True)
        if told.get("method") == "notifications/resources/updated":
            self.heard.append(told["params"]["_meta"][SEQ])
            self._news.set()

    async def reach(self, count: int) -> None:
        with anyio.fail_after(10):
            while len(self.heard) < count:
                self._news = anyio.Event()
                await self._news.wait()


async def open_session(one: Served, http: httpx2.AsyncClient) -> dict[str, str]:
    """The headers of a session of the era of handshakes."""
    opened = await http.post(one.url, json=hello(), headers=one.headers())
    assert events(opened)[0]["result"]["capabilities"]["resources"] == {
        "subscribe": True,
        "listChanged": True,
    }
    session = one.headers(mcp_session_id=opened.headers["mcp-session-id"])
    assert (await http.post(one.url, json=NOTE, headers=session)).status_code == 202
    return session


async def told(lines: AsyncIterator[str], count: int) -> list[tuple[str, int]]:
    """Of a stream that goes on: the event's id, and the journal's line it tells of."""
    found: list[tuple[str, int]] = []
    id = ""
    with anyio.fail_after(10):
        async for line in lines:
            if line.startswith("id: "):
                id = line.removeprefix("id: ")
            if line.startswith("data: ") and "resources/updated" in line:
                params = json.loads(line.removeprefix("data: "))["params"]
                found.append((id, params["_meta"][SEQ]))
                if len(found) == count:
                    return found
    raise AssertionError(f"the stream ended: {found}")


@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25"])
async def test_a_session_follows_by_its_stream_and_misses_nothing_when_that_breaks(
    tmp_path: Path, version: str
) -> None:
    async with followed(tmp_path) as at, httpx2.AsyncClient(timeout=10) as http:
        session = await open_session(at.one, http) | {"Mcp-Protocol-Version": version}
        async with http.stream("GET", at.one.url, headers=session) as stream:
            assert stream.status_code == 200
            done = await http.post(
                at.one.url, json=asks("resources/subscribe", uri=ADDRESS), headers=session
            )
            assert "result" in events(done)[-1]
            await at.books.say("one")
            ((id, first),) = await told(stream.aiter_lines(), 1)
        for text in ("two", "three"):  # while nobody listens
            await at.books.say(text)
        again = session | {"Last-Event-ID": id}
        async with http.stream("GET", at.one.url, headers=again) as stream:
            lines = stream.aiter_lines()
            missed = await told(lines, 2)
            await at.books.say("four")
            # a first event of its own would come here, and what came while it is sent be lost
            between, _, kind = [await anext(lines) for _ in range(3)]
            assert (between, kind) == ("", "event: message")
            after = await told(lines, 1)
    assert [seq for _, seq in (*missed, *after)] == [first + 1, first + 2, first + 3]


async def test_a_client_is_told_when_to_take_up_a_stream_that_breaks(tmp_path: Path) -> None:
    async with served(tmp_path / "home") as one:
        opened = await one.ask(mcp_protocol_version="2025-11-25")
    assert "retry: 1000" in opened.text.splitlines()


async def test_two_sessions_hear_each_their_own(tmp_path: Path) -> None:
    async with followed(tmp_path) as at, httpx2.AsyncClient(timeout=10) as http:
        follows, other = [await open_session(at.one, http) for _ in range(2)]
        await http.post(at.one.url, json=asks("resources/subscribe", uri=ADDRESS), headers=follows)
        async with http.stream("GET", at.one.url, headers=other) as quiet:
            async with http.stream("GET", at.one.url, headers=follows) as stream:
                for text in ("one", "two"):
                    await at.books.say(text)
                ((id, _), _) = await told(stream.aiter_lines(), 2)
            with pytest.raises(TimeoutError), anyio.fail_after(0.3):
                await told(quiet.aiter_lines(), 1)
        stolen = other | {"Last-Event-ID": id}
        async with http.stream("GET", at.one.url, headers=stolen) as stream:
            with pytest.raises(TimeoutError), anyio.fail_after(0.3):
                await told(stream.aiter_lines(), 1)


async def test_the_stateless_era_follows_by_a_request(tmp_path: Path) -> None:
    async with (
        followed(tmp_path) as at,
        at.one.client(MODERN) as client,
        client.listen(resource_subscriptions=[ADDRESS]) as changes,
    ):
        await at.books.say("one")
        with anyio.fail_after(10):
            async for change in changes:
                assert ADDRESS in str(change)
                break


async def test_the_sdks_client_of_the_era_of_handshakes_is_told(tmp_path: Path) -> None:
    ear = Ear()
    async with followed(tmp_path) as at, httpx2.AsyncClient(headers=at.one.headers()) as http:
        transport = streamable_http_client(at.one.url, http_client=http)
        async with Client(transport, mode="legacy", message_handler=ear) as client:
            with pytest.warns(MCPDeprecationWarning):
                await client.session.subscribe_resource(ADDRESS)  # pyright: ignore[reportDeprecated]
            for text in ("one", "two", "three"):
                await at.books.say(text)
            await ear.reach(3)
    assert ear.heard == sorted(ear.heard)


# -- sessions ----------------------------------------------------------------------------------


async def test_an_unused_session_is_forgotten_and_a_followed_one_is_not(tmp_path: Path) -> None:
    ping, pause = asks("tools/list"), 0.4
    async with served(tmp_path / "home", idle=0.3) as one, httpx2.AsyncClient() as http:
        used = one.headers(mcp_session_id=(await one.ask()).headers["mcp-session-id"])
        left = used | {"mcp-session-id": (await one.ask()).headers["mcp-session-id"]}
        async with http.stream("GET", one.url, headers=used) as stream:
            assert stream.status_code == 200
            with anyio.fail_after(10):
                while (await http.post(one.url, json=ping, headers=left)).status_code != 404:
                    await anyio.sleep(pause)  # to ask is to use it
                    pause *= 2
            assert (await http.post(one.url, json=ping, headers=used)).status_code == 200


async def test_after_a_restart_a_session_is_unknown_at_the_same_address_and_begins_anew(
    tmp_path: Path,
) -> None:
    async with served(tmp_path / "home") as one:
        session = (await one.ask()).headers["mcp-session-id"]
        token, url = one.token, one.url
    async with served(tmp_path / "home") as one:
        assert (one.url, one.token) == (url, token)
        gone = await one.ask(asks("tools/list"), mcp_session_id=session)
        assert gone.status_code == 404
        assert (await one.ask()).status_code == 200


async def test_a_port_that_somebody_has_meanwhile_is_not_waited_for(tmp_path: Path) -> None:
    async with served(tmp_path / "first") as one:
        (tmp_path / "second").mkdir(mode=0o700)
        port = json.dumps({"port": one.place.port})
        (tmp_path / "second" / "http.json").write_text(port)
        async with served(tmp_path / "second") as other:
            assert other.place.port != one.place.port
            assert (await other.ask()).status_code == 200


async def test_whoever_is_connected_keeps_nobody_from_ending(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with anyio.fail_after(10):
        async with served(tmp_path / "home") as one:
            named: dict[str, Any] = {"Mcp-Session-Id": (await one.ask()).headers["mcp-session-id"]}
            modern: dict[str, Any] = {
                "MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "wait"
            }  # fmt: skip
            meta = {f"io.modelcontextprotocol/{name}": value for name, value in META.items()}
            arguments: dict[str, Any] = {"seconds": 600, "steps": 1}
            call = asks(
                "tools/call", name="wait", arguments=arguments, _meta=meta | {"progressToken": 1}
            )
            body = json.dumps(call).encode()
            follows, waits = await one.connect(), await one.connect()
            await follows.send(one.head(method="GET", **named))
            await waits.send(one.head(len(body), **modern) + body)
            for line in (follows, waits):
                assert b"200" in await line.until(b"\r\n\r\n")
        for line in (follows, waits):
            await line.rest()
    assert [one for one in caplog.records if one.name.startswith("uvicorn")] == []
