"""Versions meet: relay, command line and engine of different ones, with agents at work."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import anyio
import psutil
import pytest
from anyio import to_thread
from mcp import Client

from ao_core.errors import EngineRestarted, VersionMismatch
from ao_mcp import __version__
from team import Team, eventually
from versions import LACKING, Version, has_old_commit, installed, relay_log, this_version

P = ParamSpec("P")
T = TypeVar("T")
WORKERS = 10
SHY = """\
projects:
  sample:
    path: .
    agent: command
    agentConfig:
      command: ["{python}", "{script}", "{{prompt_file}}"]
"""
SHY_AGENT = """\
import os, select, tty
tty.setraw(0)
open("ready", "w").close()
draft = b""
while True:
    if select.select([0], [], [], 0.05)[0]:
        draft += os.read(0, 65536)
    if draft and os.path.exists("show"):
        os.write(1, draft)
        *said, draft = draft.split(b"\\r")
        for line in said:
            with open("heard", "ab") as file:
                file.write(line + b"\\n")
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("versions"),
    pytest.mark.skipif(not has_old_commit(), reason=LACKING),
]


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Version:
    return installed(tmp_path_factory.mktemp("old"), "0.0.9")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """One that speaks another protocol."""
    edits = {"core/ao_core/wire.py": ("PROTOCOL = 1\n", "PROTOCOL = 0\n")}
    return installed(tmp_path_factory.mktemp("foreign"), "0.0.1", edits)


@pytest.fixture
def new() -> Version:
    return this_version()


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """One tool call that must work."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.structured_content
    return result.structured_content


async def refused(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """One tool call that must not."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.structured_content
    return result.structured_content


