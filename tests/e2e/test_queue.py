"""More work than room: workers wait in a queue, for room or for each other, and none is lost."""

import shutil
from pathlib import Path

import pytest

from ao_core.errors import AoError, BadRequest, Unknown, WrongState
from team import CONFIG, PLAIN, PROTOCOL, Kind, Team, eventually, git

BOTH = pytest.mark.parametrize("kind", [PLAIN, PROTOCOL], ids=str)


@pytest.fixture
def repository(tmp_path: Path, kind: Kind) -> Path:
    config = CONFIG.replace("    agent:", "    maxWorkers: 2\n    agent:")
    return Team.new_repository(tmp_path / "sample", kind.project(config))


def work(number: int) -> tuple[str, str]:
    return f"do: write {number}.txt {number}", f"do: commit {number}"


def queued(team: Team) -> list[str]:
    listed = team.sure("list")["sessions"]
    return [one["session"] for one in listed if one["why"].startswith("queued")]


@BOTH
def test_five_spawns_two_at_a_time_over_a_restart_in_the_middle(team: Team) -> None:
    sessions = [team.spawn(*work(number), key=f"k{number}") for number in range(5)]
    assert queued(team) == sessions[2:]
    shown = team.call("show", session=sessions[3])
    assert (shown["status"], shown["reason"], shown["path"]) == ("spawning", "queued", "")
    assert shown["why"].startswith("queued, place 2 of 3: it waits for one of the 2 workers sample")
    again = team.call("spawn", prompt="\n".join(["Do this:", *work(3)]), key="k3")
    assert (again["session"], again["queued"][:15]) == (sessions[3], "queued, place 2")
    with pytest.raises(BadRequest):
        team.call("spawn", prompt="something else", key="k3")

    team.until(sessions[0], "pr_open")
    team.kill_engine()
    assert queued(team) == sessions[2:]
    assert team.sure("merge", session=sessions[0])["merged"]
    team.until(sessions[2], "pr_open")
    assert queued(team) == sessions[3:]
    base = git(team.repository, "merge-base", "main", f"{branch(team, sessions[2])}")
    assert base == git(team.repository, "rev-parse", "main")  # what was merged before it began

    team.until(sessions[1], "pr_open")
    for session in sessions[1:]:
        team.until(session, "pr_open")
        assert team.sure("merge", session=session)["merged"]
    assert {f"{number}.txt" for number in range(5)} <= {
        path.name for path in team.repository.iterdir()
    }
    assert all(len(team.heard(session)) == 1 for session in sessions)


def branch(team: Team, session: str) -> str:
    return team.sure("show", session=session)["branch"]


def test_one_killed_in_the_queue_leaves_nothing_and_restore_queues_it_again(team: Team) -> None:
    first, second, third = (team.spawn(*work(number)) for number in range(3))
    assert team.call("kill", session=third)["workspace_removed"]
    assert team.call("show", session=third)["status"] == "killed"
    assert queued(team) == []
    team.call("kill", session=first)
    team.until(second, "pr_open")
    fourth = team.spawn("do: say ready")
    team.until(fourth, "idle")
    assert team.call("restore", session=third)["status"] == "spawning"
    with pytest.raises(WrongState):
        team.call("restore", session=third)
    assert queued(team) == [third]
    team.call("kill", session=fourth)
    team.until(third, "pr_open")
    assert team.heard(third) != []


def test_after_waits_for_work_that_is_shown_and_blocks_where_it_never_will_be(team: Team) -> None:
    first = team.spawn("do: ask Which?", *work(1))
    second = team.spawn(*work(2), after=[first])
    assert team.call("show", session=second)["why"].endswith(f"the work of {first} to be done")
    third = team.spawn(*work(3), after=[first, second])
    cursor = team.call("wait", until="any", seconds=0)["cursor"]
    team.call("kill", session=first)
    news = team.call("wait", sessions=[second], until="attention", cursor=cursor, seconds=20)
    assert news["reached"]
    shown = team.call("show", session=second)
    assert (shown["reason"], shown["attention"]) == ("blocked", "lead")
    with pytest.raises(WrongState):
        team.call("spawn", prompt="too late", after=[first])
    with pytest.raises(Unknown):
        team.call("spawn", prompt="who?", after=["sam-99"])

    team.call("restore", session=first)
    team.until(first, "needs_input")
    team.until_so(second, lambda shown: shown["reason"] == "queued")
    team.reply(first, "that one")
    team.until(first, "pr_open")
    team.call("merge", session=first)
    path = Path(team.until(second, "pr_open")["path"])
    assert (path / "1.txt").exists()  # it began at what was merged
    team.call("merge", session=second)
    assert (Path(team.until(third, "pr_open")["path"]) / "2.txt").exists()


