"""When it is told that a worker's work is not where it belongs."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from ao_core.engine.project import Project
from ao_core.engine.standing import Standings
from ao_core.model.session import Session, SessionReason, SessionState
from ao_core.model.standing import FIRM, Footing, Standing
from ao_core.testing.clock import FakeClock
from books import a_session
from team import Team, git

OTHER = Standing(Footing.SWITCHED, "other")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    repository, path = Team.new_repository(tmp_path / "sample"), tmp_path / "app-1"
    git(repository, "worktree", "add", "-q", "-b", "ao/app-1-x", str(path))
    return path


def project(tree: Path) -> Project:
    return cast("Project", SimpleNamespace(common_dir=tree.with_name("sample") / ".git"))


def of(tree: Path, **more: SessionState) -> Session:
    state = more.get("state", SessionState.WORKING)
    reason = SessionReason.TASK_IN_PROGRESS
    return a_session(path=str(tree), branch="ao/app-1-x", state=state, reason=reason)


async def test_one_at_work_may_be_on_another_branch_for_a_moment(tree: Path) -> None:
    clock = FakeClock()
    standings, session = Standings(clock.monotonic), of(tree)
    assert await standings.look(project(tree), session, None) == FIRM
    git(tree, "switch", "-q", "-c", "other")
    assert await standings.look(project(tree), session, None) is None
    await clock.advance(61)
    assert await standings.look(project(tree), session, None) == OTHER
    told = replace(session, standing=OTHER)
    assert await standings.look(project(tree), told, None) == OTHER
    git(tree, "switch", "-q", "ao/app-1-x")
    assert await standings.look(project(tree), told, None) == FIRM


async def test_of_one_that_rests_it_is_told_at_once(tree: Path) -> None:
    git(tree, "switch", "-q", "-c", "other")
    session = of(tree, state=SessionState.IDLE)
    assert await Standings(FakeClock().monotonic).look(project(tree), session, None) == OTHER


async def test_what_is_not_made_yet_or_cleared_away_is_not_missed(tree: Path) -> None:
    standings = Standings(FakeClock().monotonic)
    nowhere = tree / "none"
    for session in (
        of(nowhere, state=SessionState.NOT_STARTED),
        replace(of(nowhere), workspace_gone=True),
        a_session(),
    ):
        assert await standings.look(project(tree), session, None) is None
    gone = replace(of(nowhere), branch="ao/app-2-x")
    assert await standings.look(project(tree), gone, None) == Standing(Footing.REMOVED)
