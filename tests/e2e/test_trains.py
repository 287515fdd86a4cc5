"""Many workers' work merged as one train: what lands, what goes back to whom, and what blocks."""

import stat
from pathlib import Path
from typing import Any

import pytest

from ao_core.errors import BadRequest
from team import CONFIG, PLAIN, PROTOCOL_FILES, Kind, Team, eventually, git

GATE = """\
#!/bin/sh
test -z "$ORDER_TOKEN" || { echo "it has credentials"; exit 9; }
if test -f bad.txt && test -f main.txt; then echo "bad.txt and main.txt quarrel" >&2; exit 3; fi
"""
_GATES = """\
    credentials: [ORDER_TOKEN]
    gates:
      - {name: peace, command: [%s]}
    agent:"""

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def repository(tmp_path: Path, kind: Kind) -> Path:
    gate = tmp_path / "gate" / "check"
    gate.parent.mkdir()
    gate.write_text(GATE)
    gate.chmod(gate.stat().st_mode | stat.S_IXUSR)
    config = CONFIG.replace("    agent:", _GATES % gate)
    return Team.new_repository(tmp_path / "sample", kind.project(config))


def on_main(team: Team, name: str, text: str) -> None:
    (team.repository / name).write_text(text)
    git(team.repository, "add", name)
    git(team.repository, "commit", "-q", "-m", name)


def worker(team: Team, name: str, text: str) -> str:
    return team.spawn(f"do: write {name} {text}", f"do: commit {text}")


def path_of(team: Team, session: str) -> Path:
    return Path(team.call("show", session=session)["path"])


def idle(team: Team, session: str) -> dict[str, Any]:
    return team.until_so(session, lambda now: now["state"] == "idle")


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    return {one["session"]: one["outcome"] for one in report["members"]}


def heard(team: Team, session: str, words: str) -> list[str]:
    return [text for text in team.heard(session) if words in text]


def by_hand(team: Team, session: str, *steps: tuple[str, ...]) -> None:
    """What its worker would do, between its turns."""
    path = path_of(team, session)
    for step in steps:
        git(path, *step)


@pytest.mark.parametrize("kind", [PLAIN, PROTOCOL_FILES], ids=str)
def test_a_train_lands_what_it_can_and_the_rest_goes_back_and_lands_later(team: Team) -> None:
    first, second = worker(team, "same.txt", "one"), worker(team, "same.txt", "two")
    bad = worker(team, "bad.txt", "three")
    for session in (first, second, bad):
        team.until(session, "pr_open")
    on_main(team, "main.txt", "by a person\n")

    foreseen = team.call("merge", sessions=[first, second, bad], dry_run=True)
    assert outcomes(foreseen) == {first: "ready", second: "conflict", bad: "ready"}

    report = team.call("merge", sessions=[first, second, bad, first])
    assert outcomes(report) == {first: "landed", second: "conflict", bad: "failed"}
    assert (report["merged"], report["outcome"]) == (False, "landed")
    assert report["commit"] == git(team.repository, "rev-parse", "main")
    told = {one["session"]: one for one in report["members"]}
    assert (told[second]["files"], told[second]["whom"]) == (["same.txt"], [first])
    assert "bad.txt and main.txt quarrel" in told[bad]["why"]
    assert (team.repository / "same.txt").read_text() == "one\n"
    assert not (team.repository / "bad.txt").exists()

    conflict, failure = "can no longer be merged", "gates fail on the result"
    eventually(lambda: len(heard(team, second, conflict)) == 1)
    eventually(lambda: len(heard(team, bad, failure)) == 1)
    assert "same.txt" in heard(team, second, conflict)[0].split("<data")[1]
    assert "quarrel" in heard(team, bad, failure)[0].split("<data")[1]
    for session in (second, bad):
        idle(team, session)
    assert team.call("show", session=bad)["status"] == "ci_failed"
    again = team.call("merge", sessions=[second, bad])
    assert outcomes(again) == {second: "conflict", bad: "failed"}

    by_hand(team, second, ("merge", "-q", "-X", "ours", "-m", "both", "main"))
    by_hand(team, bad, ("merge", "-q", "-m", "both", "main"), ("mv", "bad.txt", "good.txt"),
            ("commit", "-q", "-m", "peace"))  # fmt: skip
    report = team.call("merge", sessions=[bad, second])
    assert report["merged"], report
    assert outcomes(report) == {second: "landed", bad: "landed"}
    assert (team.repository / "good.txt").exists()
    assert (team.repository / "same.txt").read_text() == "two\n"
    assert [team.call("show", session=one)["status"] for one in (first, second, bad)] == [
        "merged", "merged", "merged",
    ]  # fmt: skip
    assert (len(heard(team, second, conflict)), len(heard(team, bad, failure))) == (1, 1)


