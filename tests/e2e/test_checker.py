"""The checker finds nothing where all is well, and finds each thing that is wrong."""

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from checker import check, rested
from team import HELD, Kind, Team, git

WORK = ("do: write {0}.txt {0}", "do: commit {0}")


def worked(team: Team, name: str) -> str:
    session = team.spawn(*(line.format(name) for line in WORK))
    team.until(session, "pr_open")
    return session


@pytest.mark.parametrize("kind", HELD, ids=str)
def test_a_team_that_was_left_alone_has_no_fault(team: Team, kind: Kind) -> None:
    first, second, third = (worked(team, name) for name in ("one", "two", "three"))
    assert team.sure("merge", session=first)["merged"]
    team.tell(second, "do: say hello")
    team.sure("kill", session=third)
    team.sure("restore", session=third)
    team.sure("kill", session=first)
    rested(team)
    assert check(team) == []


@contextmanager
def stray_process(team: Team) -> Generator[str]:
    child = subprocess.Popen(["sleep", "1000"], cwd=team.home)
    try:
        yield f"process {child.pid} is nobody's"
    finally:
        child.kill()
        child.wait()


@contextmanager
def stray_tree(team: Team) -> Generator[str]:
    folder = next(team.home.glob("*/worktrees")) / "sam-77"
    folder.mkdir()
    yield f"the work tree {folder} is nobody's"
    folder.rmdir()


@contextmanager
def stray_branch(team: Team) -> Generator[str]:
    git(team.repository, "branch", "ao/sam-77-abcdef")
    yield "refs/heads/ao/sam-77-abcdef is no session's"
    git(team.repository, "branch", "-D", "ao/sam-77-abcdef")


@contextmanager
def stray_ref(team: Team) -> Generator[str]:
    git(team.repository, "update-ref", "refs/ao/0/sam-1/7", "HEAD")
    yield "refs/ao/0/sam-1/7 is accounted for by nobody"
    git(team.repository, "update-ref", "-d", "refs/ao/0/sam-1/7")


@contextmanager
def stray_commit(team: Team) -> Generator[str]:
    before = git(team.repository, "rev-parse", "HEAD")
    git(team.repository, "commit", "-q", "--allow-empty", "-m", "by hand")
    yield f"main has {git(team.repository, 'rev-parse', 'HEAD')}, which nobody reported"
    git(team.repository, "reset", "-q", "--hard", before)


@contextmanager
def stray_pane(team: Team) -> Generator[str]:
    team.tmux("new-session", "-d", "-s", "sam-77", "sleep 1000")
    yield "an agent of sam-77 runs"
    team.tmux("kill-session", "-t", "=sam-77")


@contextmanager
def lost_tree(team: Team) -> Generator[str]:
    path = Path(team.call("show", session="sam-1")["path"])
    path.rename(path.with_name("elsewhere"))
    yield f"the work tree {path} is missing"
    path.with_name("elsewhere").rename(path)


FAULTS = (
    stray_process, stray_tree, stray_branch, stray_ref, stray_commit, stray_pane, lost_tree,
)  # fmt: skip


def test_each_thing_that_is_nobodys_is_found(team: Team) -> None:
    worked(team, "one")
    rested(team)
    for fault in FAULTS:
        assert check(team) == [], fault
        with fault(team) as told:
            found = check(team)
            assert any(one.startswith(told) for one in found), (told, found)
    assert check(team) == []
