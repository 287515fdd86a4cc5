"""The checker finds nothing where all is well, and finds each thing that is wrong."""

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
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


def log_of(team: Team) -> Path:
    return Path(team.call("show", session="sam-1")["path"]) / ".ao" / "worker.jsonl"


@contextmanager
def told_twice(team: Team) -> Generator[str]:
    log = log_of(team)
    lines = log.read_text().splitlines(keepends=True)
    with log.open("a") as more:
        more.writelines(line for line in lines if '"do: say hello"' in line)
    yield "sam-1 was told 'do: say hello' 2 times, and it was sent 1 times"
    log.write_text("".join(lines))


@contextmanager
def never_told(team: Team) -> Generator[str]:
    log = log_of(team)
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(line for line in lines if '"do: say hello"' not in line))
    yield "sam-1 has accepted 'do: say hello' 1 times, and heard it 0 times"
    log.write_text("".join(lines))


@contextmanager
def moved_target(team: Team) -> Generator[str]:
    before = git(team.repository, "rev-parse", "HEAD")
    git(team.repository, "reset", "-q", "--hard", "HEAD~1")
    yield f"main has not the merge {before}"
    git(team.repository, "reset", "-q", "--hard", before)


@contextmanager
def moved_under_a_checkout(team: Team) -> Generator[str]:
    before = git(team.repository, "rev-parse", "HEAD")
    git(team.repository, "update-ref", "refs/heads/main", "HEAD~1")
    yield "the checkout of main is not as it is committed"
    git(team.repository, "update-ref", "refs/heads/main", before)


@contextmanager
def stray_file(team: Team, pattern: str, name: str, told: str) -> Generator[str]:
    path = next(team.home.glob(pattern)) / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    yield told.format(path.resolve())
    path.unlink()


@contextmanager
def stray_lock(team: Team) -> Generator[str]:
    lock = team.repository / ".git" / "index.lock"
    lock.touch()
    yield f"{lock} was left"
    lock.unlink()


@contextmanager
def stray_spare(team: Team) -> Generator[str]:
    folder = next(team.home.glob("*/worktrees")).parent / "spares" / "1"
    folder.mkdir(parents=True)
    yield f"the spare {folder} is not known to git"
    folder.rmdir()
    folder.parent.rmdir()


ARCHIVE = "the archive {} is nobody's"
SCRATCH = "the scratch {} was left"
FAULTS = (
    stray_process, stray_tree, stray_branch, stray_ref, stray_commit, stray_pane, lost_tree,
    told_twice, never_told, moved_target, moved_under_a_checkout, stray_lock, stray_spare,
    partial(stray_file, pattern="*/worktrees/..", name="archive/0.tar", told=ARCHIVE),
    partial(stray_file, pattern="*/scm-local", name="scratch/merge-1", told=SCRATCH),
)  # fmt: skip


def test_each_thing_that_is_nobodys_is_found(team: Team) -> None:
    worked(team, "one")
    assert team.sure("merge", session=worked(team, "two"))["merged"]
    assert team.tell("sam-1", "do: say hello")["state"] == "accepted"
    rested(team)
    for fault in FAULTS:
        assert check(team) == [], fault
        with fault(team) as told:
            found = check(team)
            assert any(one.startswith(told) for one in found), (told, found)
    assert check(team) == []
