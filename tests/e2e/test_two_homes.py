"""Two homes on one repository, and on two clones of one: neither takes the other's for its own."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ao_core.errors import Unknown
from team import Team, git

BOTH = ("red", "blue")


def made(folder: Path, repository: Path) -> Team:
    folder.mkdir()
    return Team(folder / "home", repository, folder / "run").trusted()


@pytest.fixture
def one_clone(tmp_path: Path) -> Generator[dict[str, Team]]:
    repository = Team.new_repository(tmp_path / "sample")
    teams = {name: made(tmp_path / name, repository) for name in BOTH}
    yield teams
    for team in teams.values():
        team.end()


@pytest.fixture
def two_clones(tmp_path: Path) -> Generator[dict[str, Team]]:
    origin = Team.new_repository(tmp_path / "first")
    git(tmp_path, "clone", "-q", "--bare", str(origin), "remote.git")
    teams: dict[str, Team] = {}
    for name in BOTH:
        clone = tmp_path / f"clone-{name}" / "sample"
        git(tmp_path, "clone", "-q", str(tmp_path / "remote.git"), str(clone))
        git(clone, "config", "user.name", "A Person")
        git(clone, "config", "user.email", "person@example.invalid")
        teams[name] = made(tmp_path / name, clone)
    yield teams
    for team in teams.values():
        team.end()


def work(team: Team, name: str) -> str:
    """A worker with one commit, and a change it did not commit."""
    session = team.spawn(f"do: write {name}.txt {name}", f"do: commit {name}")
    return team.until(session, "pr_open")["session"]


def refs(team: Team, under: str) -> set[str]:
    return set(git(team.repository, "for-each-ref", "--format=%(refname)", under).split())


def merged(team: Team, session: str) -> dict[str, Any]:
    """Merged, however often somebody else was faster."""
    while True:
        report = team.call("merge", session=session)
        if report["merged"]:
            return report
        assert report["outcome"] in ("ready", "left_out"), report


def test_two_homes_on_one_clone_keep_apart(one_clone: dict[str, Team]) -> None:
    red, blue = one_clone.values()
    theirs, ours = work(red, "red"), work(blue, "blue")
    assert theirs == ours == "sam-1"  # the same name; nothing else is the same
    shown = {name: team.call("show", session="sam-1") for name, team in one_clone.items()}
    for fact in ("branch", "path", "commits"):
        assert shown["red"][fact] != shown["blue"][fact]
    assert red.agent("sam-1").pid != blue.agent("sam-1").pid

    (Path(shown["red"]["path"]) / "note.txt").write_text("of red")
    killed = red.call("kill", session="sam-1")
    home = red.call("about")["home_id"]
    assert killed["salvage"].startswith(f"refs/ao/{home}/sam-1/")
    after = blue.call("show", session="sam-1")
    assert (after["status"], after["runtime"], after["salvage"]) == ("pr_open", "alive", [])
    assert Path(after["path"]).exists()
    assert blue.agent("sam-1").is_running()
    assert blue.call("kill", session="sam-1")["salvage"] is None
    assert refs(red, "refs/ao") == {killed["salvage"]}
    red.call("restore", session="sam-1")
    assert (Path(shown["red"]["path"]) / "note.txt").read_text() == "of red"
    assert blue.call("show", session="sam-1")["status"] == "killed"


def test_a_session_of_the_other_home_is_unknown(one_clone: dict[str, Team]) -> None:
    red, blue = one_clone.values()
    work(red, "red")
    assert blue.call("list", ended=True)["sessions"] == []
    for method in ("show", "merge", "kill", "restore"):
        with pytest.raises(Unknown):
            blue.call(method, session="sam-1")
    assert red.call("show", session="sam-1")["status"] == "pr_open"
    red.call("create_issue", title="Only red's")
    assert blue.call("list_issues")["issues"] == []


def test_both_homes_merge_into_one_branch_at_once_and_lose_nothing(
    one_clone: dict[str, Team],
) -> None:
    todo = [(team, f"{name}-{number}") for number in range(3) for name, team in one_clone.items()]

    def worked(one: tuple[Team, str]) -> tuple[Team, str, str]:
        return (*one, work(*one))

    def landed(one: tuple[Team, str, str]) -> tuple[Team, str, str, str]:
        return (*one, merged(one[0], one[2])["commit"])

    with ThreadPoolExecutor(2) as pool:
        ready = list(pool.map(worked, todo))
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(landed, ready))
    repository = todo[0][0].repository
    for team, name, session, commit in done:
        assert (repository / f"{name}.txt").read_text() == f"{name}\n"
        git(repository, "merge-base", "--is-ancestor", commit, "main")
        assert team.until(session, "merged")["merged_as"] == commit
    assert git(repository, "status", "--porcelain") == ""


def test_two_clones_of_one_remote_share_everything_and_mix_nothing(
    two_clones: dict[str, Team],
) -> None:
    red, blue = two_clones.values()
    for name, team in two_clones.items():
        session = work(team, name)
        (Path(team.call("show", session=session)["path"]) / "note.txt").write_text(f"of {name}")
        team.call("kill", session=session)
        assert work(team, f"{name}-again") == "sam-2"
    for team in two_clones.values():
        git(team.repository, "push", "-q", "origin", "refs/heads/ao/*", "refs/ao/*:refs/ao/*")
    for team in two_clones.values():
        everything = ("+refs/heads/ao/*:refs/heads/ao/*", "+refs/ao/*:refs/ao/*")
        git(team.repository, "fetch", "-q", "--update-head-ok", "origin", *everything)
    assert refs(red, "refs/ao") == refs(blue, "refs/ao")
    assert len(refs(red, "refs/ao")) == 2
    assert len(refs(red, "refs/heads/ao")) == 4

    for name, team in two_clones.items():
        team.call("restore", session="sam-1")
        path = Path(team.call("show", session="sam-1")["path"])
        assert (path / "note.txt").read_text() == f"of {name}"
        assert merged(team, "sam-2")["merged"]
        assert sorted(path.name for path in team.repository.glob("*.txt")) == [f"{name}-again.txt"]
        git(team.repository, "pull", "-q", "--no-rebase", "--no-edit", "origin", "main")
        git(team.repository, "push", "-q", "origin", "main")
    assert sorted(path.name for path in blue.repository.glob("*.txt")) == [
        "blue-again.txt",
        "red-again.txt",
    ]
    for team in two_clones.values():
        assert team.call("show", session="sam-2")["status"] == "merged"
