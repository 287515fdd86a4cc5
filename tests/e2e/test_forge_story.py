"""The lead's loop on a real host: pushed, judged, mended, reviewed, rebased, merged."""

from collections.abc import Generator
from pathlib import Path

import pytest

from e2e.forge import Forge, begun, settings
from e2e.hosts import APP, Host
from e2e.whole_story import Story
from team import Kind, Team, eventually, git

AT_ONCE = "lifecycle: {merge_cleanup_idle_grace: 0s}\n"
LATER = "lifecycle: {merge_cleanup_idle_grace: 1h}\n"


@pytest.fixture
def forge(tmp_path: Path, host: Host, kind: Kind) -> Generator[Forge]:
    config = settings(host, kind, before=LATER, scm={"checks_within": 1})
    repository = begun(host, tmp_path, config)
    team = Team(tmp_path / "home", repository, tmp_path / "run", kind)
    yield Forge(team.trusted(), host, tmp_path)
    team.end()


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one call"])
def test_from_two_issues_to_merged_work(forge: Forge, *, together: bool) -> None:
    story = Story(forge)
    sessions = story.run(together=together)
    story.is_whole(*sessions)
    is_cleared_away(forge, *sessions)


def is_cleared_away(forge: Forge, *sessions: str) -> None:
    """What nobody needs any more goes by itself, after its grace."""
    team = forge.team
    paths = [Path(team.call("show", session=one)["path"]) for one in sessions]
    assert all(path.exists() for path in paths)
    config = team.repository / "agent-orchestrator.yaml"
    config.write_text(config.read_text().replace(LATER, AT_ONCE))  # which a running engine heeds
    for session, path in zip(sessions, paths, strict=True):
        assert team.until(session, "cleanup")["reason"] == "pr_merged"
        eventually(lambda: team.call("show", session=session)["workspace_gone"])  # noqa: B023
        assert not path.exists()


def test_work_begins_at_the_target_as_the_host_has_it(forge: Forge) -> None:
    head = forge.world.commit(APP, "main", {"b.txt": "b\n"})
    shown = forge.team.call("show", session=forge.team.spawn("do: say nothing"))
    assert git(Path(shown["path"]), "merge-base", "HEAD", head) == head
    assert git(forge.team.repository, "rev-parse", "main") != head


@pytest.mark.parametrize("host", ["gitlab"], indirect=True)
def test_where_the_target_has_moved_a_rebase_merges(forge: Forge) -> None:
    team, world = forge.team, forge.world
    world.named(APP).merge_method, world.named(APP).pipeline_must_succeed = "ff", False
    session = forge.spawn("do: write a.txt one", "do: commit one")
    one = forge.pull(session)
    before, moved = one.sha, world.commit(APP, "main", {"b.txt": "b\n"})
    refused = team.call("merge", session=session)
    assert not refused["merged"]
    assert "rebase" in str(refused)
    done = team.call("merge", session=session, method="rebase")
    assert (done["merged"], done["outcome"]) == (True, "landed"), done
    assert (one.state, one.sha != before) == ("merged", True)
    assert git(forge.host.bare, "rev-parse", "main~1") == moved
    assert forge.on_main("a.txt") == "one"
    team.until(session, "merged")
