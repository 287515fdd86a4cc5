"""A home that is kept in flat files: the whole path, an engine killed midway, and conversion."""

import json
import subprocess
import sys
from typing import Any

import pytest

from team import FILES, Kind, Team, eventually, git


@pytest.fixture
def kind() -> Kind:
    return FILES


def card(team: Team, name: str) -> dict[str, str]:
    """What a session's file says; empty while there is none."""
    found = list(team.home.glob(f"*-sample/sessions/{name}"))
    lines = found[0].read_text().splitlines() if found else []
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def ao(team: Team, *arguments: str, status: int = 0) -> dict[str, Any]:
    argv = [sys.executable, "-I", "-m", "ao_mcp.cli", *arguments, "--json"]
    done = subprocess.run(
        argv, env=team.env, cwd=team.repository, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == status, done
    return json.loads(done.stdout)


def test_work_is_done_in_flat_files_and_an_engine_killed_in_between_forgets_nothing(
    team: Team,
) -> None:
    body = "do: ask Which?\ndo: write hello.txt hi\ndo: commit hello"
    issue = team.call("create_issue", title="Say hello", body=body)
    session = team.call("spawn", issue=issue["issue"])["session"]
    team.until(session, "needs_input")
    assert not (team.home / "ao.db").exists()
    eventually(lambda: card(team, session).get("status") == "needs_input")
    shown = card(team, session)
    assert shown["question"] == "Which?"
    assert (shown["issue"], shown["title"]) == (issue["issue"], "Say hello")

    told = team.journal()
    team.kill_engine()
    assert team.journal()[: len(told)] == told
    team.call("answer", session=session, text="that one")
    team.until(session, "pr_open")
    assert team.sure("merge", session=session)["merged"]
    merged = git(team.repository, "rev-parse", "main")
    assert team.until(session, "merged")["merged_as"] == merged
    eventually(lambda: card(team, session).get("merged_as") == merged)

    team.call("kill", session=session)
    eventually(lambda: card(team, f"archive/{session}").get("state") in ("done", "terminated"))
    assert card(team, session) == {}


def test_a_home_is_converted_there_and_back_and_a_cursor_goes_on(team: Team) -> None:
    session = team.spawn("do: say ready")
    team.until(session, "idle")
    running = ao(team, "store", "convert", "--to", "sqlite", status=1)["error"]
    assert running["code"] == "engine_running"
    shown = ao(team, "store", "show")
    assert (shown["kind"], shown["records"]["session"]) == ("files", 1)

    told = team.journal()
    assert shown["head"] <= len(told)
    team.call("stop")
    eventually(lambda: team.running_pid() is None)
    for kind in ("sqlite", "files"):
        done = ao(team, "store", "convert", "--to", kind)
        assert done["target"] == kind
        assert (team.home / done["kept"]).exists()
        assert ao(team, "store", "show")["kind"] == kind
        news = team.call("wait", sessions=[], until="any", cursor=len(told), seconds=0)
        assert news["cursor"] > len(told)  # the engine's end and its start
        assert team.journal()[: len(told)] == told
        team.call("stop")
        eventually(lambda: team.running_pid() is None)
    assert team.call("restore", session=session)["session"] == session
