"""The engine is killed again and again while work goes to GitHub: nothing of it happens twice."""

import random
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from e2e.forge import Forge, pushed, settings, signed_in
from e2e.test_engine_killed import Killer, beside
from e2e.whole_story import Story
from rounds import rounds
from standins.github import GitHub, hosted
from team import Kind, Team

SEEDS = range(rounds(5, 1))
KILLS = 8
MERGE = "pulls/merge"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def github(tmp_path: Path) -> Generator[GitHub]:
    with hosted(tmp_path / "host") as host:
        yield host


@pytest.fixture
def repository(tmp_path: Path, kind: Kind, github: GitHub) -> Path:
    signed_in(tmp_path, github.token)
    return pushed(github, tmp_path / "sample", settings(github, kind))


@pytest.fixture
def forge(team: Team, github: GitHub, tmp_path: Path) -> Forge:
    return Forge(team, github, tmp_path)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_engine_makes_nothing_twice_at_its_host(forge: Forge, seed: int) -> None:
    killer = Killer(forge.team, random.Random(seed), KILLS)  # noqa: S311
    stories: list[tuple[Story, tuple[str, str]]] = []
    with beside(killer):
        while killer.left:
            story = Story(forge, f"story{len(stories)}")
            stories.append((story, story.run(together=bool(seed % 2))))
    for story, sessions in stories:
        story.is_whole(*sessions)
    assert not [line for line in forge.team.journal() if "intent.unresolved" in line]
