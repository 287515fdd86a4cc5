"""The whole path: from a call to merged work, on real git and real tmux."""

from pathlib import Path

import pytest

from team import HELD, Team, eventually, git

pytestmark = pytest.mark.parametrize("kind", HELD, ids=str)


def test_an_issue_becomes_merged_work(team: Team) -> None:
    body = "do: write hello.txt hi\ndo: commit hello"
    issue = team.call("create_issue", title="Say hello", body=body)
    started = team.call("spawn", issue=issue["issue"])
    session = started["session"]

    shown = team.until(session, "pr_open")
    assert shown["issue"] == issue["issue"]
    assert (Path(started["path"]) / "hello.txt").read_text().strip() == "hi"
    assert not (team.repository / "hello.txt").exists()

    done = team.call("merge", session=session)
    assert done["merged"], done
    assert (team.repository / "hello.txt").read_text().strip() == "hi"
    assert "AO-Session: " + session in git(team.repository, "log", "-1", "--format=%B")
    assert team.until(session, "merged")["merged_as"] == git(team.repository, "rev-parse", "main")


def test_a_question_is_answered_and_the_worker_goes_on(team: Team) -> None:
    session = team.spawn(
        "do: ask Which colour?", "do: write colour.txt {answer}", "do: commit colour"
    )
    shown = team.until(session, "needs_input")
    assert shown["question"] == "Which colour?"

    assert team.reply(session, "green")["state"] == "accepted"
    path = Path(team.until(session, "pr_open")["path"])
    assert (path / "colour.txt").read_text().strip() == team.kind.worded("green")


def test_a_message_starts_another_turn(team: Team) -> None:
    session = team.spawn("do: say ready")
    team.until(session, "idle")
    sent = team.tell(session, "do: write more.txt yes\ndo: commit more")
    assert sent["state"] == "accepted"
    path = Path(team.until(session, "pr_open")["path"])
    assert (path / "more.txt").read_text().strip() == "yes"


def test_killed_work_is_saved_and_comes_back(team: Team) -> None:
    session = team.spawn("do: write draft.txt unsaved", "do: ask Go on?")
    path = Path(team.until(session, "needs_input")["path"])
    killed = team.call("kill", session=session)
    assert killed["salvage"].startswith("refs/ao/")
    assert not path.exists()
    assert "unsaved" in git(team.repository, "show", f"{killed['salvage']}:draft.txt")

    team.call("restore", session=session)
    assert (path / "draft.txt").read_text().strip() == "unsaved"


def test_a_worker_that_never_committed_comes_back_without_its_branch(team: Team) -> None:
    session = team.spawn("do: write draft.txt unsaved", "do: ask Go on?")
    shown = team.until(session, "needs_input")
    team.call("kill", session=session)
    git(team.repository, "branch", "-D", shown["branch"])
    restored = team.call("restore", session=session)
    assert restored["branch"] == shown["branch"]
    assert (Path(restored["path"]) / "draft.txt").read_text().strip() == "unsaved"


def test_stop_leaves_nothing_that_an_earlier_engine_made(team: Team) -> None:
    session = team.spawn("do: say ready")
    team.until(session, "idle")
    team.agent(session).kill()
    team.until(session, "terminated")
    team.kill_engine()
    team.call("stop")
    eventually(lambda: not team.processes())
