"""How much of a model's room the tools take, byte for byte as they come; and who says so."""

import json
from typing import Any

import pytest

from faces.home import LEGACY, Home, RelayClient, request
from mcp_client import MODERN, RELAY
from team import Team

MOST = 20 * 1024
ABOUT = "io.modelcontextprotocol/serverInfo"


@pytest.fixture(scope="module")
def team(shared_team: Team) -> Team:
    shared_team.call("about")  # so the engine itself answers, and not the relay's memory
    return shared_team


def answers(team: Team, *lines: dict[str, Any]) -> list[bytes]:
    home = Home(team.home, team.env)
    with RelayClient(home, RELAY, str(team.repository)) as client:
        client.say(*lines)
        assert client.process.stdout
        return [client.process.stdout.readline() for _ in lines]


@pytest.mark.parametrize("modern", [False, True])
def test_the_tools_fit_their_budget_on_the_wire(team: Team, modern: bool) -> None:
    params = {"_meta": MODERN} if modern else {}
    first = [] if modern else [request(0, "initialize", LEGACY)]
    line = answers(team, *first, request(1, "tools/list", params))[-1]
    assert len(json.loads(line)["result"]["tools"]) == 16
    assert len(line) <= MOST


def test_the_drawing_is_sent_once_and_not_with_every_result(team: Team) -> None:
    asked = ("server/discover", "tools/list", "resources/list")
    said = answers(team, *(request(call, one, {"_meta": MODERN}) for call, one in enumerate(asked)))
    found = sorted((json.loads(line) for line in said), key=lambda one: one["id"])
    about = [one["result"]["_meta"][ABOUT] for one in found]
    assert about[0]["icons"]
    assert about[0]["title"]
    assert [one.keys() for one in about[1:]] == [{"name", "version"}] * 2
    hello = json.loads(answers(team, request(0, "initialize", LEGACY))[0])
    assert hello["result"]["serverInfo"] == about[0]
