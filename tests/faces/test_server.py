"""The engine's socket under good clients and bad ones, in one process."""

import json
import logging
import os
import socket
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ao_core import wire
from ao_core.engine.caller import Role
from ao_core.engine.engine import Engine
from ao_core.errors import Refused, StoreUnavailable
from ao_core.ids import SessionId
from ao_mcp import server
from ao_mcp.service import Vet, anybody
from faces.fake_operations import OPERATIONS, TOKEN, authenticate

PERSON = wire.Preamble(wire.OPERATIONS, role="person", cwd="/", client="test")
LEAD = wire.Preamble(wire.MCP, role="lead", cwd="/", client="test")


@asynccontextmanager
async def serving(
    folder: Path, handshake: Path | None = None, vet: Vet = anybody
) -> AsyncGenerator[Path]:
    path = folder / "private" / "engine.sock"
    serve = partial(
        server.serve,
        cast("Engine", SimpleNamespace(records=SimpleNamespace(head=0))),
        OPERATIONS,
        path,
        home_id="0123abcd",
        version="0.1.0",
        authenticate=authenticate,
        vet=vet,
        handshake=handshake,
    )
    async with anyio.create_task_group() as tasks:
        await tasks.start(serve)
        yield path
        tasks.cancel_scope.cancel()
    assert not path.exists()


class Client:
    """A client that may say anything."""

    def __init__(self, stream: SocketStream) -> None:
        self.stream = stream
        self._received = BufferedByteReceiveStream(stream)

    async def say(self, *messages: dict[str, Any] | bytes) -> None:
        for message in messages:
            line = message if isinstance(message, bytes) else wire.encode(message)
            await self.stream.send(line)

    async def hear(self) -> dict[str, Any]:
        with anyio.fail_after(20):
            return json.loads(await self._received.receive_until(b"\n", 8_000_000))

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        await self.say(message)
        while (heard := await self.hear()).get("id") != message["id"]:
            pass
        return heard

    async def is_dropped(self) -> bool:
        with anyio.fail_after(20):
            try:
                while True:
                    await self.hear()
            except (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError):
                return True


@asynccontextmanager
async def connected(
    path: Path, preamble: wire.Preamble | bytes | None = PERSON
) -> AsyncGenerator[Client]:
    async with await anyio.connect_unix(path) as stream:
        client = Client(stream)
        if isinstance(preamble, wire.Preamble):
            await client.say(preamble.line())
            greeting = await client.hear()
            assert "error" in greeting or greeting["home"] == "0123abcd"
        elif preamble is not None:
            await _say_quietly(client, preamble)
        yield client


def echo(call: int, text: str = "hello") -> dict[str, Any]:
    return {"id": call, "method": "echo", "params": {"text": text}}


async def assert_well(path: Path) -> None:
    """The next client is served as if nothing had been."""
    async with connected(path) as client:
        assert (await client.ask(echo(1)))["result"]["said"] == "hello"


async def test_the_socket_is_private_and_replaces_a_dead_one(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "private" / "engine.sock"))
    dead.close()
    async with serving(tmp_path) as path:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(path.parent).st_mode) == 0o700
        await assert_well(path)


@pytest.mark.parametrize(("unasked", "preamble"), [(3600, LEAD), (0, PERSON)])
async def test_what_mcp_needs_is_loaded_for_who_speaks_it_or_when_nobody_has_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unasked: float, preamble: wire.Preamble
) -> None:
    monkeypatch.setattr(server, "_UNASKED", unasked)
    loaded = tmp_path / "handshake"
    async with serving(tmp_path, loaded) as path, connected(path, preamble):
        with anyio.fail_after(20):
            while not loaded.exists():  # noqa: ASYNC110 - nothing tells of the file
                await anyio.sleep(0.01)


async def test_who_only_commands_does_not_share_the_processor_with_what_mcp_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[object] = []
    monkeypatch.setattr(server, "_load_mcp", loads.append)
    async with serving(tmp_path) as path:
        for _ in range(3):
            await assert_well(path)
    assert not loads


async def test_what_is_no_socket_is_never_removed(tmp_path: Path) -> None:
    file = tmp_path / "engine.sock"
    file.write_text("mine")
    serve = server.serve(
        cast("Engine", None), (), file, home_id="", version="", authenticate=authenticate
    )
    with pytest.raises(StoreUnavailable):
        await serve
    assert file.read_text() == "mine"


