"""Work that cannot be merged is told apart before anything is touched, and can be read."""

import pytest

from team import KINDS, Team, git

pytestmark = pytest.mark.parametrize("kind", KINDS, ids=str)


def test_a_dry_run_names_the_files_in_conflict_and_moves_nothing(team: Team) -> None:
    first = team.spawn("do: write same.txt one", "do: commit one")
    second = team.spawn("do: write same.txt two", "do: commit two")
    for session in (first, second):
        team.until(session, "pr_open")
    assert team.call("merge", session=first)["merged"]
    before = git(team.repository, "rev-parse", "main")

    asked = team.call("merge", session=second, dry_run=True)
    assert (asked["merged"], asked["outcome"]) == (False, "conflict")
    assert asked["conflicts"] == ["same.txt"]
    assert "same.txt" in asked["blockers"][0]
    assert git(team.repository, "rev-parse", "main") == before


def test_what_a_worker_changed_can_be_read_before_it_is_merged(team: Team) -> None:
    session = team.spawn("do: write new.txt hello", "do: commit new", "do: write later.txt more")
    team.until(session, "pr_open")
    read = team.call("read", session=session, what="diff")["text"]
    assert "+hello" in read
    assert "later.txt" in read


def test_a_worker_with_work_to_show_calls_nobody_while_it_works(team: Team) -> None:
    session = team.spawn("do: write new.txt hello", "do: commit new")
    team.until(session, "pr_open")
    team.tell(session, "do: sleep 60")
    line = team.call("list")["sessions"][0]
    assert (line["status"], line["attention"]) == ("pr_open", "none")
