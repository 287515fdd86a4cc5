"""A person attached to an agent driven by protocol, while engines come and go."""

import subprocess
import time
from collections.abc import Generator

import pytest

from faces.glass import Glass
from faces.terminal import AO
from team import PROTOCOL, Kind, Team


@pytest.fixture
def kind() -> Kind:
    """Its workers are driven by protocol."""
    return PROTOCOL


@pytest.fixture
def attached(team: Team) -> Generator[tuple[Team, str, Glass]]:
    session = team.spawn("do: write a.txt hi", "do: ask Which colour?")
    team.until(session, "needs_input")
    with Glass("attach", session, env=team.env, cwd=team.repository) as glass:
        glass.until_shown("? it waits for your answer")
        yield team, session, glass


def test_a_question_and_a_permission_are_answered_in_place(
    attached: tuple[Team, str, Glass],
) -> None:
    team, session, glass = attached
    assert "✓ write a.txt [completed]" in glass.shown
    glass.enter("blue")
    glass.until_shown("● answered: blue")
    glass.enter("do: run rm -rf build")
    glass.until_shown("allow? [y/n]")
    assert f"? {session} asks to use run:" in glass.above
    glass.enter("y")
    glass.until_shown("✓ run rm -rf build [completed]")
    assert "→ allowed" in glass.above
    team.until(session, "idle")
    glass.until_shown(f"{session} · idle")


def test_a_turn_is_interrupted_and_what_waited_comes_next(
    attached: tuple[Team, str, Glass],
) -> None:
    _, session, glass = attached
    glass.enter("blue")
    glass.until_shown(f"{session} · idle")
    glass.enter("do: sleep 60")
    glass.until_shown("+ sleep 60 [in_progress]")
    glass.enter("do: say next")
    glass.until_shown("→ queued: a turn is under way")
    glass.press("\x03")
    glass.until_shown("* the turn was cancelled")
    glass.until_shown("● next")


def test_engines_come_and_go_and_nothing_is_lost_or_said_twice(
    attached: tuple[Team, str, Glass],
) -> None:
    team, session, glass = attached
    glass.enter("blue")
    glass.until_shown(f"{session} · idle")
    glass.enter("do: sleep 3")
    glass.until_shown("+ sleep 3 [in_progress]")
    before = team.running_pid()
    team.kill_engine(before)
    glass.enter("do: say after the crash")
    glass.until_shown("● after the crash")
    assert team.running_pid() not in (None, before)
    subprocess.run([*AO, "restart"], env=team.env, check=True, capture_output=True)
    glass.enter("do: say after the restart")
    glass.until_shown("● after the restart")
    for once in ("✓ sleep 3 [completed]", "● slept 3", "> do: say after the crash", "● answered"):
        assert len([line for line in glass.above if line.startswith(once)]) == 1, glass.shown


def test_a_stop_ends_it_and_is_not_undone(attached: tuple[Team, str, Glass]) -> None:
    team, session, glass = attached
    subprocess.run([*AO, "stop"], env=team.env, check=True, capture_output=True)
    assert glass.ended() == 0
    assert f"* {session} has ended: killed" in glass.shown
    assert team.running_pid() is None


def test_an_agent_that_is_killed_takes_its_view_along(attached: tuple[Team, str, Glass]) -> None:
    team, session, glass = attached
    team.call("kill", session=session)
    assert glass.ended() == 0
    assert glass.above[-1].startswith(f"* {session} has ended: killed (manually killed).")
    read = [*AO, "read", session]
    said = subprocess.run(read, env=team.env, capture_output=True, text=True, check=True).stdout
    assert "● Which colour?" in said


def test_what_moved_between_two_calls_is_not_missed(team: Team) -> None:
    session = team.spawn("do: say hi")
    team.until(session, "idle")
    first = team.call("transcript", session=session)
    known = {"session": session, "after": first["change"], "standing": first["standing"]}
    assert team.call("transcript", **known, seconds=0.2)["items"] == []
    begun = time.monotonic()
    moved = team.call("transcript", **{**known, "standing": "before"}, seconds=25)
    assert time.monotonic() - begun < 20
    assert (moved["standing"], moved["items"]) == (first["standing"], [])
