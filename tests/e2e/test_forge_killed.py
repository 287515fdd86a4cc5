"""The engine is killed again and again while work goes to GitHub: nothing of it happens twice."""

import random
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from e2e.forge import APP, Forge, pushed, settings, signed_in
from e2e.test_engine_killed import Killer, beside
from e2e.whole_story import Story
from rounds import rounds
from standins.github import GitHub, hosted
from team import Kind, Team, eventually, git

SEEDS = range(rounds(5, 1))
KILLS, LONGEST = 8, 3.0
MERGE, ISSUE, COMMENT = "pulls/merge", "issues/create", "issues/create-comment"

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
    killer = Killer(forge.team, random.Random(seed), KILLS, LONGEST)  # noqa: S311
    stories: list[tuple[Story, tuple[str, str]]] = []
    with beside(killer):
        while killer.left:
            story = Story(forge, f"story{len(stories)}")
            stories.append((story, story.run(together=bool(seed % 2))))
    for story, sessions in stories:
        story.is_whole(*sessions)
    assert not [line for line in forge.team.journal() if "intent.unresolved" in line]


@contextmanager
def killed_at(forge: Forge, operation: str) -> Generator[None]:
    """The next engine that asks for it is killed: it is done, and nobody hears so."""
    github, pid = forge.github, forge.team.engine_pid
    before = len(github.called(operation))
    github.faults.next(operation, "slow", seconds=300)

    def kill() -> None:
        eventually(lambda: len(github.called(operation)) > before)
        forge.team.kill_engine(pid)

    killer = threading.Thread(target=kill)
    killer.start()
    yield
    killer.join()
    assert forge.team.engine_pid != pid


def test_killed_between_a_merge_and_its_reply_it_tells_of_one_merge(forge: Forge) -> None:
    session = forge.spawn("do: write a.txt one", "do: commit one")
    forge.approved(session)
    with killed_at(forge, MERGE):
        (member,) = forge.merge(session)["members"]
    assert member["outcome"] == "already"
    forge.team.until(session, "merged")
    merges = git(forge.world.named(APP).bare.folder, "log", "--merges", "--format=%H", "main")
    assert merges == member["commit"]
    lines = forge.team.sure("events", session=session, limit=1_000)["lines"]
    for kind in ("merge.completed", "pr.merged"):
        (told,) = [line for line in lines if kind in line]
        assert forge.pull(session).head_sha in told


def test_killed_between_an_issue_or_comment_and_its_reply_it_makes_no_other(forge: Forge) -> None:
    with killed_at(forge, ISSUE):
        issue = forge.do("create_issue", title="One", body="Just one.")["issue"]
    with killed_at(forge, COMMENT):
        forge.do("update_issue", issue=issue, comment="Once.")
    (made,) = forge.world.named(APP).issues.values()
    assert [one.body for one in made.comments] == ["Once."]
