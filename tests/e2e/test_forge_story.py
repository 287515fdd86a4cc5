"""The lead's loop on a real host: pushed, judged, mended, reviewed, rebased, merged."""

from collections.abc import Generator
from pathlib import Path

import pytest

from e2e.forge import Forge, pushed, settings, signed_in
from e2e.whole_story import Story
from standins.github import GitHub, hosted
from team import Kind, Team, eventually

AT_ONCE = "lifecycle: {merge_cleanup_idle_grace: 0s}\n"
LATER = "lifecycle: {merge_cleanup_idle_grace: 1h}\n"


@pytest.fixture
def github(tmp_path: Path) -> Generator[GitHub]:
    with hosted(tmp_path / "host") as host:
        yield host


@pytest.fixture
def repository(tmp_path: Path, kind: Kind, github: GitHub) -> Path:
    signed_in(tmp_path, github.token)
    return pushed(github, tmp_path / "sample", settings(github, kind, before=LATER))


@pytest.fixture
def forge(team: Team, github: GitHub, tmp_path: Path) -> Forge:
    return Forge(team, github, tmp_path)


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
