"""The disk report, and what goes by it: only what is saved."""

import json
import subprocess
from pathlib import Path
from typing import Any

from faces.terminal import AO
from team import Team, git


def gc(team: Team, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [*AO, "gc", *arguments, "--json"], env=team.env, cwd=team.repository, check=True,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return json.loads(done.stdout)


def lost(team: Team) -> tuple[str, Path]:
    """A worker that ended by itself and left what it had not committed."""
    session = team.spawn("do: write draft.txt <<a>>", "do: crash 3")
    return session, Path(team.until(session, "terminated")["path"])


def test_what_ended_workers_left_is_told_and_goes_only_when_asked_and_saved(team: Team) -> None:
    session, path = lost(team)
    other = team.spawn("do: say ready")
    live = Path(team.until(other, "idle")["path"])
    told = gc(team)
    assert [one["session"] for one in told["workspaces"]] == [session]
    assert told["freed"] == told["workspaces"][0]["bytes"] > 0
    kinds = {one["what"]: one["bytes"] for one in told["disk"]}
    assert kinds["worktrees"] > told["freed"]
    assert kinds["store"] > 0
    assert kinds["journal"] > 0
    assert path.exists()

    done = gc(team, "--apply")
    (gone,) = done["workspaces"]
    assert (gone["removed"], path.exists(), live.exists()) == (True, False, True)
    assert git(team.repository, "show", f"{gone['saved']}:draft.txt") == "a"
    assert [(one["project"], one["snapshots"]) for one in done["saved_work"]] == [("sample", 1)]
    assert done["saved_work"][0]["bytes"] > 0
    assert team.call("show", session=session)["status"] == "terminated"
    assert gc(team, "--apply")["workspaces"] == []
    team.call("restore", session=session)
    assert (path / "draft.txt").read_text() == "a\n"


def test_who_was_stopped_keeps_its_place(team: Team) -> None:
    session = team.spawn("do: say ready")
    path = Path(team.until(session, "idle")["path"])
    team.call("stop", project="sample")
    (one,) = gc(team, "--apply")["workspaces"]
    assert (one["session"], one["removed"]) == (session, False)
    assert "ao start" in one["stays"]
    assert path.exists()


def test_people_read_it_as_tables(team: Team) -> None:
    session, _ = lost(team)
    done = subprocess.run(
        [*AO, "gc"], env=team.env, cwd=team.repository, check=True, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert "ao gc --apply" in done.stdout
    assert f"{session}" in done.stdout
    assert "can go" in done.stdout


def test_limits_that_cannot_be_understood_remove_nothing(team: Team) -> None:
    _, path = lost(team)
    (team.home / "config.yaml").write_text("retention: {journal: soon}\n")
    refused = subprocess.run(
        [*AO, "gc", "--apply"], env=team.env, cwd=team.repository, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert refused.returncode == 1
    assert path.exists()
    (team.home / "config.yaml").unlink()


def test_what_is_too_big_to_be_saved_stays_until_it_is_moved_elsewhere(team: Team) -> None:
    (team.repository / ".git" / "info" / "exclude").write_text(".env*\n")
    _, path = lost(team)
    with (path / ".env.big").open("wb") as file:
        file.truncate(300_000_000)
    (stays,) = gc(team, "--apply")["workspaces"]
    assert not stays["removed"]
    assert "too big for an archive: .env.big" in stays["stays"]
    assert (path / "draft.txt").read_text() == "a\n"
    (path / ".env.big").unlink()
    (gone,) = gc(team, "--apply")["workspaces"]
    assert gone["removed"]
    assert git(team.repository, "show", f"{gone['saved']}:draft.txt") == "a"
