"""A worker opens its pull request by the real `gh`: the engine knows it at once, and counts."""

import json
import subprocess
import sys
from collections.abc import Generator, Mapping
from pathlib import Path

import pytest

from standins.github import GitHub, hosted
from standins.unix_socket import HOST, signed_in
from team import Team, eventually, git

WORK = """\
set -e
echo new > new.txt
git add new.txt
git commit -q -m new
git push -q origin HEAD
gh pr list -R {app} > before.log
gh pr create -R {app} --title New --body '' --head "$(git branch --show-current)" > created.log
echo done > "$1"
while :; do sleep 1; done
"""
CONFIG = """\
projects:
  sample:
    path: .
    agent: command
    scm: {{plugin: github, repo: acme/app, api: "{api}", token: "{token}"}}
    env: {env}
    agentConfig:
      command: [sh, {script}, {done}, "{{prompt_file}}"]
"""


@pytest.fixture
def github(tmp_path: Path) -> Generator[GitHub]:
    with hosted(tmp_path / "host") as host:
        yield host


@pytest.fixture
def gh(github: GitHub, tmp_path: Path) -> Generator[Mapping[str, str]]:
    with signed_in(github, tmp_path / "gh") as known:
        yield known


@pytest.fixture
def done(tmp_path: Path) -> Path:
    return tmp_path / "done"


@pytest.fixture
def repository(tmp_path: Path, github: GitHub, gh: Mapping[str, str], done: Path) -> Path:
    script = tmp_path / "work.sh"
    script.write_text(WORK.format(app=f"{HOST}/acme/app"))
    config = CONFIG.format(
        api=f"{github.url}/api/v3", token=github.token, env=json.dumps(gh), script=script, done=done
    )
    made = Team.new_repository(tmp_path / "sample", config)
    git(made, "remote", "add", "origin", github.remote())
    git(made, "push", "-q", "--force", "origin", "main")
    git(made, "fetch", "-q", "origin")
    return made


def test_a_pull_request_by_gh_is_known_at_once_and_what_gh_asks_is_counted(
    team: Team, github: GitHub, done: Path
) -> None:
    session = team.trusted().spawn("anything")
    eventually(done.exists)
    shown = team.until_so(session, lambda now: now["pull_request"] == "open")
    page = f"{github.url}/acme/app/pull/1"
    path = Path(shown["path"])
    assert (path / "created.log").read_text() == f"{page}\n"
    assert shown["gh"] == "2 commands: pr list 1, pr create 1"
    (line,) = [one for one in team.journal() if " session.proposed " in one]
    assert page in line
    told = subprocess.run(
        [sys.executable, "-I", "-m", "ao_mcp.cli", "doctor"], cwd=team.repository, env=team.env,
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    assert f"workers' gh has run 2 commands: {session} 2" in " ".join(told.split())
    about = team.call("about")
    assert about["asked_github"] == {session: 2}
