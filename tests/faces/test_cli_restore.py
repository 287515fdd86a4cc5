"""What stops ended, in several projects, is offered by `ao start` until it is back or killed."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faces.terminal import AO, Terminal
from team import CONFIG, Team

OTHER = CONFIG.replace("sample", "other")


@pytest.fixture
def teams(tmp_path: Path) -> Iterator[tuple[Team, Team]]:
    """Two projects of one home."""
    first = Team.new_repository(tmp_path / "sample")
    second = Team.new_repository(tmp_path / "other", OTHER)
    home, runtime = tmp_path / "home", tmp_path / "run"
    both = Team(home, first, runtime), Team(home, second, runtime)
    yield both
    both[0].end()


def told(team: Team, *arguments: str, status: int = 0) -> dict[str, Any]:
    done = subprocess.run(
        [*AO, *arguments, "--json"], env=team.env, cwd=team.repository, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == status, done
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def asking(team: Team) -> str:
    """A worker that stays."""
    session = team.spawn("do: ask A?")
    team.until(session, "needs_input")
    return session


def remembered(team: Team) -> dict[str, list[str]]:
    return json.loads((team.home / "last-stop.json").read_text())["sessions"]


def test_stopping_a_project_and_then_everything_brings_all_of_it_back(
    teams: tuple[Team, Team],
) -> None:
    sample, other = teams
    first, second = asking(sample), asking(other)
    told(sample, "stop", "sample")
    assert remembered(sample) == {"sample": [first]}
    told(sample, "stop")
    assert remembered(sample) == {"sample": [first], "other": [second]}
    started = told(sample, "start", "--restore")
    assert (sorted(started["restored"]), started["failed"]) == (sorted([first, second]), {})
    told(sample, "stop", "other")
    assert remembered(sample) == {"other": [second]}


def test_what_was_killed_or_brought_back_since_is_not_offered(teams: tuple[Team, Team]) -> None:
    sample, other = teams
    killed, back, waiting = asking(sample), asking(sample), asking(other)
    told(sample, "stop", "sample")
    told(other, "stop", "other")
    sample.call("kill", session=killed)
    sample.call("restore", session=back)
    sample.until(back, "needs_input")
    sample.call("kill", session=back)
    assert sample.call("about")["stopped"] == {"other": [waiting]}
    assert told(sample, "start", "--restore")["restored"] == [waiting]


def test_a_project_stopped_alone_is_brought_back_alone(teams: tuple[Team, Team]) -> None:
    sample, other = teams
    first, second = asking(sample), asking(other)
    told(sample, "stop", "sample")
    told(other, "stop", "other")
    assert told(sample, "--project", "sample", "start", "--restore")["restored"] == [first]
    assert sample.call("about")["stopped"] == {"other": [second]}


def test_what_cannot_be_brought_back_is_named_and_stays_on_offer(
    teams: tuple[Team, Team],
) -> None:
    sample, other = teams
    first, second = asking(sample), asking(other)
    told(sample, "stop")
    other.repository.rename(other.repository.with_name("moved"))
    started = told(sample, "start", "--restore", status=1)
    assert started["restored"] == [first]
    assert started["failed"][second]["code"]
    assert sample.call("about")["stopped"] == {"other": [second]}


def test_a_start_brings_back_as_many_as_there_is_room_for_and_says_who_waits_in_the_queue(
    teams: tuple[Team, Team],
) -> None:
    sample, _ = teams
    config = sample.repository / "agent-orchestrator.yaml"
    first, second = asking(sample), asking(sample)
    config.write_text(CONFIG + "    maxWorkers: 2\n")
    waits = sample.spawn("do: say ready")
    assert sample.call("show", session=waits)["reason"] == "queued"
    told(sample, "stop")
    config.write_text(CONFIG + "    maxWorkers: 1\n")
    done = subprocess.run(
        [*AO, "start", "--restore"], env=sample.env, cwd=sample.repository, check=False,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout.splitlines()[1:] == [f"{first} is back.", f"{waits} is in the queue."]
    assert f"{second} is not back." in done.stderr
    assert "maxWorkers" in done.stderr or "end or be merged" in done.stderr
    assert sample.call("about")["stopped"] == {"sample": [second]}


def test_at_a_terminal_each_project_is_asked_about(teams: tuple[Team, Team]) -> None:
    sample, other = teams
    first, second = asking(sample), asking(other)
    told(sample, "stop")
    with Terminal("start", env=sample.env, cwd=sample.repository) as terminal:
        terminal.until(f"ended {second} of other. Bring them back?")
        terminal.press("n\n")
        terminal.until(f"ended {first} of sample. Bring them back?")
        terminal.press("y\n")
        terminal.until(f"{first} is back.")
        assert terminal.ended() == 0
    assert sample.call("about")["stopped"] == {"other": [second]}


def test_an_engine_killed_in_the_midst_of_a_stop_forgets_nobody(teams: tuple[Team, Team]) -> None:
    sample, _ = teams
    session = asking(sample)
    told(sample, "stop", "sample")
    (sample.home / "last-stop.json").unlink()  # as if it had not come to be written
    sample.kill_engine()
    assert told(sample, "start", "--restore")["restored"] == [session]


def test_all_of_a_home_or_of_one_project_is_brought_back_at_once(teams: tuple[Team, Team]) -> None:
    sample, other = teams
    first, second = asking(sample), asking(other)
    told(sample, "stop")
    moved = other.repository.rename(other.repository.with_name("moved"))
    found = told(sample, "restore", "--all", status=1)["team"]
    assert [(one["session"], bool(one.get("error"))) for one in found] == [
        (first, False), (second, True),
    ]  # fmt: skip
    moved.rename(other.repository)
    assert told(sample, "--project", "sample", "restore", "--all")["team"] == []
    assert [one["session"] for one in told(sample, "restore", "--all")["team"]] == [second]
