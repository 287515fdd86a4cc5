"""HTTP of a real engine: how it is turned on, what tells of it, what it costs when it is off."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from faces.http_served import hello
from faces.terminal import AO
from team import Team, eventually

ON = "http: {enabled: true}\n"
EXPOSED = "http: {enabled: true, host: 0.0.0.0}\n"
FOREIGN = """\
projects:
  sample:
    path: .
    agent: command
    agentConfig: {preset: worker}
http: {enabled: true}
"""


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    one = Team(tmp_path / "home", Team.new_repository(tmp_path / "sample"), tmp_path / "run")
    one.home.mkdir(mode=0o700)
    yield one
    one.end()


def says(team: Team, text: str) -> None:
    (team.home / "config.yaml").write_text(text)


def ao(team: Team, *arguments: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*AO, *arguments], env=team.env, cwd=team.repository, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert status in (None, done.returncode), done
    return done


def opens(url: str, token: str) -> int:
    said = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    return httpx2.post(url, json=hello(), headers=said, timeout=20).status_code


def doctored(team: Team) -> list[tuple[str, str]]:
    checks: list[dict[str, Any]] = json.loads(ao(team, "doctor", "--json", status=None).stdout)[
        "checks"
    ]
    return [(one["state"], one["found"]) for one in checks if one["name"] == "http"]


def test_it_is_off_unless_the_home_says_so_and_a_repository_cannot(team: Team) -> None:
    (team.repository / "agent-orchestrator.yaml").write_text(FOREIGN)
    assert team.call("about")["http"] is None
    assert not (team.home / "http-token").exists()
    (found,) = doctored(team)
    assert found[0] == "note"
    assert "http" in ao(team, "doctor", status=None).stdout
    assert "it has no effect here" in ao(team, "doctor", status=None).stdout.replace("\n", " ")


def test_an_engine_without_it_loads_nothing_of_it() -> None:
    code = "import sys, ao_mcp.app, ao_mcp.server; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = result.stdout.split()
    assert "ao_mcp.beside" in loaded
    heavy = ("ao_mcp.http", "uvicorn", "starlette", "jwt", "mcp")
    assert [name for name in loaded if name in heavy] == []


async def test_it_is_turned_on_told_of_and_stays_where_it_is(team: Team) -> None:
    says(team, ON)
    began = ao(team, "start").stdout
    url = json.loads((team.home / "running.json").read_text())["http"]
    assert f"MCP over HTTP: {url}" in began
    assert url in ao(team, "status").stdout.replace("\n", "")
    assert doctored(team) == [("ok", f"listens at {url}; `ao token` prints its token")]
    token = ao(team, "token").stdout.strip()
    assert json.loads(ao(team, "token", "--json").stdout)["url"] == url
    assert opens(url, token) == 200
    other = ao(team, "token", "--new").stdout.strip()
    assert (opens(url, token), opens(url, other)) == (401, 200)
    ao(team, "restart")
    assert json.loads((team.home / "running.json").read_text())["http"] == url
    assert opens(url, other) == 200
    log = (team.home / "engine.log").read_text()
    assert token not in log
    assert other not in log
    assert "Traceback" not in log


async def test_a_lead_over_http_gives_work_out_reads_of_it_and_repeats_a_key(team: Team) -> None:
    says(team, ON)
    team.trusted()
    url, token = team.call("about")["http"], ao(team, "token").stdout.strip()
    team.call("spawn", prompt="do: say ready", key="first")  # so that the project is known
    asked = {"prompt": "do: say hello", "key": "second"}
    spawned: list[str] = []
    for era in ("legacy", "2026-07-28"):
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http,
            Client(streamable_http_client(f"{url}/sample", http_client=http), mode=era) as client,
        ):
            made = await client.call_tool("spawn", asked)
            assert not made.is_error, made
            spawned.append(made.structured_content["session"])
            shown = await client.read_resource(f"ao://session/{spawned[0]}")
            assert spawned[0] in shown.model_dump_json()
    assert spawned == [spawned[0]] * 2


def test_off_loopback_it_is_refused_with_a_remedy_and_the_engine_serves_on(team: Team) -> None:
    says(team, EXPOSED)
    began = ao(team, "start")
    assert "does not listen" in began.stderr
    assert "off_loopback" in began.stderr
    assert "can be reached from other machines" in ao(team, "status").stdout.replace("\n", " ")
    states = dict(doctored(team))
    assert set(states) == {"fail", "warn"}
    assert ao(team, "list").returncode == 0
    says(team, EXPOSED.replace("}", ", off_loopback: true}"))
    ao(team, "restart")
    assert [state for state, _ in doctored(team)] == ["ok", "warn"]


def test_in_the_foreground_its_address_is_on_stderr_and_ctrl_c_ends_it(team: Team) -> None:
    says(team, ON)
    engine = subprocess.Popen(
        [*AO, "start", "--foreground"], env=team.env, cwd=team.repository,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert engine.stderr
        line = next(line for line in engine.stderr if "MCP over HTTP: " in line)
        url = line.strip().rpartition(" ")[2]
        token = (team.home / "http-token").read_text().strip()
        with httpx2.Client(timeout=20) as http:
            said = {"Authorization": f"Bearer {token}"} | {"Accept": "*/*"}
            session = http.post(url, json=hello(), headers=said).headers["mcp-session-id"]
            following = said | {"mcp-session-id": session}
            with http.stream("GET", url, headers=following) as stream:
                assert stream.status_code == 200
                os.kill(engine.pid, signal.SIGINT)
                assert engine.wait(10) == 0
        assert token not in engine.stderr.read()
        eventually(lambda: not (team.home / "running.json").exists())
    finally:
        engine.kill()
        engine.wait()
        if engine.stderr:
            engine.stderr.close()
