"""A worker goes on with a branch that is there: as it stands, whatever becomes of the worker."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ao_core.errors import AoError, BadRequest, PluginError, WrongState
from team import CONFIG, Kind, Team, git


@pytest.fixture(params=["worktree", "clone"])
def repository(tmp_path: Path, request: pytest.FixtureRequest, kind: Kind) -> Path:
    config = CONFIG.replace("    agent:", f"    workspace: {request.param}\n    agent:", 1)
    made = Team.new_repository(tmp_path / "sample", kind.project(config))
    git(made, "switch", "-q", "-c", "feature")
    (made / "begun.txt").write_text("begun\n")
    git(made, "add", "begun.txt")
    git(made, "commit", "-q", "-m", "begun")
    git(made, "switch", "-q", "main")
    git(made, "commit", "-q", "--allow-empty", "-m", "main goes on")
    return made


def test_it_goes_on_where_the_branch_is_and_its_work_is_merged_with_what_was_there(
    team: Team,
) -> None:
    before, parted = git(team.repository, "rev-parse", "feature", "main~1").split()
    session = team.spawn("do: write a.txt <<a>>", "do: commit a", branch="feature")
    shown = team.until_so(session, lambda now: now["state"] == "idle" and len(now["commits"]) > 1)
    assert shown["branch"] == "feature"
    assert shown["commits"][0] == before
    assert git(team.repository, "log", "--format=%s", "main..feature") == "a\nbegun"
    assert git(team.repository, "merge-base", "feature", "main") == parted
    assert "begun.txt" in team.call("read", session=session, what="diff")["text"]
    killed = team.call("kill", session=session)
    assert killed["workspace_removed"]
    assert git(team.repository, "log", "-1", "--format=%s", "feature") == "a"
    assert team.call("restore", session=session)["branch"] == "feature"
    team.until_so(session, lambda now: now["state"] == "idle")
    assert team.call("merge", session=session)["merged"]
    assert (team.repository / "begun.txt").exists()


def test_a_branch_that_somebody_has_checked_out_is_left_to_them(team: Team) -> None:
    git(team.repository, "switch", "-q", "feature")
    with pytest.raises(WrongState) as caught:
        team.spawn("do: say hello", branch="feature")
    assert str(team.repository) in caught.value.message
    git(team.repository, "switch", "-q", "main")
    session = team.spawn("do: say hello", branch="feature")
    with pytest.raises(WrongState) as caught:
        team.spawn("do: say hello", branch="feature")
    assert session in caught.value.message
    with pytest.raises(BadRequest):
        team.spawn("do: say hello", branch="main")
    assert team.call("list", ended=True)["sessions"][0]["session"] == session


def test_of_two_that_adopt_it_at_once_only_one_does(team: Team) -> None:
    def begin(_: int) -> str | WrongState:
        try:
            return team.spawn("do: say hello", branch="feature")
        except WrongState as refused:
            return refused

    with ThreadPoolExecutor(4) as threads:
        every = list(threads.map(begin, range(4)))
    (session,) = [one for one in every if isinstance(one, str)]
    refused = [one for one in every if isinstance(one, WrongState)]
    assert [one.message for one in refused] == [f"{session} is at work on feature."] * 3
    assert [one["session"] for one in team.call("list", ended=True)["sessions"]] == [session]


def test_who_left_it_to_another_comes_back_when_that_one_has_ended(team: Team) -> None:
    first = team.spawn("do: say hello", branch="feature")
    team.call("kill", session=first)
    second = team.spawn("do: say hello", branch="feature")
    with pytest.raises(WrongState) as caught:
        team.call("restore", session=first)
    assert caught.value.message == f"{second} is at work on feature."
    assert team.call("show", session=first)["status"] == "killed"
    team.call("kill", session=second)
    assert team.call("restore", session=first)["branch"] == "feature"


@pytest.mark.parametrize("branch", ["feature", "fresh"])
def test_a_start_that_fails_leaves_the_branch_as_it_was(team: Team, branch: str) -> None:
    git(team.repository, "branch", "fresh", "main")  # has nothing of its own yet
    before = git(team.repository, "for-each-ref", "refs/heads")
    config = team.repository / "agent-orchestrator.yaml"
    config.write_text(
        config.read_text().replace("    agent:", "    post_create: ['false']\n    agent:", 1)
    )
    with pytest.raises(AoError) as caught:
        team.trusted().spawn("do: say hello", branch=branch)
    assert not isinstance(caught.value, WrongState | BadRequest | PluginError)
    assert git(team.repository, "for-each-ref", "refs/heads") == before
    assert len(git(team.repository, "worktree", "list").splitlines()) == 1
