"""Every way in which a workspace goes, or may be thought to be at risk, on a whole team."""

import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import Mock, patch

import anyio

from ao_core.clock import SystemClock
from ao_core.engine.cleanup import Cleanup
from ao_core.errors import AoError, EngineRunning
from ao_mcp.app import engine_on
from faces.terminal import AO
from salvage.recovering import Saved, changed, follow, missing, recovered
from salvage.works import Seen, disorder
from salvage.yard import git, settled
from team import CONFIG, Team, eventually

IN_AN_HOUR = "lifecycle: {merge_cleanup_idle_grace: 1h, abandoned_grace: 1h}\n"
PREPARED = "    post_create: [[sh, {aside}/prepare]]\n"
WORK = "do: write work.unix <<done>>\ndo: commit work"
_PREPARE = """\
exec {python} -c "
import pickle, sys
from pathlib import Path
sys.path.insert(0, '{tests}')
from salvage.works import disorder
seen = disorder(Path.cwd(), *{names})
Path('{aside}', Path.cwd().name).write_bytes(pickle.dumps((Path.cwd(), seen)))
sys.exit(3)
"
"""


@dataclass(slots=True)
class Cell:
    """One worker, what it was at, and what of that could not be had again."""

    load: Sequence[str]
    session: str = ""
    path: Path = Path()
    branch: str = ""
    merged: str = ""
    seen: Seen | None = None
    lost: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Way:
    """One way. `before` is what its configuration has on top, `inside` what the project has."""

    run: Callable[[Team, list[Cell], Path], None]
    before: str = ""
    inside: str = ""


WAYS: dict[str, Way] = {}


def way(before: str = "", inside: str = "") -> Callable[..., None]:
    """Put it on the list."""

    def listed(run: Callable[[Team, list[Cell], Path], None]) -> None:
        WAYS[run.__name__.replace("_", " ").strip()] = Way(run, before, inside)

    return listed


def configured(name: str, workspace: str, aside: Path) -> str:
    """The project's configuration for a way."""
    inside = f"    workspace: {workspace}\n{WAYS[name].inside.format(aside=aside)}    agent:"
    return WAYS[name].before + CONFIG.replace("    agent:", inside)


def every(cells: list[Cell], act: Callable[[Cell], object]) -> None:
    """For all of them at once."""
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(act, cells))


def at_work(
    team: Team, cells: list[Cell], script: str = "do: ask Go on?",
    then: Callable[[Cell], None] = lambda cell: None,
) -> None:  # fmt: skip
    """A worker for each, whose workspace is brought into disorder."""

    def begin(cell: Cell) -> None:
        cell.session = team.spawn(script)
        shown = team.until_so(cell.session, lambda now: now["state"] in ("idle", "needs_input"))
        cell.path, cell.branch = Path(shown["path"]), shown["branch"]

    every(cells, begin)
    for cell in cells:  # one after the other, since stashes of work trees are one list
        then(cell)
        cell.seen = disorder(cell.path, *cell.load)


def gone(team: Team, cells: list[Cell], aside: Path) -> None:
    """The workspace is gone, and a person has everything of it again."""
    for number, cell in enumerate(cells):
        shown = team.sure("show", session=cell.session)
        assert cell.seen
        assert not cell.path.exists(), shown
        saved = _saved(team, shown["salvage"])
        back = recovered(aside / f"by hand {number}", team.repository, saved, shown["branch"])
        cell.lost += missing(cell.seen, back, team.repository, saved)
        if saved.ref is None:
            git(team.repository, "worktree", "remove", "--force", str(back))


def _saved(team: Team, refs: Sequence[str]) -> Saved:
    if not refs:
        return Saved(None, None)
    saved = Saved(refs[-1], None)
    listed = follow("list", team.home, team.repository, saved)
    assert refs[-1] in listed, listed
    archive = follow("archive", team.home, team.repository, saved, AO_HOME=str(team.home))
    return Saved(refs[-1], archive.strip() or None)


def untouched(cells: list[Cell]) -> None:
    """The workspace is as it was."""
    for cell in cells:
        assert cell.seen
        cell.lost += changed(cell.seen, cell.path)


def kill_all(team: Team, cells: list[Cell]) -> None:
    """End them; the reply names what was kept."""

    def kill(cell: Cell) -> None:
        killed = team.sure("kill", session=cell.session)
        assert killed["workspace_removed"], killed

    every(cells, kill)


def end_agents(team: Team, cells: list[Cell]) -> None:
    """Their processes end by themselves."""
    for cell in cells:
        team.agent(cell.session).kill()


# -- the ways --------------------------------------------------------------------------------------


@way()
def kill(team: Team, cells: list[Cell], aside: Path) -> None:
    """By a person."""
    at_work(team, cells)
    kill_all(team, cells)
    gone(team, cells, aside)


