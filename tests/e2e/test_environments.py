"""Each worker has its own client's environment, and no value of it is to be found anywhere."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from ao_core.errors import CredentialsNeeded
from team import Team, eventually

CONFIG = """\
projects:
  sample:
    path: .
    agent: command
    agentConfig:
      command: [{python}, -I, {script}, {dumps}, "{{session}}", "{{prompt_file}}"]
      env:
        AGENT_CHANNEL: ${{CHANNEL}}
    credentials: [SERVICE_TOKEN]
    env:
      PROJECT_CHANNEL: ${{CHANNEL}}
"""
DUMP = """\
import json, os, signal, sys
path = os.path.join(sys.argv[1], sys.argv[2] + ".json")
with open(path + ".new", "w") as file:
    json.dump({"env": dict(os.environ), "cwd": os.getcwd()}, file)
os.replace(path + ".new", path)
signal.pause()
"""


@dataclass(frozen=True)
class Client:
    """Somebody who works in an environment and a folder of their own."""

    team: Team
    dumps: Path
    env: Mapping[str, str]
    cwd: Path

    @classmethod
    def make(cls, team: Team, dumps: Path, name: str) -> "Client":
        cwd = team.repository / name
        cwd.mkdir()
        env = {
            "PATH": f"/opt/{name}/bin:{os.environ['PATH']}",
            "SERVICE_TOKEN": f"token-of-{name}-5e1f0c7a",
            "CHANNEL": f"channel-of-{name}-88d2b3e4",
            "SSH_AUTH_SOCK": f"/agent/of/{name}",
            f"ONLY_{name.upper()}": f"only-of-{name}-0a9d6c1b",
        }
        return cls(team, dumps, env, cwd)

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(text for name, text in self.env.items() if "of-" in text and name != "PATH")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        with self.team.connect(self.env, self.cwd) as connection:
            return connection.call(method, params, 60)

    def dump(self, session: str) -> dict[str, Any]:
        """What a worker wrote down; taken away, so that it is not found by the search."""
        file = self.dumps / f"{session}.json"
        eventually(file.exists)
        text = file.read_text()
        file.unlink()
        return json.loads(text)

    def check(self, session: str, other: "Client") -> None:
        """The worker has this client's environment, and nothing of anybody else's."""
        dumped = self.dump(session)
        env, values = dumped["env"], "\0".join(dumped["env"].values())
        assert env["SERVICE_TOKEN"] == self.env["SERVICE_TOKEN"]
        assert env["PROJECT_CHANNEL"] == env["AGENT_CHANNEL"] == self.env["CHANNEL"]
        assert env["SSH_AUTH_SOCK"] == self.env["SSH_AUTH_SOCK"]
        ours = env["PATH"].removesuffix(f":{self.env['PATH']}").split(":")
        assert ours[-1] == str(self.team.home / "bin")  # and that of gh, if there is one
        assert {Path(one).name for one in ours[:-1]} <= {"ao-gh"}
        assert env["AO_SESSION_ID"] == session
        assert dumped["cwd"].endswith(f"/worktrees/{session}")
        assert not [text for text in other.env.values() if text in values]
        assert not [name for name in env if name.startswith("ONLY_")]
        assert not {"AO_HOME", "AO_ENGINE_MARK", "LC_ENGINE"} & env.keys()


@pytest.fixture
def dumps(tmp_path: Path) -> Path:
    folder = tmp_path / "dumps"
    folder.mkdir()
    return folder


@pytest.fixture
def repository(tmp_path: Path, dumps: Path) -> Path:
    script = tmp_path / "dump.py"
    script.write_text(DUMP)
    config = CONFIG.format(python=sys.executable, script=script, dumps=dumps)
    return Team.new_repository(tmp_path / "sample", config)


@pytest.fixture
def team(tmp_path: Path, repository: Path) -> Iterator[Team]:
    """Its engine is started by somebody with an environment of their own."""
    one = Team(tmp_path / "home", repository, tmp_path / "run")
    marks = {"AO_ENGINE_MARK": "1", "LC_ENGINE": "1"}
    one.env |= marks
    one.trusted()
    for name in marks:
        del one.env[name]
    yield one
    one.end()


def files(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        for place, _, names in os.walk(folder):
            yield from (path for name in names if (path := Path(place, name)).is_file())


def found(team: Team, secrets: tuple[str, ...]) -> list[str]:
    """Every place where a secret can be seen by somebody who looks."""
    seen = {str(path): path.read_bytes() for path in files(team.home.parent, *team.folders)}
    for process in psutil.process_iter():
        try:
            seen[f"process {process.pid}"] = " ".join(process.cmdline()).encode()
        except psutil.Error:
            continue
    asked = [("list-buffers",), ("show-environment", "-g"), ("show-options", "-A", "-g")]
    asked += [("list-panes", "-a", "-F", "#{pane_start_command}#{pane_title}#{history_all}")]
    asked += [("list-sessions",)]
    seen |= {" ".join(args): team.tmux(*args).encode() for args in asked}
    for name in team.tmux("list-sessions", "-F", "#{session_name}").split():
        seen[f"screen of {name}"] = team.tmux("capture-pane", "-p", "-t", f"{name}:").encode()
        seen[f"variables of {name}"] = team.tmux("show-environment", "-t", name).encode()
    return [place for place, text in seen.items() if any(one.encode() in text for one in secrets)]


def test_two_clients_at_once_each_give_their_workers_their_own_environment(
    team: Team, dumps: Path
) -> None:
    clients = [Client.make(team, dumps, name) for name in ("red", "blue")]
    secrets = clients[0].secrets + clients[1].secrets

    def spawned(number: int) -> str:
        return clients[number % 2].call("spawn", prompt=f"task {number}")["session"]

    with ThreadPoolExecutor(6) as pool:
        sessions = list(pool.map(spawned, range(6)))
    for number, session in enumerate(sessions):
        clients[number % 2].check(session, clients[1 - number % 2])
    assert found(team, secrets) == []

    for session in sessions:
        team.call("kill", session=session)
    assert found(team, secrets) == []


def test_after_a_restart_only_a_client_with_the_credentials_brings_a_worker_back(
    team: Team, dumps: Path
) -> None:
    red, blue = (Client.make(team, dumps, name) for name in ("red", "blue"))
    session = red.call("spawn", prompt="a task")["session"]
    red.check(session, blue)
    assert team.call("show", session=session)["credentials"] == ["SERVICE_TOKEN"]
    team.kill_engine()
    team.call("kill", session=session)
    with pytest.raises(CredentialsNeeded) as refused:
        team.call("restore", session=session)
    assert "SERVICE_TOKEN" in refused.value.message
    assert refused.value.hint
    blue.call("restore", session=session)
    blue.check(session, red)
    assert found(team, red.secrets + blue.secrets) == []
