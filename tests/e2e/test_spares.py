"""Workspaces that are made before anybody needs them, on the whole path."""

import time
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from ao_core.errors import AoError
from checker import check, rested
from team import Kind, Team, eventually, git

SETTING = "    warmWorktrees: 1\n"
POINTS = (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.13, 0.17)  # seconds from the call to the kill


@pytest.fixture
def repository(tmp_path: Path, kind: Kind) -> Path:
    config = kind.project().replace("    agent:", f"{SETTING}    agent:", 1)
    return Team.new_repository(tmp_path / "sample", config)


def ready(team: Team) -> list[Path]:
    """The spares that can be taken, as git has them on its list."""
    told = git(team.repository, "worktree", "list", "--porcelain").split("\n\n")
    spares = [block.splitlines()[0] for block in told if " spare " in block]
    return [Path(line.removeprefix("worktree ")) for line in spares]


def was(spare: Path, workspace: Path) -> bool:
    """Whether it was that spare: git keeps what it has of a work tree under its first name."""
    return (workspace / ".git").read_text().strip().endswith(f"/{spare.name}")


def one_ready(team: Team) -> Path:
    """Wait for it, until the engine has read its files again, after which it is among its own."""

    def settled() -> bool:
        for spare in ready(team):
            kept = Path((spare / ".git").read_text().removeprefix("gitdir: ").strip())
            if (kept / "index").stat().st_mtime_ns > (kept / "locked").stat().st_mtime_ns:
                return True
        return False

    eventually(settled)
    (spare,) = ready(team)
    return spare


def test_of_several_started_at_once_one_has_the_spare_and_all_work(team: Team) -> None:
    first = team.spawn("do: write first.txt 1", "do: commit first")
    team.until(first, "pr_open")
    spare = one_ready(team)
    script = "Do this:\ndo: write more.txt 1\ndo: commit more"
    team.call("spawn", prompt=script, copies=3)
    listed = team.call("list")["sessions"]
    others = [one["session"] for one in listed if one["session"] != first]
    assert len(others) == 3
    paths = [Path(team.until(session, "pr_open")["path"]) for session in others]
    assert [path.name for path in paths] == others
    assert sum(was(spare, path) for path in paths) == 1
    assert one_ready(team) != spare
    rested(team)
    assert check(team) == []


def test_a_spare_follows_the_main_branch_and_goes_where_none_is_wanted(team: Team) -> None:
    team.until(team.spawn("do: say hi"), "idle")
    spare = one_ready(team)
    (team.repository / "later.txt").write_text("later\n")
    git(team.repository, "add", "later.txt")
    git(team.repository, "commit", "-q", "-m", "later")
    eventually(lambda: (spare / "later.txt").exists())
    (report,) = team.call("gc")["ready"]
    assert (report["path"], report["touched"]) == (str(spare), None)
    config = team.repository / "agent-orchestrator.yaml"
    config.write_text(config.read_text().replace("warmWorktrees: 1", "warmWorktrees: 0"))
    team.trusted().call("list")
    team.until(team.spawn("do: say hi"), "idle")
    eventually(lambda: not ready(team))
    rested(team)
    git(team.repository, "commit", "-q", "-a", "-m", "none is wanted")
    faults = [one for one in check(team) if "nobody reported" not in one]  # a person committed
    assert faults == []


def test_what_a_person_did_in_a_spare_stays(team: Team) -> None:
    team.until(team.spawn("do: say hi"), "idle")
    spare = one_ready(team)
    (spare / "mine.txt").write_text("mine")
    session = team.spawn("do: say hi")
    path = Path(team.until(session, "idle")["path"])
    assert not (path / "mine.txt").exists()
    eventually(lambda: any("spare.touched" in line for line in team.journal()))
    assert (spare / "mine.txt").read_text() == "mine"
    (report,) = [one for one in team.call("gc")["ready"] if one["touched"]]
    assert report["path"] == str(spare)


def test_a_start_that_fails_leaves_nothing_of_its_spare(team: Team) -> None:
    team.until(team.spawn("do: say hi"), "idle")
    spare = one_ready(team)
    config = team.repository / "agent-orchestrator.yaml"
    broken = "    postCreate: ['sh -c \"touch made; exit 3\"']\n    agent:"
    sound = config.read_text()
    config.write_text(sound.replace("    agent:", broken, 1))
    with pytest.raises(AoError, match="ended with 3"):
        team.trusted().spawn("do: say hi")
    assert not spare.exists()
    shown = team.call("show", session="sam-2")
    assert shown["status"] == "errored"
    assert shown["path"] == ""
    assert "sam-2" not in git(team.repository, "worktree", "list")
    assert git(team.repository, "branch", "--list", shown["branch"]) == ""
    config.write_text(sound)
    rested(team)
    one_ready(team)
    assert check(team) == []
    assert "sam-2" in [one["session"] for one in team.call("list")["sessions"]]
    team.trusted().call("restore", session="sam-2")
    assert Path(team.until("sam-2", "idle")["path"]).is_dir()
    rested(team)
    one_ready(team)
    assert check(team) == []


def test_killed_at_any_moment_of_a_start_nothing_is_left_over(team: Team) -> None:
    team.until(team.spawn("do: say hi"), "idle")
    for point in POINTS:
        one_ready(team)
        pid = team.engine_pid

        def spawn() -> None:
            with suppress(AoError, OSError):
                team.spawn("do: say hi")

        aside = Thread(target=spawn)
        aside.start()
        time.sleep(point)  # the moment is what is tried
        team.kill_engine(pid)
        aside.join()
        rested(team)
        one_ready(team)
        assert check(team) == [], point
