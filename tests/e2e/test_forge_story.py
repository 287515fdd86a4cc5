"""The lead's loop on a real host: pushed, judged, mended, reviewed, rebased, merged."""

from collections.abc import Generator
from pathlib import Path

import pytest

from e2e.forge import APP, Forge, pushed, settings
from standins.github import GitHub, hosted
from team import Kind, Team, eventually, git


@pytest.fixture
def github(tmp_path: Path) -> Generator[GitHub]:
    with hosted(tmp_path / "host") as host:
        yield host


@pytest.fixture
def repository(tmp_path: Path, kind: Kind, github: GitHub) -> Path:
    return pushed(github, tmp_path / "sample", settings(github, kind))


@pytest.fixture
def forge(team: Team, github: GitHub, tmp_path: Path) -> Forge:
    return Forge(team, github, tmp_path)


@pytest.fixture
def team(tmp_path: Path, repository: Path, kind: Kind, github: GitHub) -> Generator[Team]:
    (tmp_path / ".profile").write_text(f"export GH_TOKEN={github.token}\n")
    one = Team(tmp_path / "home", repository, tmp_path / "run", kind)
    yield one.trusted()
    one.end()


def mended(forge: Forge, session: str, word: str) -> str:
    """The one message that asks for it."""
    eventually(lambda: len([one for one in forge.team.heard(session) if word in one]) == 1)
    return next(one for one in forge.team.heard(session) if word in one)


def test_from_an_issue_to_merged_work(forge: Forge) -> None:
    team, world = forge.team, forge.world
    session = forge.spawn("do: write a.txt one", "do: commit one")
    pull = forge.pull(session)
    log = "\n".join(f"2026-01-01T00:00:0{n}.0000000Z line {n}" for n in range(5))
    world.job(pull, "lint", "failure", log=f"{log}\n2026-01-01T00:00:09.0Z ##[error]too long\n")
    forge.look(session)
    team.until(session, "ci_failed")
    told = mended(forge, session, "too long")
    assert "ci / lint" in told
    assert told.index("<data") < told.index("too long")

    team.tell(session, "do: write a.txt two\ndo: commit two\ndo: run git push -q origin HEAD")
    team.until(session, "pr_open")
    world.job(pull, "lint", "success")
    thread = world.thread(pull, "a.txt", 1, "Say three.")
    world.review(pull, "CHANGES_REQUESTED", "Not yet.")
    forge.look(session)
    team.until(session, "changes_requested")
    told = mended(forge, session, "Say three.")
    assert "a.txt:1" in told
    assert thread.node_id in told

    team.tell(session, "do: write a.txt three\ndo: commit three\ndo: run git push -q origin HEAD")
    team.until_so(session, lambda now: now["state"] == "idle")
    world.resolve(thread)
    world.review(pull, "APPROVED")
    world.job(pull, "lint", "success")
    forge.look(session)
    team.until(session, "mergeable")
    done = team.call("merge", session=session)
    assert (done["merged"], done["outcome"]) == (True, "landed")
    assert pull.merged_at
    assert git(world.named(APP).bare.folder, "show", "main:a.txt") == "three"
    team.until(session, "merged")
