"""Agents that speak the protocol badly, or not at all: each is an error somebody can act on."""

import contextlib
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import yaml

from ao_core.engine.keys import Ticket
from ao_core.engine.spawn import Wish, spawn
from ao_core.errors import AoError, PluginError
from ao_core.model.session import Drive, Status, derive_status
from ao_core.store.records import SESSION
from inside import a_person, engine_at, settled
from team import Team, eventually

GREET = """
import json, sys
def say(**said): print(json.dumps({"jsonrpc": "2.0", **said}), flush=True)
def hear(): return json.loads(sys.stdin.readline())
def welcome(**more):
    say(id=hear()["id"], result={"protocolVersion": 1, **more})
def opened():
    say(id=hear()["id"], result={"sessionId": "s"})
"""
ENDS = "import sys; print('no such model', file=sys.stderr); sys.exit(3)"
OLD = GREET + "say(id=hear()['id'], result={'protocolVersion': 7}); hear()"
STRANGE = GREET + "say(id=hear()['id'], result={'version': 'x'}); hear()"
LOGIN = (
    GREET
    + """
welcome(authMethods=[{"id": "oauth", "name": "Sign in with a browser"}])
say(id=hear()["id"], error={"code": -32000, "message": "Authentication required"})
hear()
"""
)
NAMELESS = GREET + "welcome(); say(id=hear()['id'], result={}); hear()"
LOUD = (
    GREET
    + """
print("Welcome to this agent!", flush=True)
welcome()
print("{", flush=True)
print('{"jsonrpc": "2.0", "method": "x/unknown", "params": [1]}', flush=True)
opened()
say(id=99, method="fs/read_text_file", params={"path": "/etc/passwd"})
refused = hear()
prompt = refused if "method" in refused else hear()
answer = hear() if "method" in refused else refused
say(method="session/update", params={"sessionId": "s", "update": {"sessionUpdate": "brand_new"}})
text = {"type": "text", "text": str(answer.get("error", {}).get("code"))}
update = {"sessionUpdate": "agent_message_chunk", "content": text}
say(method="session/update", params={"sessionId": "s", "update": update})
say(id=prompt["id"], result={"stopReason": "end_turn"})
hear()
"""
)
FAILS = (
    GREET
    + """
welcome(); opened()
say(id=hear()["id"], error={"code": -32603, "message": "Internal", "data": "no credit left"})
hear()
"""
)
STOPS = (
    GREET
    + """
welcome(); opened()
say(id=hear()["id"], result={"stopReason": "max_tokens"})
hear()
"""
)


LATE = (
    GREET
    + """
import os, time
welcome()
asked = hear()["id"]
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
say(id=asked, result={"sessionId": "s"})
say(id=hear()["id"], result={"stopReason": "end_turn"})
hear()
"""
)
MODAL = (
    GREET
    + """
welcome(); opened()
asked = hear()
if asked["method"] == "session/set_mode":
    say(id=asked["id"], error={"code": -32602, "message": "there is no such mode"})
    hear()
say(id=asked["id"], result={"stopReason": "end_turn"})
hear()
"""
)
MUTE = "import sys; sys.stdin.read()"


@pytest.fixture
def team(tmp_path: Path) -> Generator[Team]:
    """A team whose one agent is what a test says."""
    repository = Team.new_repository(tmp_path / "sample", "projects: {}\n")
    one = Team(tmp_path / "home", repository, tmp_path / "run")
    yield one
    one.end()


def staffed(team: Team, code: str, **settings: object) -> Team:
    """The team with this agent."""
    program = team.home.parent / "agent.py"
    program.write_text(code)
    protocol = [sys.executable, "-I", str(program)]
    agent = {"command": [sys.executable], "prompt": "after", "protocol": protocol, **settings}
    project = {"path": ".", "agent": "command", "drive": "protocol", "agentConfig": agent}
    config = yaml.safe_dump({"projects": {"sample": project}})
    (team.repository / "agent-orchestrator.yaml").write_text(config)
    return team.trusted()


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (ENDS, "ended before its session was open. It said: no such model"),
        (OLD, "speaks version 7"),
        (STRANGE, "speaks something else"),
        (LOGIN, "asks for a login"),
        (NAMELESS, "names no session"),
    ],
)
def test_an_agent_that_cannot_be_opened_says_why_and_leaves_nothing(
    team: Team, code: str, why: str
) -> None:
    staffed(team, code)
    with pytest.raises(PluginError, match=why) as caught:
        team.call("spawn", prompt="anything")
    assert caught.value.hint
    if code is LOGIN:
        assert "Sign in with a browser" in caught.value.hint
    (listed,) = team.call("list", ended=True)["sessions"]
    assert listed["status"] == "errored"
    assert not [one for one in team.processes() if "agent.py" in " ".join(one.cmdline())]
    assert not list(team.home.glob("*/worktrees/*"))


