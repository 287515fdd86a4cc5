"""Issues in Linear, as a lead has them: listed, worked on by a worker, and closed."""

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from ao_core.errors import AoError
from standins import linear
from standins.linear import Linear
from team import CONFIG, Team


@pytest.fixture
def host() -> Generator[Linear]:
    with linear.hosted() as host:
        host.world.user("someone")
        yield host


@pytest.fixture
def team(tmp_path: Path, host: Linear) -> Generator[Team]:
    """One whose tracker is Linear; the key is in its login shell's surroundings."""
    tracker = f"    tracker:\n      plugin: linear\n      team: ENG\n      api: {host.url}\n"
    repository = Team.new_repository(tmp_path / "sample", CONFIG + tracker)
    (tmp_path / ".profile").write_text(f"export LINEAR_API_KEY={linear.KEY}\n")
    one = Team(tmp_path / "home", repository, tmp_path / "run")
    yield one.trusted()
    one.end()


def test_a_lead_works_with_linear(team: Team, host: Linear) -> None:
    whole = host.world.issue(host.team, "The whole")
    body = "Do this:\ndo: write a.txt a\ndo: commit a"
    made = team.call("create_issue", title="Say hello", body=body, labels=["hello"])
    assert (made["issue"], made["url"]) == ("ENG-2", "https://linear.app/acme/issue/ENG-2")
    host.world.adopt(whole, host.world.named("ENG-2"))

    listed = team.call("list_issues", labels=["hello"])["issues"]
    assert [(one["issue"], one["state"]) for one in listed] == [("ENG-2", "open")]
    assert team.call("get_issue", issue="eng-2")["body"] == body

    session = team.call("spawn", issue="ENG-2")["session"]
    shown = team.until(session, "pr_open")
    assert shown["branch"].startswith("lead/eng-2-say-hello-")
    task = team.heard(session)[0]
    assert "Part of ENG-1: The whole" in task
    assert made["url"] in task

    change: dict[str, Any] = {"state": "in_progress", "assignee": "someone", "comment": "Begun."}
    told = team.call("update_issue", issue="ENG-2", **change)
    assert (told["state"], told["assignee"]) == ("in_progress", "someone")
    team.until_so(session, lambda now: now["state"] == "idle")
    team.call("merge", session=session)
    closed = team.call("update_issue", issue=made["url"], state="closed")
    assert closed["state"] == host.world.named("ENG-2").state.type.replace("completed", "closed")
    assert [one["issue"] for one in team.call("list_issues")["issues"]] == ["ENG-1"]


def test_a_person_sees_the_same(team: Team, host: Linear) -> None:
    host.world.issue(host.team, "A title\u202e", description="A body")

    def ao(*args: str) -> str:
        argv = [sys.executable, "-m", "ao_mcp.cli", *args]
        done = subprocess.run(
            argv, cwd=team.repository, env=team.env, check=True, capture_output=True, text=True
        )
        return done.stdout

    assert "ENG-1" in ao("list-issues")
    shown = ao("get-issue", "ENG-1")
    assert "A body" in shown
    assert "https://linear.app/acme/issue/ENG-1" in shown


def test_what_fails_there_is_said(team: Team, host: Linear) -> None:
    with pytest.raises(AoError) as caught:
        team.call("spawn", issue="ENG-9")
    assert (caught.value.code, "ENG-9" in caught.value.message) == ("not_found", True)
    host.world.tokens.clear()
    with pytest.raises(AoError) as caught:
        team.call("list_issues")
    assert (caught.value.code, caught.value.hint) == (
        "unauthorized", "Check what Linear is given to sign in.",
    )  # fmt: skip


def test_an_issue_is_made_once_under_a_key(team: Team, host: Linear) -> None:
    host.faults.next("issueCreate", "lost reply")
    for _ in range(2):
        made = team.call("create_issue", title="One", key="one")
        assert made["issue"] == "ENG-1"
    assert len(host.team.issues) == 1
