"""An engine finds its agents where the last one had its sockets, whatever its own environment says.

Clients start engines, and some hand on little: without XDG_RUNTIME_DIR, sockets have another usual
place. So has whoever logs in by another way.
"""

from collections.abc import Generator
from pathlib import Path

import pytest

from team import PLAIN, PROTOCOL, PTY, Team, eventually

_NAME = "XDG_RUNTIME_DIR"


@pytest.fixture(params=[True, False], ids=["lost", "gained"])
def envs(request: pytest.FixtureRequest, team: Team) -> Generator[list[dict[str, str]]]:
    """What the first engine and the next one are started with."""
    full = dict(team.env)
    bare = {name: text for name, text in full.items() if name != _NAME}
    yield [full, bare] if request.param else [bare, full]
    team.env = full


@pytest.mark.parametrize("kind", [PLAIN, PROTOCOL, PTY], ids=str)
def test_the_next_engine_reaches_the_agents_of_the_last(
    team: Team, envs: list[dict[str, str]]
) -> None:
    team.call("stop")
    eventually(lambda: team.running_pid() is None)
    team.env = envs[0]
    session = team.spawn("do: ask Which?", "do: write a.txt {answer}", "do: commit a")
    team.until(session, "needs_input")
    agent = team.agent(session)
    team.kill_engine()
    team.env = envs[1]
    assert team.reply(session, "this one")["state"] == "accepted"
    shown = team.until(session, "pr_open")
    assert (Path(shown["path"]) / "a.txt").read_text() == "this one\n"
    assert agent.is_running()
