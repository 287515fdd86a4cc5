"""The disk is full at one write after the other: nothing is lost, and every refusal has a remedy.

By default some amounts of room are tried; with AO_EVERY_WRITE set, every one until all succeeds.
"""

import json
import os
import subprocess
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ao_core.errors import AoError, StoreUnavailable
from small_disk import GIVEN, SmallDisk, Unit, mounted
from team import Team, git

NOBODY = 65534
STORES = ("sqlite",)
EVERY = bool(os.environ.get("AO_EVERY_WRITE"))
ROOM = range(200) if EVERY else (0, 2, 5, 9, 16, 28, 60, 200)
AS_NOBODY = (
    "setpriv",
    f"--reuid={NOBODY}",
    f"--regid={NOBODY}",
    "--clear-groups",
    "--inh-caps=-all",
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200 if EVERY else 240)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if GIVEN in os.environ:
        folder = Path(os.environ[GIVEN])
        yield SmallDisk(folder)
        subprocess.run(["find", folder, "-mindepth", "1", "-delete"], check=True)
    elif os.getuid() == 0:
        with mounted(tmp_path / "disk") as folder:
            yield SmallDisk(folder)
    else:
        pytest.skip("only root can mount a small disk")


@dataclass
class Stage:
    """A team whose home, or whose repository, is on the small disk."""

    team: Team
    disk: SmallDisk

    def tried(self, method: str, **params: Any) -> dict[str, Any] | None:
        """What came of a call; None if it was refused for want of room, with a remedy."""
        try:
            return self.team.call(method, **params)
        except AoError as error:
            refusal = error
        assert refusal.code == StoreUnavailable.code, (refusal.wire(), self.team.log())
        assert refusal.hint, refusal.wire()
        return None

    def nothing_stray(self) -> None:
        """Every work tree, branch and pane is that of a session that has not ended."""
        live = {one["session"] for one in self.team.call("list")["sessions"]}
        trees = [path.name for path in self.team.home.glob("*/worktrees/*")]
        assert set(trees) <= live
        known = git(self.team.repository, "worktree", "list", "--porcelain").count("worktree ")
        assert known == 1 + len(trees)
        branches = git(self.team.repository, "branch", "--list", "ao/*").split("\n")
        # git cannot even delete a branch where there is no inode for its lock; a retry takes it
        allowed = self.ended + len(trees) + self.left
        assert sum(bool(branch) for branch in branches) <= allowed
        dead = self.team.tmux("list-panes", "-a", "-F", "#{pane_dead}") if live else ""
        assert dead.split().count("0") <= len(live)

    ended: int = 0  # sessions whose branch stays
    left: int = 0


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=["home", "repository"])
def stage(
    request: pytest.FixtureRequest, store: str, disk: SmallDisk, tmp_path: Path
) -> Generator[Stage]:
    places = {"home": tmp_path / "home", "repository": tmp_path / "sample"}
    places[request.param] = disk.path / places[request.param].name
    places["home"].mkdir(mode=0o700)
    if store != "sqlite":
        (places["home"] / "config.yaml").write_text(f"store: {store}\n")
    Team.new_repository(places["repository"])
    team = Team(places["home"], places["repository"], tmp_path / "run")
    yield Stage(team.trusted(), disk)
    disk.free()
    team.end()


@pytest.mark.parametrize("unit", ["pages", "inodes"])
def test_a_spawn_succeeds_or_leaves_nothing_and_works_once_there_is_room(
    stage: Stage, unit: Unit
) -> None:
    team, made, refusals = stage.team, list[str](), 0
    pid = team.engine_pid
    for room in ROOM:
        asked = {"prompt": "Do this:\ndo: say ready", "key": f"spawn-{room}"}
        stage.disk.fill(unit, room)
        first = stage.tried("spawn", **asked)
        if first is None:
            refusals += 1
            stage.left = int(unit == "inodes")
            stage.nothing_stray()
            stage.tried("spawn", **asked)
        listed = team.call("list")["sessions"]
        assert len(listed) <= 1
        stage.disk.free()
        stage.left = 0
        session = team.sure("spawn", **asked)["session"]
        assert first is None or first["session"] == session
        made.append(session)
        team.until(session, "idle")
        (task,) = heard(team, session)
        assert "do: say ready" in task
        stage.nothing_stray()
        assert team.call("kill", session=session)["workspace_removed"]
        stage.ended += 1
        stage.nothing_stray()
        if first is not None and EVERY:
            break
    assert refusals
    assert len(set(made)) == len(made)
    assert len(team.call("list", ended=True, limit=500)["sessions"]) == len(made)
    assert team.engine_pid == pid


def heard(team: Team, session: str) -> list[str]:
    """What a worker was told, by its own log."""
    path = Path(team.call("show", session=session)["path"])
    lines = map(json.loads, (path / ".ao" / "worker.jsonl").read_text().splitlines())
    return [line["text"] for line in lines if line["role"] == "user"]
