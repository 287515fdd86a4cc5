"""The engine is killed at git commands of a train of two, at each with EVERY_STEP=all: the target
holds all that landed, each piece once, and what landed is known to be merged.
"""

import json
import os
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest

from ao_core.errors import AoError
from team import Team, git

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]
MANY, LAST = 10_000, 5
EVERY = os.environ.get("EVERY_STEP") == "all"
STRIDE = 1 if EVERY else 40
asked = pytest.mark.skipif(not EVERY, reason="slow: EVERY_STEP=all runs it")

# counts down in `fuse` while it is there, and ends the engine in front of, or after, one command
SHIM = """\
#!{python} -I
import fcntl, json, os, signal, subprocess, sys
from pathlib import Path
here = Path({here!r})
def burn():
    with open(here / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            left = int((here / "fuse").read_text())
        except FileNotFoundError:
            return False
        (here / "fuse").write_text(str(left - 1))
        return left == 1
def end():
    pid = json.loads((here / "running").read_text())
    (here / "fuse").unlink(missing_ok=True)
    os.kill(pid, signal.SIGKILL)
after = (here / "after").exists()
now = burn()
if now and not after:
    end()
    sys.exit(1)
done = subprocess.run([{git!r}, *sys.argv[1:]])
if now:
    end()
sys.exit(done.returncode if done.returncode >= 0 else 1)
"""


class Shim:
    """A `git` in front of the real one, for the engine alone."""

    def __init__(self, folder: Path, real: str) -> None:
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        program = folder / "bin" / "git"
        program.write_text(SHIM.format(python=sys.executable, here=str(folder), git=real))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def arm(self, pid: int, steps: int, *, after: bool) -> None:
        (self.folder / "running").write_text(json.dumps(pid))
        (self.folder / "after").unlink(missing_ok=True)
        if after:
            (self.folder / "after").touch()
        (self.folder / "fuse").write_text(str(steps))

    def left(self) -> int:
        """How many more commands there would have had to be; the fuse is taken out."""
        fuse = self.folder / "fuse"
        left = int(fuse.read_text()) if fuse.exists() else 0
        fuse.unlink(missing_ok=True)
        return left


@pytest.fixture
def shim(tmp_path: Path) -> Shim:
    return Shim(tmp_path / "shim", "/usr/bin/git")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two workers whose work is to be merged, each a file of its own."""

    team: Team
    sessions: dict[str, str]

    @staticmethod
    def spawned(team: Team, number: int) -> "Pair":
        names = [f"{number}-{one}.txt" for one in ("a", "b")]
        scripts = {name: (f"do: write {name} {name}", f"do: commit {name}") for name in names}
        pair = Pair(team, {name: team.spawn(*script) for name, script in scripts.items()})
        for session in pair.sessions.values():
            team.until(session, "pr_open")
        return pair

    def merge(self, method: str) -> bool:
        """Whether the engine lived to tell."""
        try:
            with self.team.connect() as connection:
                asked = {"sessions": list(self.sessions.values()), "method": method}
                return connection.call("merge", asked, 60)["merged"]
        except AoError as error:
            if not error.retryable:
                raise
            return False

    def landed(self) -> bool:
        """Whether it is in the target: all of it or nothing, and each piece once."""
        files = git(self.team.repository, "ls-tree", "--name-only", "main").split()
        found = [name for name in self.sessions if name in files]
        assert len(found) in (0, 2), found
        for name in found:
            log = git(self.team.repository, "log", "--no-merges", "--format=%s", "main", "--", name)
            assert len(log.splitlines()) == 1, log
        return bool(found)


# the commands around the moving of the target, and some of those that only look
@pytest.mark.parametrize(
    ("method", "after"),
    [
        ("merge", False),
        pytest.param("squash", True, marks=asked),
        pytest.param("rebase", True, marks=asked),
    ],
)
def test_wherever_it_dies_the_target_is_whole_and_what_landed_is_known_to_be_merged(
    tmp_path: Path, repository: Path, shim: Shim, method: str, after: bool
) -> None:
    team = Team(tmp_path / "home", repository, tmp_path / "run")
    (tmp_path / ".profile").write_text(f"PATH={shim.folder / 'bin'}:$PATH; export PATH\n")
    team.trusted()
    try:
        first = Pair.spawned(team, 0)
        shim.arm(team.engine_pid, MANY, after=after)
        assert first.merge(method)
        count = MANY - shim.left()
        steps = chain(range(1, count - LAST, STRIDE), range(count - LAST, MANY))
        assert killed_at(steps, team, shim, method, after=after)
        check(team)
    finally:
        team.end()


def killed_at(steps: Iterable[int], team: Team, shim: Shim, method: str, *, after: bool) -> int:
    """Until it lives; in how many of these cases the target had moved by then."""
    pair, late = Pair.spawned(team, 1), 0
    for step in steps:
        shim.arm(team.engine_pid, step, after=after)
        lived = pair.merge(method)
        shim.left()
        if lived:
            break
        if pair.landed():
            for session in pair.sessions.values():  # nobody merges it again
                team.until(session, "merged")
            pair, late = Pair.spawned(team, step + 1), late + 1
    return late


def check(team: Team) -> None:
    """Nothing of any train is left, and nothing is in doubt."""
    assert git(team.repository, "status", "--porcelain") == ""
    assert "/merge-" not in git(team.repository, "worktree", "list")
    assert not [line for line in team.journal() if "intent.unresolved" in line]
