"""What a worker commits: by whom, for which session, and signed where it should be."""

from pathlib import Path

import pytest

from ao_core.errors import CredentialsNeeded
from team import CONFIG, Team, git

OURS = "    commit_identity: {name: A Team, email: team@example.invalid}\n    agent:"


def test_commits_are_by_the_team_and_name_their_session(team: Team) -> None:
    config = team.repository / "agent-orchestrator.yaml"
    config.write_text(CONFIG.replace("    agent:", OURS))
    session = team.trusted().spawn("do: write a.txt <<a>>", "do: commit a")
    path = Path(team.until_so(session, lambda now: now["commits"])["path"])
    shown = git(path, "log", "-1", "--format=%an %ce %(trailers:key=AO-Session,valueonly)")
    assert shown == f"A Team team@example.invalid {session}"


def test_a_worker_whose_commits_cannot_be_signed_unasked_is_not_started(team: Team) -> None:
    git(team.repository, "config", "commit.gpgsign", "true")
    git(team.repository, "config", "user.signingkey", "nobody@example.invalid")
    before = git(team.repository, "branch", "--list")
    with pytest.raises(CredentialsNeeded) as caught:
        team.spawn("do: say hello")
    assert "commit_signing: off" in (caught.value.hint or "")
    assert git(team.repository, "branch", "--list") == before
    config = team.repository / "agent-orchestrator.yaml"
    config.write_text(CONFIG.replace("    agent:", "    commit_signing: off\n    agent:"))
    session = team.trusted().spawn("do: write a.txt <<a>>", "do: commit a")
    team.until_so(session, lambda now: now["commits"])
