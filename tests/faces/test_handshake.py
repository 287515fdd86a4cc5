"""A client's first questions are answered while the engine is still starting."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ao_mcp.handshake import FILE, Handshake, written
from ao_mcp.toolsets import Offer
from faces.home import LEGACY, RELAY, Home, RelayClient, eventually, request, temporary_home

MODERN = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}


@pytest.fixture
def home() -> Iterator[Home]:
    """One that had an engine, whose next engine waits for `let_go`."""
    with temporary_home() as made:
        with RelayClient(made) as client:
            client.shake_hands()
            eventually((made.path / FILE).exists)
            made.kill()
        os.mkfifo(made.path / "hold")
        yield made


def let_go(home: Home) -> None:
    (home.path / "hold").write_bytes(b"")


def tools(answer: dict[str, Any]) -> list[str]:
    return [tool["name"] for tool in answer["result"]["tools"]]


def test_a_handshake_does_not_wait_for_the_engine_but_calls_do(home: Home) -> None:
    with RelayClient(home) as client:
        welcome = client.shake_hands()["result"]
        assert welcome["instructions"] == "Spawn, wait, merge."
        assert tools(client.ask(1, "tools/list")) == ["echo", "wait", "fail"]
        assert len(home.started()) == 1
        let_go(home)
        said = client.call(2, "echo", text="hi")["result"]["structuredContent"]
        assert said["caller"] == "lead test", "the engine knows who shook hands"
        assert tools(client.ask(3, "tools/list")) == ["echo", "wait", "fail"]


def test_the_stateless_protocol_is_answered_too(home: Home) -> None:
    with RelayClient(home) as client:
        found = client.ask(1, "server/discover", MODERN)["result"]
        assert found["supportedVersions"] == ["2026-07-28"]
        listed = client.ask(2, "tools/list", MODERN)
        assert tools(listed) == ["echo", "wait", "fail"]
        assert len(home.started()) == 1
        let_go(home)
        called = client.ask(3, "tools/call", {"name": "echo", "arguments": {"text": "a"}} | MODERN)
        assert called["result"]["resultType"] == "complete"


def test_what_is_remembered_is_what_the_engine_says(home: Home) -> None:
    with RelayClient(home) as client:
        early = [client.shake_hands(), client.ask(1, "tools/list")]
        let_go(home)
        client.call(2, "echo", text="hi")
    with RelayClient(home) as client:
        assert [client.shake_hands(), client.ask(1, "tools/list")] == early


@pytest.mark.parametrize(
    ("chosen", "shown"), [("--read-only", ["echo", "wait"]), ("--toolsets=issues", [])]
)
def test_a_client_is_told_of_the_tools_it_chose_also_while_the_engine_starts(
    home: Home, chosen: str, shown: list[str]
) -> None:
    with RelayClient(home, [*RELAY, chosen]) as client:
        client.shake_hands()
        assert tools(client.ask(1, "tools/list")) == shown
        assert len(home.started()) == 1
        let_go(home)
        assert client.call(2, "fail", how="wrong")["error"]["code"] == -32602
        assert tools(client.ask(3, "tools/list")) == shown


def test_a_damaged_memory_is_of_no_consequence(home: Home) -> None:
    (home.path / FILE).write_bytes(b"\xff{")
    with RelayClient(home) as client:
        let_go(home)
        assert "result" in client.shake_hands()


def test_another_version_is_not_believed(tmp_path: Path) -> None:
    file = tmp_path / FILE
    file.write_text(written("1.0", {"2025-06-18": {"initialize": {"a": 1}}}))
    hello = {"method": "initialize", "params": LEGACY}
    assert Handshake(file, "1.0").result(hello) == {"a": 1}
    assert Handshake(file, "1.1").result(hello) is None


def test_what_is_remembered_speaks_of_offered_tools_only(tmp_path: Path) -> None:
    file = tmp_path / FILE
    reading = {"readOnlyHint": True}
    listed = [{"name": "spawn"}, {"name": "list", "annotations": reading}, {"name": "list_issues"}]
    told = {"instructions": "`list` them. `spawn` one. `list_issues` has the work.\n"}
    answers = {"tools/list": {"tools": listed}}
    every = {
        "2025-06-18": {"initialize": told, **answers},
        "2026-07-28": {"server/discover": told, **answers},
    }
    file.write_text(written("1", every))
    discover = {"method": "server/discover", "params": MODERN}
    for offer, left in (
        (Offer(), told["instructions"]),
        (Offer(read_only=True), "`list` them.\n"),
        (Offer(("core",)), "`list` them. `spawn` one.\n"),
        (Offer(("issues",)), "`list_issues` has the work.\n"),
    ):
        for hello in ({"method": "initialize", "params": LEGACY}, discover):
            found = Handshake(file, "1", offer).result(hello)
            assert found == {"instructions": left}


def test_who_goes_on_where_we_never_stopped_is_answered_by_the_engine(home: Home) -> None:
    with RelayClient(home) as client:
        client.shake_hands()
        client.say(request(1, "tools/list", {"cursor": "app-1"}))
        let_go(home)
        assert client.hear()["error"]["code"] == -32602


VALUES = st.recursive(st.none() | st.text(), lambda v: st.dictionaries(st.text(), v) | st.lists(v))
WORDS = st.sampled_from(["version", "answers", "1", "initialize"])


@given(VALUES | st.dictionaries(WORDS, st.just("1") | st.dictionaries(WORDS, VALUES)))
def test_whatever_is_in_the_file_nothing_breaks(
    tmp_path_factory: pytest.TempPathFactory, told: object
) -> None:
    file = tmp_path_factory.mktemp("h") / FILE
    file.write_text(json.dumps(told))
    asked = {"method": "initialize", "params": {"protocolVersion": "1"}}
    found = Handshake(file, "1").result(asked)
    assert found is None or isinstance(found, dict)