@BOTH
def test_of_copies_one_is_chosen_and_the_others_are_told_of(team: Team) -> None:
    asked = {"prompt": "\n".join(["Do this:", *work(1)]), "copies": 3, "key": "three"}
    made = team.call("spawn", **asked)
    one, two, three = made["copies"]
    assert team.call("spawn", **asked)["copies"] == made["copies"]
    with pytest.raises(BadRequest):
        team.call("spawn", **{**asked, "copies": 2})
    shown = [team.call("show", session=id) for id in made["copies"]]
    assert len({each["branch"] for each in shown}) == 3
    assert shown[0]["copies"] == [two, three]
    assert queued(team) == [three]
    team.until(one, "pr_open")
    team.until(two, "pr_open")
    compared = team.call("compare", sessions=[two])["copies"]
    assert [each["session"] for each in compared] == [one, two, three]
    assert [(each["commits"], each["added"]) for each in compared] == [(1, 1), (1, 1), (0, 0)]
    assert compared[0]["files"] == ["1.txt +1 -0"]
    assert compared[2]["seconds"] is None
    assert compared[2]["tokens"] is None
    read = team.call("read", session=one, what="copies")["text"]
    assert "1.txt +1 -0" in read

    assert team.call("merge", session=two)["merged"]
    eventually(lambda: any("copies.spare" in line for line in team.journal()))
    spare = team.call("show", session=one)["spare"]
    assert spare == f"{two} is merged; `kill` the copies nobody needs: {one}, {three}"
    team.until_so(three, lambda shown: shown["reason"] == "blocked")
    for id in (one, three):
        team.call("kill", session=id)
    assert team.call("show", session=two)["spare"] == ""


def test_a_copy_that_could_not_be_started_is_named_in_the_reply(team: Team) -> None:
    first = team.spawn(*work(1))
    path = Path(team.call("show", session=first)["path"])
    team.call("kill", session=first)
    taken = path.with_name(path.name.replace("-1", "-3"))
    taken.mkdir()
    (taken / "somebody.txt").write_text("mine")
    asked = {"prompt": "\n".join(["Do this:", *work(2)]), "copies": 2, "key": "two"}
    made = team.call("spawn", **asked)
    assert made["copies"] == [taken.name.replace("-3", "-2")]
    (warning,) = made["warnings"]
    assert warning.startswith(f"{taken.name} could not be started: ")
    shutil.rmtree(taken)
    again = team.call("spawn", **asked)  # the same key brings up what is missing, and no more
    assert (again["copies"], again["warnings"]) == ([*made["copies"], taken.name], [])


def test_only_copies_and_teams_can_be_compared(team: Team) -> None:
    first, second = team.spawn(*work(1)), team.spawn(*work(2))
    with pytest.raises(BadRequest):
        team.call("compare", sessions=[first])
    assert len(team.call("compare", sessions=[first, second])["copies"]) == 2
    with pytest.raises(AoError):
        team.call("compare", sessions=["sam-99", first])


def test_a_stop_remembers_who_was_in_the_queue_and_starts_nobody(team: Team) -> None:
    sessions = [team.spawn("do: say ready") for _ in range(4)]
    stopped = team.call("stop", project="sample")
    assert sorted(stopped["sessions"]) == sessions
    spawned = [line for line in team.journal() if "session.spawned" in line]
    assert not [line for line in spawned if f"branch=ao/{sessions[2]}-" in line]
    assert team.call("about")["stopped"] == {"sample": sessions}
    for session in sessions:
        team.call("restore", session=session)
    assert queued(team) == sessions[2:]


def test_the_home_has_a_limit_of_its_own(tmp_path: Path, team: Team) -> None:
    config = team.repository / "agent-orchestrator.yaml"
    config.write_text(config.read_text().replace("    maxWorkers: 2\n", ""))
    (team.home / "config.yaml").write_text("maxWorkers: 1\n")
    first, second = team.spawn("do: say ready"), team.spawn("do: say ready")
    assert queued(team) == [second]
    shown = team.call("show", session=second)["why"]
    assert "one of the 1 workers there may be at once" in shown
    team.call("kill", session=first)
    team.until(second, "idle")
