"""Clients of the MCP face that ask for too much, or make no sense, over the relay."""

import json
import socket
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ao_core import wire
from faces.home import LEGACY, Home, RelayClient, request, temporary_home

MANY = 10_000
LARGE = 50_000_000
MODERN = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with temporary_home() as made:
        yield made


@pytest.fixture
def client(home: Home) -> Iterator[RelayClient]:
    with RelayClient(home) as one:
        one.shake_hands()
        assert one.call(-1, "echo", text="a")["result"]
        yield one


def memory(*processes: psutil.Process) -> float:
    """What they hold, in megabytes."""
    return sum(one.memory_info().rss for one in processes) / MEGABYTE


def both(home: Home, client: RelayClient) -> tuple[psutil.Process, psutil.Process]:
    return psutil.Process(client.process.pid), psutil.Process(home.started()[-1])


def said_meanwhile(client: RelayClient, lines: Iterable[dict[str, Any]]) -> threading.Thread:
    """Somebody who says everything before it listens."""
    saying = threading.Thread(target=client.say, args=list(lines), daemon=True)
    saying.start()
    return saying


def test_ten_thousand_calls_at_once_are_all_answered_and_nothing_piles_up(
    home: Home, client: RelayClient
) -> None:
    watched = both(home, client)
    before = memory(*watched)
    saying = said_meanwhile(
        client, (request(call, "tools/call", echo(f"{call}")) for call in range(MANY))
    )
    answered = [client.hear() for _ in range(MANY)]
    saying.join()
    assert sorted(one["id"] for one in answered) == list(range(MANY))
    assert all(one["result"]["structuredContent"]["said"] == str(one["id"]) for one in answered)
    assert memory(*watched) - before < 40


def echo(text: str) -> dict[str, Any]:
    return {"name": "echo", "arguments": {"text": text}}


def test_ten_thousand_waits_that_are_cancelled_leave_nothing_behind(
    home: Home, client: RelayClient
) -> None:
    watched = both(home, client)

    def cancelled(start: int, count: int) -> None:
        for call in range(start, start + count):
            wait = {"name": "wait", "arguments": {"seconds": 600}}
            reason = {"requestId": call, "reason": "enough"}
            client.say(
                request(call, "tools/call", wait),
                {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": reason},
            )
        assert client.call(start + count, "echo", text="still there")["result"]

    cancelled(0, MANY // 10)
    before = memory(*watched)
    cancelled(MANY, MANY)
    assert memory(*watched) - before < 20


def test_fifty_megabytes_in_one_line_are_refused_and_not_kept(
    home: Home, client: RelayClient
) -> None:
    watched = both(home, client)
    before = memory(*watched)
    client.say(request("large", "tools/call", echo("x" * LARGE)))
    refused = client.hear()
    assert (refused["id"], refused["error"]["code"]) == ("large", -32600)
    assert memory(*watched) - before < 20
    assert client.call(1, "echo", text="well")["result"]


def test_a_slow_reader_is_waited_for_and_not_stored_up(home: Home, client: RelayClient) -> None:
    watched = both(home, client)
    long = {"name": "echo", "arguments": {"text": "x" * 1_000, "times": 100}}
    before = memory(*watched)
    saying = said_meanwhile(client, (request(call, "tools/call", long) for call in range(1_000)))
    heard = [client.hear()["id"] for _ in range(20)]
    most = memory(*watched)
    heard += [client.hear()["id"] for _ in range(980)]
    saying.join()
    assert sorted(heard) == list(range(1_000))
    assert most - before < 60


def test_a_connection_keeps_to_the_era_it_began_in(home: Home) -> None:
    with RelayClient(home) as old:
        old.shake_hands()
        refused = old.ask(1, "tools/list", MODERN)
        assert refused["error"]["code"] == -32600
        assert old.ask(2, "tools/list")["result"]["tools"]
    with RelayClient(home) as new:
        assert new.ask(1, "tools/list", MODERN)["result"]["tools"]
        refused = new.ask(2, "initialize", LEGACY)
        assert "2026-07-28" in json.dumps(refused["error"])
        assert new.ask(3, "tools/list", MODERN)["result"]["tools"]


def test_a_preamble_that_is_said_twice_is_no_message(home: Home, client: RelayClient) -> None:
    preamble = wire.Preamble(wire.MCP, role="person", cwd="/", client="test").line()
    (path,) = Path(home.env["XDG_RUNTIME_DIR"]).glob("**/*.sock")
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(10)
        raw.connect(str(path))
        raw.sendall(preamble + preamble)
        lines = raw.makefile("rb")
        assert b'"version"' in lines.readline()
        assert json.loads(lines.readline())["error"]["code"] == -32600
        raw.sendall(wire.encode(request(1, "tools/list", MODERN)))
        assert json.loads(lines.readline())["result"]["tools"]
