"""The engine is killed again and again while work goes to a host: nothing of it happens twice."""

import random
import threading
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from e2e.forge import Forge
from e2e.hosts import APP
from e2e.test_engine_killed import Killer, beside
from e2e.whole_story import Story
from rounds import rounds
from team import eventually, git

SEEDS = range(rounds(5, 1))
KILLS, LONGEST = 8, 3.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


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
    at, pid = forge.host.at, forge.team.engine_pid
    before = len(at.called(operation))
    at.faults.next(operation, "slow", seconds=300)

    def kill() -> None:
        eventually(lambda: len(at.called(operation)) > before)
        forge.team.kill_engine(pid)

    killer = threading.Thread(target=kill)
    killer.start()
    yield
    killer.join()
    assert forge.team.engine_pid != pid


def test_killed_between_a_merge_and_its_reply_it_tells_of_one_merge(forge: Forge) -> None:
    session = forge.spawn("do: write a.txt one", "do: commit one")
    branch = forge.team.sure("show", session=session)["branch"]
    forge.approved(session)
    with killed_at(forge, forge.host.merges):
        (member,) = forge.merge(session)["members"]
    assert member["outcome"] == "already"
    forge.team.until(session, "merged")
    assert branch not in forge.world.named(APP).bare.heads()
    merges = git(forge.host.bare, "log", "--merges", "--format=%H", "main")
    assert merges == member["commit"]
    lines = forge.team.sure("events", session=session, limit=1_000)["lines"]
    for kind in ("merge.completed", "pr.merged"):
        (told,) = [line for line in lines if kind in line]
        assert forge.host.head(forge.pull(session)) in told


def test_killed_between_an_issue_or_comment_and_its_reply_it_makes_no_other(forge: Forge) -> None:
    body = "Just one:\n/health\nreturns 500."  # of which a host may make a command
    with killed_at(forge, forge.host.issues):
        issue = forge.do("create_issue", title=f"One {'x' * 290}", body=body)["issue"]
    with killed_at(forge, forge.host.comments):
        forge.do("update_issue", issue=issue, comment="Once.")
    (made,) = forge.world.named(APP).issues.values()
    assert forge.host.words(made) == ["Once."]