def test_all_or_nothing_moves_nothing_and_names_who_stood_in_the_way(team: Team) -> None:
    first, second = worker(team, "same.txt", "one"), worker(team, "same.txt", "two")
    for session in (first, second):
        team.until(session, "pr_open")
    before = git(team.repository, "rev-parse", "main")
    report = team.call("merge", sessions=[first, second], all_or_nothing=True)
    assert outcomes(report) == {first: "left_out", second: "conflict"}
    assert (report["outcome"], report["merged"]) == ("blocked", False)
    assert second in report["blockers"][0]
    assert git(team.repository, "rev-parse", "main") == before
    assert not heard(team, second, "can no longer be merged")  # nothing it could merge is there


def test_a_dirty_checkout_of_the_target_leaves_the_result_ready(team: Team) -> None:
    first, second = worker(team, "README.md", "new"), worker(team, "other.txt", "two")
    for session in (first, second):
        team.until(session, "pr_open")
    readme = team.repository / "README.md"
    readme.write_text("not committed\n")
    before = git(team.repository, "rev-parse", "main")
    report = team.call("merge", sessions=[first, second])
    assert outcomes(report) == {first: "ready", second: "ready"}
    assert any("README.md" in one for one in report["blockers"]), report
    assert git(team.repository, "rev-parse", report["ref"]) == report["commit"]
    assert (git(team.repository, "rev-parse", "main"), readme.read_text()) == (
        before, "not committed\n",
    )  # fmt: skip
    git(team.repository, "checkout", "-q", "README.md")
    git(team.repository, "merge", "-q", "--ff-only", report["ref"])
    taken = team.call("merge", sessions=[first, second])
    assert outcomes(taken) == {first: "already", second: "already"}
    for session in (first, second):
        assert team.call("show", session=session)["status"] == "merged"


def test_workers_are_brought_up_to_date_between_their_turns(team: Team) -> None:
    behind, stuck = worker(team, "a.txt", "one"), worker(team, "same.txt", "two")
    busy = worker(team, "b.txt", "three")
    for session in (behind, stuck, busy):
        team.until(session, "pr_open")
    on_main(team, "same.txt", "by a person\n")
    team.tell(busy, "do: sleep 60")
    asked = {"sessions": [behind, stuck, busy], "update_only": True}
    foreseen = team.call("merge", dry_run=True, **asked)
    assert outcomes(foreseen) == {behind: "ready", stuck: "conflict", busy: "left_out"}
    before = git(path_of(team, behind), "rev-parse", "HEAD")
    report = team.call("merge", **asked)
    assert outcomes(report) == {behind: "updated", stuck: "conflict", busy: "left_out"}
    path = path_of(team, behind)
    assert (path / "same.txt").read_text() == "by a person\n"
    git(path, "merge-base", "--is-ancestor", before, "HEAD")
    assert team.call("show", session=behind)["commits"][-1] == git(path, "rev-parse", "HEAD")
    eventually(lambda: len(heard(team, stuck, "can no longer be merged")) == 1)
    again = team.call("merge", sessions=[behind], update_only=True)
    assert outcomes(again) == {behind: "already"}


def test_what_cannot_be_one_train_is_refused_before_anything_happens(team: Team) -> None:
    git(team.repository, "branch", "dev")
    one = worker(team, "a.txt", "one")
    other = team.spawn("do: write b.txt b", "do: commit b", base="dev")
    with pytest.raises(BadRequest, match=f"main: {one}; dev: {other}"):
        team.call("merge", sessions=[one, other])
    with pytest.raises(BadRequest, match="No session is named"):
        team.call("merge")
    idle(team, one)
    named = team.call("merge", session=one, sessions=[one])
    assert (named["session"], named["merged"]) == (one, True)


def test_who_has_nothing_to_merge_is_left_out_and_the_others_land(team: Team) -> None:
    done, empty = worker(team, "a.txt", "one"), team.spawn("do: say nothing")
    team.until(done, "pr_open")
    idle(team, empty)
    report = team.call("merge", sessions=[empty, done])
    assert outcomes(report) == {done: "landed", empty: "left_out"}
    assert "no commits" in report["members"][1]["why"]
    assert (report["merged"], report["target"]) == (False, "main")


def test_a_key_gives_the_same_report_again_once_something_landed(team: Team) -> None:
    first, second = worker(team, "same.txt", "one"), worker(team, "same.txt", "two")
    for session in (first, second):
        team.until(session, "pr_open")
    report = team.call("merge", sessions=[first, second], key="k")
    assert report == team.call("merge", sessions=[first, second], key="k")
    assert git(team.repository, "rev-list", "--count", "main") == "3"


def test_a_conflict_is_told_once_however_often_the_merge_is_tried(team: Team) -> None:
    first = team.spawn("do: write same.txt one", "do: commit one")
    second = team.spawn("do: write same.txt two", "do: commit two")
    for session in (first, second):
        team.until(session, "pr_open")
    assert team.call("merge", session=first)["merged"]
    for _ in range(2):
        assert team.sure("merge", session=second)["outcome"] == "conflict"
        team.until_so(second, lambda now: now["state"] == "idle")
    assert sum("merge.conflicts" in line for line in team.journal()) == 1
    git(team.repository, "commit", "-q", "--allow-empty", "-m", "the target has moved on")
    assert team.sure("merge", session=second)["outcome"] == "conflict"
    assert sum("merge.conflicts" in line for line in team.journal()) == 2