@way()
def gc(team: Team, cells: list[Cell], aside: Path) -> None:
    """By `ao gc --apply`, after they have ended."""
    at_work(team, cells)
    end_agents(team, cells)
    for cell in cells:
        team.until(cell.session, "terminated")
    done = subprocess.run(
        [*AO, "gc", "--apply", "--json"], env=team.env, cwd=team.repository, check=True,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert all(one["removed"] for one in json.loads(done.stdout)["workspaces"]), done.stdout
    gone(team, cells, aside)


@way(before=IN_AN_HOUR)
def after_a_merge(team: Team, cells: list[Cell], aside: Path) -> None:
    """By itself, once the work is merged; but who has committed more since then, stays."""
    at_work(team, cells, WORK, then=lambda cell: _merge(team, cell))
    rested = [cell for cell in cells if git(cell.path, "rev-parse", cell.branch) == cell.merged]
    assert rested
    two_hours_later(team)
    for cell in rested:
        assert team.sure("show", session=cell.session)["reason"] == "pr_merged"
    gone(team, rested, aside / "rested")
    others = [cell for cell in cells if cell not in rested]
    untouched(others)
    kill_all(team, others)
    gone(team, others, aside)


def _merge(team: Team, cell: Cell) -> None:
    done = team.sure("merge", session=cell.session)
    assert done["merged"], done
    cell.merged = git(cell.path, "rev-parse", "HEAD")


@way(before=IN_AN_HOUR)
def abandoned(team: Team, cells: list[Cell], aside: Path) -> None:
    """By itself, two hours after they have ended."""
    at_work(team, cells)
    end_agents(team, cells)
    for cell in cells:
        team.until(cell.session, "terminated")
    two_hours_later(team)
    gone(team, cells, aside)


def two_hours_later(team: Team) -> None:
    """An engine of that time takes away what it thinks nobody needs any more."""
    team.kill_engine()
    with (
        patch.dict(os.environ, team.env),
        patch("ao_mcp.app.SystemClock", Later),
        patch("ao_mcp.app._write_log", Mock()),
    ):
        eventually(lambda: _looked_around(team.home))


class Later(SystemClock):
    """Two hours from now."""

    def now(self) -> datetime:
        """The time of day."""
        return super().now() + timedelta(hours=2)


def _looked_around(home: Path) -> bool:
    try:
        anyio.run(_look_around, home)
    except EngineRunning:  # what the other one had started holds its lock for a moment more
        return False
    return True


async def _look_around(home: Path) -> None:
    async with engine_on(home) as engine:
        await Cleanup(engine).look()


@way(inside=PREPARED)
def failed_spawn(team: Team, cells: list[Cell], aside: Path) -> None:
    """The project's own command fails after it has done something."""
    for number, cell in enumerate(cells):
        names = {"python": sys.executable, "tests": Path(__file__).parents[1], "aside": aside}
        (aside / "prepare").write_text(_PREPARE.format(names=tuple(cell.load), **names))
        with suppress(AoError):
            team.spawn("do: say hello")
            raise AssertionError("it was started")
        ended = {one["session"] for one in team.call("list", ended=True)["sessions"]}
        (cell.session,) = ended - {other.session for other in cells[:number]}
        told = (aside / cell.session).read_bytes()
        cell.path, cell.seen = pickle.loads(told)  # noqa: S301 - our own
    gone(team, cells, aside)


@way()
def restore(team: Team, cells: list[Cell], aside: Path) -> None:
    """It comes back to where it was, and goes again."""
    at_work(team, cells)
    kill_all(team, cells)
    for cell in cells:
        team.call("restore", session=cell.session)
    untouched(cells)
    kill_all(team, cells)
    for cell in cells:
        assert not cell.path.exists()


@way()
def train(team: Team, cells: list[Cell], aside: Path) -> None:
    """Neither a merge nor bringing up to date touches what is not committed."""
    at_work(team, cells, WORK)
    git(team.repository, "commit", "-q", "--allow-empty", "-m", "the target has gone on")
    for update_only in (True, False):
        for cell in cells:
            dirty = git(cell.path, "status", "--porcelain")  # or it may well be done
            report = team.sure("merge", session=cell.session, update_only=update_only)
            assert not dirty or report["outcome"] == "left_out", report
    untouched(cells)
    kill_all(team, cells)
    gone(team, cells, aside)


@way()
def stop(team: Team, cells: list[Cell], aside: Path) -> None:
    """The engine is stopped with all its agents, and killed while it ends them for good."""
    at_work(team, cells)
    team.call("stop")
    untouched(cells)
    pid = team.engine_pid
    with ThreadPoolExecutor(len(cells)) as threads:
        for cell in cells:
            threads.submit(_in_vain, team, cell.session)
        time.sleep(0.1)  # somewhere in the middle
        team.kill_engine(pid)
    kill_all(team, cells)
    gone(team, cells, aside)


def _in_vain(team: Team, session: str) -> None:
    with suppress(AoError, OSError):
        team.call("kill", session=session)


def prepared(repository: Path, aside: Path) -> None:
    """The repository that all of them are for."""
    aside.mkdir()
    settled(repository, aside)
