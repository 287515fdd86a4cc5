"""A pull request that a person began: a worker takes it over, on either host."""

from collections.abc import Generator
from pathlib import Path

import pytest

from ao_core.errors import AoError, WrongState
from e2e import forge as at_work
from e2e.forge import PUSH, Forge, settings
from e2e.hosts import APP, Host
from team import Team, eventually, git

BRANCH = "feature/of-a-person"


@pytest.fixture
def forge(tmp_path: Path, host: Host) -> Generator[Forge]:
    repository = at_work.begun(host, tmp_path, settings(host, scm=host.unchecked()))
    team = Team(tmp_path / "home", repository, tmp_path / "run")
    yield Forge(team.trusted(), host, tmp_path)
    team.end()


def begun(forge: Forge, branch: str = BRANCH) -> int:
    """A person has pushed something and opened a pull request."""
    forge.world.commit(APP, branch, {"a.txt": "one\n"})
    return forge.host.opened(branch)


def claimed(forge: Forge, number: int, *script: str) -> str:
    """Whoever takes it over, once they rest; their pull request is known by then."""
    session = forge.team.spawn(*script, claim_pr=number, permissions="permissionless")
    forge.team.until_so(session, lambda now: now["state"] == "idle" and now["commits"])
    forge.team.until_so(session, lambda now: now["pull_request"] == "open")
    return session


def test_a_worker_goes_on_with_it_and_another_after_that(forge: Forge) -> None:
    team, number = forge.team, begun(forge)
    first = claimed(forge, number, "do: write b.txt two", "do: commit two")
    shown = team.call("show", session=first)
    assert shown["branch"] == BRANCH
    assert (Path(shown["path"]) / "a.txt").read_text() == "one\n"
    with pytest.raises(WrongState, match=f"{first} is at work on"):
        team.spawn("do: say nothing", claim_pr=number)

    team.tell(first, PUSH)
    head = git(Path(shown["path"]), "rev-parse", "HEAD")
    eventually(lambda: git(forge.host.bare, "rev-parse", BRANCH) == head)
    assert len(forge.host.on(BRANCH)) == 1
    team.until_so(first, lambda now: now["state"] == "idle")

    team.call("kill", session=first)
    second = claimed(forge, number, "do: write c.txt three", "do: commit three", PUSH)
    for session in (first, second):
        assert team.call("show", session=session)["branch"] == BRANCH
    done = team.call("merge", session=second)
    assert (done["merged"], done["outcome"]) == (True, "landed"), done
    names = git(forge.host.bare, "ls-tree", "--name-only", "main").split()
    assert {"a.txt", "b.txt", "c.txt"} <= set(names)
    team.until(second, "merged")


def test_what_cannot_be_taken_over_is_refused(forge: Forge) -> None:
    team, number = forge.team, begun(forge)
    git(team.repository, "checkout", "-q", "-b", BRANCH)
    (team.repository / "mine.txt").write_text("mine\n")
    git(team.repository, "add", "mine.txt")
    git(team.repository, "commit", "-q", "-m", "mine")
    mine = git(team.repository, "rev-parse", "HEAD")
    git(team.repository, "checkout", "-q", "main")
    with pytest.raises(WrongState, match="commits here that the pull request lacks"):
        team.spawn("do: say nothing", claim_pr=number)
    assert git(team.repository, "rev-parse", BRANCH) == mine

    other = begun(forge, "another")
    forge.host.close(other)
    with pytest.raises(WrongState, match=f"Pull request {other} is closed already"):
        team.spawn("do: say nothing", claim_pr=other)
    with pytest.raises(AoError, match="no pull request 99"):
        team.spawn("do: say nothing", claim_pr=99)
    assert team.call("list")["sessions"] == []


def test_a_branch_that_is_behind_here_is_brought_forward(forge: Forge) -> None:
    number = begun(forge)
    git(forge.team.repository, "fetch", "-q", forge.host.at.remote(APP), f"{BRANCH}:{BRANCH}")
    head = forge.world.commit(APP, BRANCH, {"a.txt": "two\n"})
    session = claimed(forge, number, "do: say nothing")
    shown = forge.team.call("show", session=session)
    assert git(Path(shown["path"]), "rev-parse", "HEAD") == head
