"""The lead's loop on a real host: pushed, judged, mended, reviewed, rebased, merged."""

from collections.abc import Generator
from pathlib import Path

import pytest

from e2e.forges import Forge, OnGitHub, founded, mended
from standins.github import hosted
from team import Kind, git


@pytest.fixture
def forge(tmp_path: Path, kind: Kind) -> Generator[Forge]:
    with hosted(tmp_path / "host") as host, founded(tmp_path, OnGitHub(host), kind) as forge:
        yield forge


def test_from_an_issue_to_merged_work(forge: Forge) -> None:
    team, world = forge.team, forge.world
    session = forge.spawn("do: write a.txt one", "do: commit one")
    pull = forge.pull(session)
    log = "\n".join(f"2026-01-01T00:00:0{n}.0000000Z line {n}" for n in range(5))
    world.job(pull, "lint", "failure", log=f"{log}\n2026-01-01T00:00:09.0Z ##[error]too long\n")
    forge.look(session)
    team.until(session, "ci_failed")
    told = mended(team, session, "too long")
    assert "ci / lint" in told
    assert told.index("<data") < told.index("too long")

    team.tell(session, "do: write a.txt two\ndo: commit two\ndo: run git push -q origin HEAD")
    team.until(session, "pr_open")
    world.job(pull, "lint", "success")
    thread = world.thread(pull, "a.txt", 1, "Say three.")
    world.review(pull, "CHANGES_REQUESTED", "Not yet.")
    forge.look(session)
    team.until(session, "changes_requested")
    told = mended(team, session, "Say three.")
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
    assert git(forge.host.bare, "show", "main:a.txt") == "three"
    team.until(session, "merged")