async def test_an_agent_that_never_answers_is_given_up_in_time(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ao_core.engine.launching.OPENING_DEADLINE", 0.5)
    repository = tmp_path / "sample"
    settled(home, repository)
    protocol = [sys.executable, "-c", MUTE]
    agent = {"command": [sys.executable], "prompt": "after", "protocol": protocol}
    project = {"path": str(repository), "agent": "command", "agentConfig": agent}
    (home / "config.yaml").write_text(yaml.safe_dump({"projects": {"sample": project}}))
    async with engine_at(home) as engine:
        wish = Wish(prompt="anything", drive=Drive.PROTOCOL)
        with pytest.raises(PluginError, match="did not open a session within"):
            await spawn(engine, a_person(repository), wish, Ticket())
        (session,) = engine.records.all(SESSION)
        assert derive_status(session) is Status.ERRORED
        assert not await (await engine.runtime_of(session)).find(session.id)


@pytest.mark.parametrize("killed", [False, True])
def test_an_engine_killed_while_an_agent_opens_starts_again_without_waiting_for_it(
    team: Team, tmp_path: Path, *, killed: bool
) -> None:
    go = tmp_path / "go"
    staffed(team, LATE, args=[str(go)])

    def spawn() -> None:
        with contextlib.suppress(AoError):
            team.call("spawn", prompt="anything")

    with ThreadPoolExecutor() as pool:
        asked = pool.submit(spawn)
        eventually(lambda: any("agent.py" in " ".join(cmdline(one)) for one in team.processes()))
        team.kill_engine()
        asked.result()
    (listed,) = team.call("list")["sessions"]  # it serves, though nobody has answered yet
    assert listed["status"] == "spawning"
    if killed:
        team.call("kill", session=listed["session"])
        (listed,) = team.call("list", ended=True)["sessions"]
        assert listed["status"] in ("killed", "errored")
        eventually(lambda: not [1 for one in team.processes() if "agent.py" in cmdline(one)[-2:]])
    else:
        go.touch()
        team.until_so(listed["session"], lambda now: now["state"] == "idle")


def cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_noise_unknown_kinds_and_requests_that_are_not_offered_do_no_harm(team: Team) -> None:
    session = staffed(team, LOUD).call("spawn", prompt="anything")["session"]
    shown = team.until_so(session, lambda now: now["state"] == "idle")
    assert shown["report"] == "-32601"


@pytest.mark.parametrize(("code", "why"), [(FAILS, "no credit left"), (STOPS, "limit of tokens")])
def test_a_turn_that_fails_leaves_the_worker_stuck_with_the_reason(
    team: Team, code: str, why: str
) -> None:
    session = staffed(team, code).call("spawn", prompt="anything")["session"]
    shown = team.until(session, "stuck")
    assert why in shown["why"]
    (message,) = shown["messages"]
    assert message["state"] == ("failed" if code is FAILS else "accepted")


def test_an_agent_without_the_protocol_is_not_driven_by_it(team: Team) -> None:
    staffed(team, ENDS, protocol=None)
    with pytest.raises(AoError, match="does not speak the Agent Client Protocol") as caught:
        team.call("spawn", prompt="anything")
    assert "terminal" in str(caught.value.hint)


def test_how_one_worker_is_driven_is_chosen_on_spawn(team: Team) -> None:
    staffed(team, LOUD, command=[sys.executable, "-c", "input()"], prompt="after")
    by_terminal = team.call("spawn", prompt="anything", drive="terminal")["session"]
    assert team.call("show", session=by_terminal)["drive"] == "terminal"
    by_protocol = team.call("spawn", prompt="anything", drive="protocol")["session"]
    assert team.call("show", session=by_protocol)["attach"] == ["ao", "attach", by_protocol]


def test_a_start_that_is_repeated_after_a_mode_was_refused_begins_anew(team: Team) -> None:
    staffed(team, MODAL, modes={"default": "plan"})
    with pytest.raises(PluginError, match="would not go into its mode 'plan'") as caught:
        team.call("spawn", prompt="anything", key="k")
    assert "`modes`" in (caught.value.hint or "")
    staffed(team, MODAL)
    session = team.call("spawn", prompt="anything", key="k")["session"]
    shown = team.until_so(session, lambda now: now["state"] == "idle")
    assert [one["state"] for one in shown["messages"]] == ["accepted"]
