"""A worker whose work is merged goes by itself; all it had not committed is kept."""

from pathlib import Path

import pytest

from team import CONFIG, PLAIN, PROTOCOL_FILES, Kind, Team, eventually, git

AT_ONCE = "lifecycle: {merge_cleanup_idle_grace: 0s}\n"
LATER = "lifecycle: {merge_cleanup_idle_grace: 1h}\n"


@pytest.fixture
def repository(tmp_path: Path, kind: Kind) -> Path:
    return Team.new_repository(tmp_path / "sample", LATER + kind.project(CONFIG))


@pytest.mark.parametrize("kind", [PLAIN, PROTOCOL_FILES], ids=str)
def test_after_its_merge_a_worker_goes_and_what_was_not_committed_comes_back(team: Team) -> None:
    session = team.spawn("do: write a.txt <<a>>", "do: commit a")
    path = Path(
        team.until_so(session, lambda now: now["state"] == "idle" and now["commits"])["path"]
    )
    agent = team.agent(session)
    assert team.call("merge", session=session)["merged"]
    (path / "draft.txt").write_text("not committed\n")
    config = team.repository / "agent-orchestrator.yaml"
    config.write_text(config.read_text().replace(LATER, AT_ONCE))  # which a running engine heeds
    shown = team.until(session, "cleanup")
    assert shown["reason"] == "pr_merged"
    eventually(lambda: team.call("show", session=session)["workspace_gone"])
    assert not path.exists()
    assert not agent.is_running()
    (saved,) = team.call("show", session=session)["salvage"]
    assert git(team.repository, "show", f"{saved}:draft.txt") == "not committed"
    assert sum("session.cleaned_up" in line for line in team.journal()) == 1
    ended = team.call("list", ended=True)["sessions"]
    assert [one["status"] for one in ended] == ["cleanup"]
    config.write_text(team.kind.project())
    team.trusted()
    assert team.call("restore", session=session)["branch"] == shown["branch"]
    assert (path / "draft.txt").read_text() == "not committed\n"