async def aside(do: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
    """Something that blocks, while the client goes on."""
    return await to_thread.run_sync(partial(do, *args, **more))


async def at_work(client: Client, team: Team) -> dict[str, str]:
    """Ten workers: one asks for a permission, one asks a question, the others wait for messages."""
    scripts = ["do: run make everything", "do: ask Which?", *["do: say ready"] * (WORKERS - 2)]
    made: dict[str, str] = {}

    async def spawn(name: str, script: str) -> None:
        made[name] = (await call(client, "spawn", prompt=f"Do this:\n{script}", key=name))[
            "session"
        ]

    async with anyio.create_task_group() as tasks:
        for name, script in enumerate(scripts):
            tasks.start_soon(spawn, str(name), script)
    await aside(team.until_so, made["0"], lambda shown: bool(shown["permissions_pending"]))
    await aside(team.until_so, made["1"], lambda shown: bool(shown["question"]))
    for name in map(str, range(2, WORKERS)):
        await aside(team.until, made[name], "idle")
    return made


def pids(team: Team, sessions: Sequence[str]) -> dict[str, int]:
    return {session: team.agent(session).pid for session in sessions}


def state(shown: Mapping[str, Any]) -> str:
    return shown["messages"][-1]["state"] if shown["messages"] else ""


@pytest.mark.parametrize("older", ["engine", "relay"])
async def test_relay_and_engine_of_two_versions_work_and_a_restart_ends_no_agent(
    team: Team, old: Version, new: Version, older: str
) -> None:
    relay, engine = (new, old) if older == "engine" else (old, new)
    await aside(new.ao, team, "stop")
    await aside(engine.did, team, "start")
    async with relay.client(team) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert {"spawn", "list", "show", "read", "send", "wait", "answer"} <= tools
        made = await at_work(client, team)
        asks, idle = made["0"], made["9"]
        assert len((await call(client, "list"))["sessions"]) == WORKERS
        assert (await call(client, "send", session=idle, message="do: say one"))[
            "state"
        ] == "accepted"
        cursor = (await call(client, "wait", until="any", seconds=0))["cursor"]
        queued = await call(client, "send", session=asks, message="do: say two", key="two")
        assert queued["state"] == "queued"
        before = await aside(pids, team, list(made.values()))

        done = await aside(new.did, team, "restart")

        assert (done["previous"], done["version"]) == (engine.name, new.name)
        assert done["live"] == WORKERS
        assert {tool.name for tool in (await client.list_tools()).tools} >= tools
        assert await aside(pids, team, list(made.values())) == before
        again = await call(client, "send", session=asks, message="do: say two", key="two")
        assert (again["message"], again["state"]) == (queued["message"], "queued")
        request = (await call(client, "show", session=asks))["permissions_pending"][0]["request"]
        await call(client, "answer", session=asks, decision="deny", request=request)
        await aside(team.until_so, asks, lambda shown: state(shown) == "accepted")
        await aside(team.until_so, asks, lambda shown: shown["report"] == "two")
        assert (await aside(team.heard, asks))[1:] == ["do: say two"]
        lines: list[str] = []
        at = cursor
        while news := (page := await call(client, "wait", until="any", cursor=at, seconds=0))[
            "events"
        ]:
            lines, at = [*lines, *news], page["cursor"]
        journal = await aside(team.journal)
        assert lines == journal[cursor:]
    mismatch = relay_log(team).read_text()
    if relay is new:
        assert mismatch.count(f"the engine is version {old.name}") == 1


async def test_the_command_lines_of_two_versions_understand_each_others_engine(
    team: Team, old: Version, new: Version
) -> None:
    session = await aside(team.spawn, "do: ask Which?")
    for engine in (new, old):
        for client in (old, new):
            shown = await aside(client.ao, team, "status")
            assert shown["engine"]["version"] == engine.name
            assert [one["session"] for one in shown["sessions"]] == [session]
            checks = (await aside(client.ao, team, "doctor"))["checks"]
            (check,) = (one for one in checks if one["name"] == "engine")
            expected = "ok" if client is engine else "warn"
            assert check["state"] == expected
            assert client is engine or f"`ao restart` puts {client.name}" in check["remedy"]
        await aside(old.did, team, "restart")
    assert (await aside(new.did, team, "restart"))["previous"] == old.name


async def test_a_busy_client_of_the_old_version_does_not_bring_the_old_engine_back(
    team: Team, old: Version, new: Version
) -> None:
    await aside(new.ao, team, "stop")
    await aside(old.did, team, "start")
    async with old.client(team) as client, anyio.create_task_group() as tasks:

        async def call_on_and_on() -> None:
            while True:
                await client.call_tool("list", {})

        tasks.start_soon(call_on_and_on)
        done = await aside(new.did, team, "restart")
        assert (done["previous"], done["version"]) == (old.name, new.name)
        assert (await aside(new.ao, team, "status"))["engine"]["version"] == new.name
        tasks.cancel_scope.cancel()


async def test_an_engine_of_another_protocol_is_told_apart_and_can_be_replaced(
    team: Team, foreign: Version, new: Version
) -> None:
    session = await aside(team.spawn, "do: ask Which?")
    await aside(team.until, session, "needs_input")
    pid = await aside(team.agent, session)
    async with new.client(team) as client:
        await client.list_tools()
        engine = psutil.Process(await aside(lambda: team.engine_pid))
        engine.terminate()
        await aside(engine.wait)
        await aside(foreign.did, team, "start")
        told = await refused(client, "list")
        assert told["code"] == VersionMismatch.code
        assert "ao restart" in told["hint"]
        assert (await aside(new.ao, team, "status"))["error"]["code"] == VersionMismatch.code
        done = await aside(new.did, team, "restart")
        assert (done["previous"], done["version"], done["live"]) == (foreign.name, __version__, 1)
        assert [one["session"] for one in (await call(client, "list"))["sessions"]] == [session]
    assert pid.is_running()


async def test_a_client_that_waits_while_the_engine_is_killed_keeps_its_tools(
    team: Team, new: Version
) -> None:
    session = await aside(team.spawn, "do: say ready")
    await aside(team.until, session, "idle")
    async with new.client(team) as client:
        cursor = (await call(client, "wait", until="any", seconds=0))["cursor"]
        told: list[dict[str, Any]] = []

        async def wait() -> None:
            told.append(await refused(client, "wait", until="any", cursor=cursor, seconds=40))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await call(client, "list")  # the wait was sent before it
            await aside(team.kill_engine)
        assert (told[0]["code"], told[0]["retryable"]) == (EngineRestarted.code, True)
        assert (await call(client, "send", session=session, message="do: say hi"))[
            "state"
        ] == "accepted"
        news = await call(client, "wait", until="any", cursor=cursor, seconds=0)
        assert news["events"] == (await aside(team.journal))[cursor : news["cursor"]]
        assert (await client.list_tools()).tools


def test_a_restart_leaves_a_turn_and_a_pending_permission_as_they_are(
    team: Team, new: Version
) -> None:
    busy = team.spawn("do: sleep 2", "do: write a.txt a", "do: commit a")
    asks = team.spawn("do: run echo hello", "do: say done")
    team.until_so(asks, lambda shown: bool(shown["permissions_pending"]))
    before = pids(team, [busy, asks])
    request = team.call("show", session=asks)["permissions_pending"][0]["request"]
    assert new.did(team, "restart")["live"] == 2
    assert pids(team, [busy, asks]) == before
    team.call("answer", session=asks, decision="allow", request=request)
    assert team.until(asks, "idle")["report"] == "done"
    assert team.until(busy, "pr_open")["report"] == "commit a"
    assert team.heard(asks)[1:] == team.heard(busy)[1:] == []


def test_a_message_between_paste_and_submit_is_submitted_once_after_a_restart(
    team: Team, new: Version, tmp_path: Path
) -> None:
    script = tmp_path / "shy.py"  # shows what it was told only when it is allowed to
    script.write_text(SHY_AGENT)
    settings = SHY.format(python=sys.executable, script=script)
    (team.repository / "agent-orchestrator.yaml").write_text(settings)
    session = team.trusted().spawn("nothing")
    workspace = Path(team.call("show", session=session)["path"])
    eventually((workspace / "ready").exists)  # until then the terminal itself shows what is typed
    sent = team.call("send", session=session, message="only once")
    assert sent["state"] == "pasting", sent
    new.did(team, "restart")
    assert state(team.call("show", session=session)) == "pasting"
    (workspace / "show").touch()
    team.until_so(session, lambda shown: state(shown) == "submitted")
    eventually((workspace / "heard").exists)
    heard = (workspace / "heard").read_text()
    assert heard.count("only once") == 1
