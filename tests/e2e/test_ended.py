"""What an ended worker was and did can still be read, whatever keeps the records."""

import subprocess
from pathlib import Path

import pytest

from ao_core.errors import AoError
from faces.terminal import AO
from team import FILES, PLAIN, PROTOCOL, PTY, Kind, Team, git


def ao(team: Team, *arguments: str) -> str:
    done = subprocess.run(
        [*AO, *arguments], env=team.env, cwd=team.repository, check=True, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    return done.stdout


@pytest.mark.parametrize("kind", [PLAIN, PTY, PROTOCOL, FILES], ids=str)
def test_an_ended_worker_is_listed_shown_and_read(team: Team, kind: Kind) -> None:
    session = team.spawn("do: write a.txt <<first line>>", "do: commit a", "do: say all is well")
    team.until_so(session, lambda now: now["state"] == "idle" and now["commits"])
    team.call("kill", session=session)
    assert session not in ao(team, "list")
    assert session in ao(team, "list", "--ended")
    shown = ao(team, "show", session)
    assert "killed" in shown
    assert "all is well" in shown
    assert "first line" in ao(team, "read", session, "diff")
    assert "session.killed" in ao(team, "read", session, "events")
    ao(team, "read", session, "checks")
    for what in ("screen", "turns"):
        assert "all is well" in ao(team, "read", session, what)
    team.kill_engine()
    assert session in ao(team, "list", "--ended")
    assert "first line" in ao(team, "read", session, "diff")


def test_who_ended_by_itself_is_listed_until_somebody_sees_to_it(team: Team) -> None:
    session = team.spawn("do: write a.txt a")
    team.until_so(session, lambda now: now["state"] == "idle")
    team.agent(session).kill()
    team.until(session, "terminated")
    (line,) = team.call("list")["sessions"]
    assert (line["session"], line["attention"]) == (session, "lead")
    team.call("restore", session=session)
    team.until_so(session, lambda now: now["state"] == "idle")
    team.call("kill", session=session)
    assert team.call("list")["sessions"] == []
    again = team.spawn("do: write b.txt b")
    team.until_so(again, lambda now: now["state"] == "idle")
    team.agent(again).kill()
    team.until(again, "terminated")
    team.call("kill", session=again)
    assert team.call("list")["sessions"] == []


def test_a_worker_whose_work_cannot_be_saved_is_killed_and_keeps_its_workspace(
    team: Team,
) -> None:
    session = team.spawn("do: write draft.txt draft")
    path = Path(team.until_so(session, lambda now: now["state"] == "idle")["path"])
    in_the_way = team.repository / ".git" / "refs" / "ao"
    in_the_way.write_text("no folder")
    with pytest.raises(AoError):
        team.call("kill", session=session)
    shown = team.call("show", session=session)
    assert (shown["status"], shown["workspace_gone"]) == ("killed", False)
    assert (path / "draft.txt").read_text() == "draft\n"
    assert team.call("list")["sessions"] == []
    in_the_way.unlink()
    assert team.call("kill", session=session)["workspace_removed"]
    saved = team.call("show", session=session)["salvage"][-1]
    assert git(team.repository, "show", f"{saved}:draft.txt") == "draft"
    assert sum("session.killed" in line for line in team.journal()) == 1


def test_what_an_ended_worker_has_left_is_seen_to_be_merged_by_hand(team: Team) -> None:
    session = team.spawn("do: write a.txt a", "do: commit a")
    branch = team.until(session, "pr_open")["branch"]
    waits = team.call("spawn", prompt="Do this:\ndo: say ready", after=[session])["session"]
    team.agent(session).kill()
    team.until(session, "terminated")
    git(team.repository, "merge", "-q", "--no-edit", branch)
    team.kill_engine()  # the next one looks first
    team.until_so(session, lambda now: now["pull_request"] == "merged")
    team.until_so(waits, lambda now: now["state"] == "idle")
