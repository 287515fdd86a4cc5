"""What an ended worker was and did can still be read, whatever keeps the records."""

import subprocess

import pytest

from faces.terminal import AO
from team import FILES, PLAIN, PROTOCOL, PTY, Kind, Team


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
