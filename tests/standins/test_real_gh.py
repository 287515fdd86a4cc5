"""The real `gh`, by way of the one that workers have, at a stand-in for GitHub."""

import json
import os
import subprocess
from collections.abc import Generator, Mapping
from pathlib import Path

import pytest

from ao_core import spool
from ao_core.engine import wrappers
from ao_core.engine.home import open_home
from ao_core.gh_use import gh_use
from ao_core.spool import HookKind
from standins.github import GitHub
from standins.unix_socket import HOST, signed_in

APP = f"{HOST}/acme/app"
CREATE = ("pr", "create", "-R", APP, "--title", "A", "--body", "B", "--head", "feature")


@pytest.fixture
def env(github: GitHub, tmp_path: Path) -> Generator[Mapping[str, str]]:
    github.world.commit("acme/app", "feature", {"a.txt": "a\n"})
    (tmp_path / "spool").mkdir()
    home = open_home(tmp_path / "home")
    wrappers.write(home)
    path = ":".join([*map(str, wrappers.on_path(home, os.environ)), os.environ["PATH"]])
    with signed_in(github, tmp_path / "gh") as known:
        own = {"HOME": str(tmp_path), "AO_SPOOL": str(tmp_path / "spool")}
        yield {"PATH": path, **own, **known}
    home.close()


def gh(env: Mapping[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["gh", *args], env=env, cwd=env["HOME"], capture_output=True, text=True, timeout=60
    )


def test_a_pull_request_is_opened_told_of_and_counted(
    github: GitHub, env: Mapping[str, str]
) -> None:
    made = gh(env, *CREATE)
    page = f"{github.url}/acme/app/pull/1"
    assert (made.returncode, made.stdout) == (0, f"{page}\n")
    folder = Path(env["AO_SPOOL"])
    (event,) = [spool.read(path) for path in spool.pending(folder)]
    assert (event.kind, event.text) == (HookKind.PULL_OPENED, page)
    assert gh_use(folder).told() == "1 command: pr create 1"
    again = gh(env, *CREATE, "--base", "no-such")
    assert again.returncode == 1
    assert "Validation Failed" in again.stderr
    assert len(spool.pending(folder)) == 1


def test_each_reading_is_asked_anew(github: GitHub, env: Mapping[str, str]) -> None:
    listed = ("pr", "list", "-R", APP, "--json", "number,title")
    read = ("api", "repos/acme/app/issues", "--jq", ".[].title")
    assert json.loads(gh(env, *listed).stdout) == []
    assert gh(env, *read).stdout == ""
    github.world.pull("acme/app", "feature", title="New")
    assert json.loads(gh(env, *listed).stdout) == [{"number": 1, "title": "New"}]
    assert gh(env, *read).stdout == "New\n"
    assert gh_use(Path(env["AO_SPOOL"])).told() == "4 commands: pr list 2, api 2"


def test_what_it_does_not_know_is_refused_by_gh_itself(env: Mapping[str, str]) -> None:
    done = gh(env, "no-such-thing")
    assert done.returncode == 1
    assert 'unknown command "no-such-thing" for "gh"' in done.stderr
    assert "gh version" in gh(env, "--version").stdout
