"""Agents that are not ours, driven by protocol, with a scripted model behind them.

They are looked for on PATH, and in the folder AO_REAL_AGENTS names; without them these tests are
skipped. `make agents` brings both from npm (`@aaif/goose`, `opencode-ai`) and then runs these.
"""

import json
import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripted_model import KEY, ScriptedModel, scripted_model
from team import Team, eventually, git

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
COMMIT = 'echo hello > hello.txt && git add hello.txt && git commit -q -m "say hello"'
SLOW = 180.0
FOLDER = os.environ.get("AO_REAL_AGENTS", "")


def where(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join([FOLDER, os.environ["PATH"]]))


def goose(program: str, url: str, home: Path) -> dict[str, Any]:
    env = {
        "GOOSE_PROVIDER": "openai", "GOOSE_MODEL": "scripted", "OPENAI_HOST": url,
        "OPENAI_API_KEY": KEY, "GOOSE_DISABLE_KEYRING": "1", "GOOSE_TELEMETRY_ENABLED": "false",
        "GOOSE_MODE": "approve", "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"), "XDG_STATE_HOME": str(home / "state"),
    }  # fmt: skip
    modes = {"permissionless": "auto", "default": "approve"}
    return {"protocol": [program, "acp"], "env": env, "modes": modes}


def opencode(program: str, url: str, home: Path) -> dict[str, Any]:
    provider: dict[str, Any] = {
        "npm": "@ai-sdk/openai-compatible", "models": {"scripted": {}},
        "options": {"baseURL": f"{url}/v1", "apiKey": KEY},
    }  # fmt: skip
    config: dict[str, Any] = {
        "model": "test/scripted", "provider": {"test": provider}, "autoupdate": False,
        "permission": {"bash": "ask"},
    }  # fmt: skip
    home.mkdir(exist_ok=True)
    (home / "opencode.json").write_text(json.dumps(config))
    env = {"OPENCODE_CONFIG": str(home / "opencode.json")}
    env |= {f"XDG_{name}_HOME": str(home / name) for name in ("CONFIG", "DATA", "STATE", "CACHE")}
    return {"protocol": [program, "acp"], "env": env}


AGENTS = {"goose": goose, "opencode": opencode}


@pytest.fixture
def model() -> Generator[ScriptedModel]:
    with scripted_model() as one:
        yield one


@pytest.fixture(params=AGENTS)
def team(request: pytest.FixtureRequest, tmp_path: Path, model: ScriptedModel) -> Generator[Team]:
    program = where(request.param)
    if program is None:
        pytest.skip(f"{request.param} is not installed")
    settings = AGENTS[request.param](program, model.url, tmp_path / "agent")
    command = {"command": [program], "prompt": "after", **settings}
    project = {"path": ".", "agent": "command", "drive": "protocol", "agentConfig": command}
    config = yaml.safe_dump({"projects": {"sample": project}})
    repository = Team.new_repository(tmp_path / "sample", config)
    one = Team(tmp_path / "home", repository, tmp_path / "run")
    yield one.trusted()
    one.end()


def test_a_real_agent_asks_commits_outlives_the_engine_and_comes_back(
    team: Team, model: ScriptedModel
) -> None:
    session = team.call("spawn", prompt=f"RUN: {COMMIT}")["session"]
    (asked,) = team.until(session, "needs_input", SLOW)["permissions_pending"]
    assert "git commit" in asked["arguments"]
    ours = {name.rsplit("_", 1)[-1] for name in model.offered() if name.startswith("ao_")}
    assert ours == {"ask", "report"}  # by the server that was handed over
    team.kill_engine()
    (still,) = team.until(session, "needs_input")["permissions_pending"]
    assert still == asked
    team.call("answer", session=session, decision="allow")
    shown = team.until_so(session, lambda now: now["state"] == "idle", SLOW)
    assert git(Path(shown["path"]), "log", "-1", "--format=%s") == "say hello"
    assert len(shown["commits"]) == 1
    assert "All done." in team.call("read", session=session, what="turns")["text"]

    team.call("kill", session=session)
    team.call("restore", session=session)
    assert team.call("send", session=session, message="Thank you.")["state"] in (
        "queued", "submitted", "accepted",
    )  # fmt: skip
    eventually(lambda: "Thank you." in model.prompts()[-1], SLOW)
    team.until_so(session, lambda now: now["state"] == "idle", SLOW)
    assert any(COMMIT in str(one) for one in model.asked[-1]["messages"])  # it remembers
    assert git(Path(shown["path"]), "rev-list", "--count", "main..HEAD") == "1"
