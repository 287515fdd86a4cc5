"""A yes that comes too late is none: it was for an engine that is gone, and another question."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from ao_core import wire
from ao_mcp.start import open_connection
from faces.home import LEGACY, request
from mcp_client import Listener, listener
from team import Team, eventually

ASKS: dict[str, Any] = {**LEGACY, "capabilities": {"elicitation": {}}}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


@pytest.fixture(scope="module")
def team(shared_team: Team) -> Team:
    """Nothing is merged unless a person says yes to it."""
    (shared_team.home / "config.yaml").write_text("confirm: {merge: require}\n")
    return shared_team


def worker(team: Team, name: str) -> str:
    session = team.spawn(f"do: write {name}.txt a", f"do: commit {name}")
    team.until(session, "pr_open")
    return session


def merge(call: int, session: str) -> dict[str, Any]:
    return request(call, "tools/call", {"name": "merge", "arguments": {"session": session}})


def said(question: dict[str, Any], action: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": question["id"], "result": {"action": action}}


def questions(client: Listener) -> list[dict[str, Any]]:
    return [one for one in client.told if one["method"] == "elicitation/create"]


def withdrawn(client: Listener) -> list[str]:
    every = [one for one in client.told if one["method"] == "notifications/cancelled"]
    return [one["params"]["requestId"] for one in every]


def test_a_yes_to_a_dead_engines_question_merges_nothing_else(team: Team) -> None:
    one, other = worker(team, "one"), worker(team, "other")
    with listener(team) as client:
        assert "result" in client.ask(0, "initialize", ASKS)
        client.say(INITIALIZED, merge(1, one))
        eventually(lambda: len(questions(client)) == 1)
        team.kill_engine()
        lost = client.answers.get(timeout=30)
        assert lost["result"]["structuredContent"]["code"] == "engine_restarted"
        (first,) = questions(client)
        assert withdrawn(client) == [first["id"]]
        client.say(merge(2, other))
        eventually(lambda: len(questions(client)) == 2)
        second = questions(client)[1]
        assert second["params"]["message"].startswith(f"Merge into main: {other} (")
        client.say(said(first, "accept"), said(second, "decline"))
        refused = client.answers.get(timeout=30)
        assert refused["result"]["structuredContent"]["code"] == "refused"
        client.say(merge(3, other))
        eventually(lambda: len(questions(client)) == 3)
        client.say(said(questions(client)[2], "accept"))
        done = client.answers.get(timeout=30)
        assert done["result"]["structuredContent"]["merged"]
    assert team.call("show", session=one)["status"] == "pr_open"


# -- without a relay ------------------------------------------------------------------------------


@contextmanager
def line(team: Team) -> Generator[Any]:
    """A lead's own connection to the engine, by which nothing keeps the questions apart."""
    preamble = wire.Preamble(wire.MCP, cwd=str(team.repository), client="test")
    opened, received = open_connection(team.home, team.env, preamble).detach()
    assert not received
    with opened, opened.makefile("rwb") as stream:
        opened.settimeout(30)

        def say(*messages: dict[str, Any]) -> dict[str, Any]:
            for message in messages:
                stream.write(wire.encode(message))
            stream.flush()
            return json.loads(stream.readline())

        assert "result" in say(request(0, "initialize", ASKS))
        yield say


def test_a_question_is_another_one_at_the_next_engine(team: Team) -> None:
    one, other = worker(team, "first"), worker(team, "second")
    with line(team) as say:
        first = say(INITIALIZED, merge(1, one))
        assert first["method"] == "elicitation/create"
        team.kill_engine()
    with line(team) as say:
        second = say(INITIALIZED, merge(1, other))
        assert second["method"] == "elicitation/create"
        refused = say(said(first, "accept"), said(second, "decline"))
        assert refused["result"]["structuredContent"]["code"] == "refused"
    assert team.call("show", session=other)["status"] == "pr_open"
