"""Reviews by the lead: for one commit, to the worker as work, and what may be merged after them."""

from pathlib import Path

import pytest

from ao_core.errors import BadRequest, WrongState
from team import CONFIG, PLAIN, PROTOCOL_FILES, Kind, Team, eventually, git

_MERGES = """\
reactions:
  approved-and-green: {auto: true, action: auto-merge}
"""
ASKED = "Changes were asked for in a review"


def reviews_of(team: Team, session: str) -> list[str]:
    return [text for text in team.heard(session) if ASKED in text]


@pytest.mark.parametrize("kind", [PLAIN, PROTOCOL_FILES], ids=str)
def test_what_has_to_change_goes_to_the_worker_once_and_blocks_until_it_has_changed(
    team: Team,
) -> None:
    session = team.spawn("do: write a.txt one", "do: commit one")
    team.until(session, "pr_open")
    asked = {
        "session": session, "verdict": "changes", "body": "Nearly.", "key": "k",
        "comments": [{"path": "a.txt", "line": 1, "body": "Say two."}],
    }  # fmt: skip
    said = team.call("review", **asked)
    assert (said["verdict"], said["head"]) == (
        "changes", team.call("show", session=session)["commits"][-1],
    )  # fmt: skip
    assert team.call("review", **asked)["message"] == said["message"]
    eventually(lambda: len(reviews_of(team, session)) == 1)
    data = reviews_of(team, session)[0].split("<data")[1]
    assert "Nearly." in data
    assert "a.txt:1: Say two." in data
    team.until(session, "changes_requested")
    blocked = team.call("merge", session=session)
    assert blocked["outcome"] == "left_out"
    assert "asked for changes" in blocked["blockers"][0]
    (team.repository / "news.txt").write_text("of a person's\n")
    git(team.repository, "add", "news.txt")
    git(team.repository, "commit", "-q", "-m", "news")
    updated = team.call("merge", session=session, update_only=True)
    assert (updated["outcome"], "a review" in updated["blockers"][0]) == ("left_out", True)
    assert team.call("merge", session=session)["outcome"] == "left_out"

    team.tell(session, "do: write a.txt two\ndo: commit two")
    team.until(session, "pr_open")
    assert team.call("review", session=session, verdict="approve")["message"] is None
    assert team.until(session, "mergeable")["attention"] == "lead"
    assert team.call("merge", session=session)["merged"]
    assert (team.repository / "a.txt").read_text() == "two\n"
    assert len(reviews_of(team, session)) == 1
    kinds = [line.split(" ")[2] for line in team.journal()]
    expected = ["review.changes_requested", "review.approved", "merge.ready"]
    assert [one for one in kinds if one in expected] == expected


def test_what_is_approved_while_it_works_can_be_merged_once_its_turn_is_over(team: Team) -> None:
    session = team.spawn("do: write a.txt one", "do: commit one")
    team.until(session, "pr_open")
    team.tell(session, "do: sleep 5")
    team.until_so(session, lambda now: now["state"] == "working")
    assert team.call("review", session=session, verdict="approve")["status"] == "approved"
    team.until(session, "mergeable", 60)


def test_what_cannot_be_reviewed_is_said(team: Team) -> None:
    session = team.spawn("do: say nothing")
    team.until_so(session, lambda now: now["state"] == "idle")
    with pytest.raises(WrongState, match="no work to review"):
        team.call("review", session=session, verdict="approve")
    with pytest.raises(BadRequest, match="Nothing is asked for"):
        team.call("review", session=session, verdict="changes")
    team.tell(session, "do: write a.txt one\ndo: commit one")
    team.until(session, "pr_open")
    team.call("kill", session=session)
    with pytest.raises(WrongState, match="nobody would change it"):
        team.call("review", session=session, verdict="changes", body="More.")
    assert team.call("review", session=session, verdict="approve")["verdict"] == "approve"
    assert team.call("merge", session=session)["merged"]
    with pytest.raises(WrongState, match="merged already"):
        team.call("review", session=session, verdict="approve")


class TestAutoMerge:
    """A project that merges what is approved."""

    @pytest.fixture
    def repository(self, tmp_path: Path, kind: Kind) -> Path:
        return Team.new_repository(tmp_path / "sample", kind.project(_MERGES + CONFIG))

    def test_an_approval_is_all_it_takes(self, team: Team) -> None:
        session = team.spawn("do: write a.txt one", "do: commit one")
        team.until(session, "pr_open")
        team.call("review", session=session, verdict="approve")
        team.until(session, "merged")
        assert git(team.repository, "show", "main:a.txt") == "one"