async def test_a_request_is_answered_with_who_asked(tmp_path: Path) -> None:
    async with serving(tmp_path) as path, connected(path) as client:
        result = (await client.ask(echo(7)))["result"]
    assert result["caller"] == "person test"
    assert result["cwd"] == "/"


async def test_calls_of_one_connection_run_side_by_side_and_can_be_cancelled(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as path, connected(path) as client:
        await client.say({"id": 1, "method": "wait", "params": {"steps": 2}})
        heard = [await client.hear(), await client.hear()]
        assert [one["progress"]["done"] for one in heard] == [1, 2]
        assert "result" in await client.ask(echo(2))
        await client.say({"id": 1, "cancel": True})
        await client.say({"id": 3, "method": "wait", "params": {"seconds": 0}})
        assert (await client.hear())["result"]["said"] == "waited"


async def test_wrong_arguments_are_all_named_and_none_is_quoted(tmp_path: Path) -> None:
    params = {"text": ["s3cret"], "times": "s3cret", "tone": "s3cret", "txet": "s3cret"}
    async with serving(tmp_path) as path, connected(path) as client:
        error = (await client.ask({"id": 1, "method": "echo", "params": params}))["error"]
    assert error["code"] == "invalid_argument"
    assert all(f"`{name}`" in error["message"] for name in params)
    assert "did you mean `text`" in error["message"]
    assert "s3cret" not in json.dumps(error)
    assert "pydantic" not in json.dumps(error)


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("echo", {}, "invalid_argument"),
        ("echo", {"text": "x" * 1_000_000}, "invalid_argument"),
        ("echo", {"text": "a", "\x1b]0;owned\x07": 1}, "invalid_argument"),
        ("\x1b[2Jrm -rf", {}, "not_found"),
        ("report", {}, "refused"),
        ("fail", {}, "wrong_state"),
        ("fail", {"how": "several"}, "several_problems"),
        ("fail", {"how": "group"}, "wrong_state"),
        ("fail", {"how": "secret"}, "internal"),
        ("echo", {"text": "x" * 90_000, "times": 100}, "invalid_argument"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_its_code(
    tmp_path: Path, method: str, params: dict[str, Any], code: str
) -> None:
    async with serving(tmp_path) as path, connected(path) as client:
        error = (await client.ask({"id": 1, "method": method, "params": params}))["error"]
        assert error["code"] == code
        assert "\x1b" not in error["message"]
        assert "password" not in json.dumps(error)
        assert "result" in await client.ask(echo(2))


async def test_an_internal_error_is_logged_without_its_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        async with serving(tmp_path) as path, connected(path) as client:
            await client.ask({"id": 1, "method": "fail", "params": {"how": "secret"}})
    assert "RuntimeError" in caplog.text
    assert "ghp_" not in caplog.text


@pytest.mark.parametrize(
    ("preamble", "code"),
    [
        (b"\x00\xff binary junk\n", "invalid_argument"),
        (b"[" * 100_000 + b"\n", "invalid_argument"),
        (wire.encode({"ao": 99, "face": "mcp", "role": "lead"}), "version_mismatch"),
        (wire.encode({"ao": 1, "face": "mcp", "role": "root"}), "invalid_argument"),
        (wire.encode({"ao": 1, "face": "gopher", "role": "lead"}), "invalid_argument"),
        (wire.Preamble(wire.MCP, role="worker", token="wrong").line(), "refused"),
        (wire.Preamble(wire.OPERATIONS, role="worker").line(), "refused"),
        (b"x" * (wire.PREAMBLE_LIMIT + 100_000), "invalid_argument"),
    ],
    ids=["junk", "nested", "protocol", "role", "face", "token", "no token", "endless"],
)
async def test_a_client_that_does_not_introduce_itself_is_refused(
    tmp_path: Path, preamble: bytes, code: str
) -> None:
    async with serving(tmp_path) as path:
        async with connected(path, preamble) as client:
            assert (await client.hear())["error"]["code"] == code
            assert await client.is_dropped()
        await assert_well(path)


async def test_a_client_that_says_nothing_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PREAMBLE_DEADLINE", 0.05)
    async with serving(tmp_path) as path, connected(path, None) as client:
        assert (await client.hear())["error"]["code"] == "invalid_argument"
        assert await client.is_dropped()


async def test_one_client_too_many_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONNECTIONS", 1)
    async with serving(tmp_path) as path, connected(path), connected(path, PERSON.line()) as second:
        assert (await second.hear())["error"]["retryable"] is True


async def test_who_opened_the_socket_is_looked_at_whoever_it_claims_to_be(tmp_path: Path) -> None:
    looked: list[tuple[str, str | None, int | None]] = []

    async def vet(role: Role, session: SessionId | None, pid: int | None) -> None:
        looked.append((role, session, pid))
        raise Refused("Not you.")

    worker = wire.Preamble(wire.OPERATIONS, role="worker", token=TOKEN, pid=1)
    async with serving(tmp_path, vet=vet) as path:
        for preamble in (PERSON, LEAD, worker):
            async with connected(path, preamble.line()) as client:
                assert (await client.hear())["error"]["message"] == "Not you."
                assert await client.is_dropped()
    me = os.getpid()
    assert looked == [("person", None, me), ("lead", None, me), ("worker", "app-7", me)]


async def test_a_worker_is_known_by_its_token(tmp_path: Path) -> None:
    worker = wire.Preamble(wire.OPERATIONS, role="worker", token=TOKEN, env={"A": "b"})
    async with serving(tmp_path) as path, connected(path, worker) as client:
        heard = await client.ask({"id": 1, "method": "report", "params": {}})
        refused = await client.ask(echo(2))
    assert heard["result"]["said"] == "app-7 ['A']"
    assert refused["error"]["code"] == "refused"


@pytest.mark.parametrize("preamble", [PERSON, LEAD], ids=["operations", "mcp"])
async def test_lines_that_are_no_message_are_answered_then_end_the_connection(
    tmp_path: Path, preamble: wire.Preamble
) -> None:
    async with serving(tmp_path) as path:
        async with connected(path, preamble) as client:
            await client.say(*[b"\xff{nonsense\n"] * 10)
            assert [("error" in await client.hear()) for _ in range(10)] == [True] * 10
            assert await client.is_dropped()
        await assert_well(path)


@pytest.mark.parametrize("preamble", [PERSON, LEAD], ids=["operations", "mcp"])
async def test_a_line_without_end_is_refused(tmp_path: Path, preamble: wire.Preamble) -> None:
    async with serving(tmp_path) as path:
        async with connected(path, preamble) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(_say_quietly, client, b"x" * (wire.LINE_LIMIT + 200_000))
            assert "error" in await client.hear()
            assert await client.is_dropped()
        await assert_well(path)


async def _say_quietly(client: Client, line: bytes) -> None:
    try:
        await client.say(line)
    except anyio.BrokenResourceError:
        return


@pytest.mark.parametrize("last", [b'{"id": 1, "meth', b""], ids=["mid-line", "mid-call"])
async def test_a_client_that_vanishes_takes_nothing_along(tmp_path: Path, last: bytes) -> None:
    async with serving(tmp_path) as path:
        for preamble in (PERSON, LEAD):
            async with connected(path, preamble) as client:
                await client.say({"id": 5, "method": "wait", "params": {}}, last)
        await assert_well(path)


async def test_a_reader_that_never_reads_stalls_itself_alone(tmp_path: Path) -> None:
    async with serving(tmp_path) as path, connected(path) as stuck:
        with anyio.move_on_after(1.0) as patience:
            for call in range(10_000):
                params = {"text": "x" * 1000, "times": 1000}
                await stuck.say({"id": call, "method": "echo", "params": params})
        assert patience.cancelled_caught, "the engine kept all of it in memory"
        await assert_well(path)


async def test_ten_thousand_pipelined_requests_are_all_answered_few_at_a_time(
    tmp_path: Path,
) -> None:
    async with (
        serving(tmp_path) as path,
        connected(path) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(client.say, *[echo(call) for call in range(10_000)])
        answered = {(await client.hear())["id"] for _ in range(10_000)}
        assert answered == set(range(10_000))


async def test_an_engine_that_ends_says_farewell(tmp_path: Path) -> None:
    async with serving(tmp_path) as path:
        stream = await anyio.connect_unix(path)
        client = Client(stream)
        await client.say(PERSON.line())
        await client.hear()
        await client.ask(echo(1))
    async with stream:
        assert await client.hear() == {"ao": 1, "bye": True}
        assert await client.is_dropped()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lines=st.lists(st.binary(max_size=80), max_size=6), mcp=st.booleans(), whole=st.booleans())
def test_no_bytes_harm_the_engine(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], mcp: bool, whole: bool
) -> None:
    async def attack() -> None:
        async with serving(tmp_path_factory.mktemp("s")) as path:
            async with connected(path, (LEAD if mcp else PERSON) if whole else None) as client:
                await _say_quietly(client, b"\n".join(lines))
            await assert_well(path)

    anyio.run(attack)
