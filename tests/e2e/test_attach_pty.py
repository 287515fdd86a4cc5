"""A person attached to an agent in a terminal of ours, who types, leaves, or sees it end."""

import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from ao_plugins.runtime._process import attach
from faces.glass import Glass
from team import PTY, Kind, Team, eventually

FULL, SHARED = "200x50", "100x60"
OUT = "\x1b[?1049l"  # what a person's own terminal is told at the end


@pytest.fixture
def kind() -> Kind:
    """Its workers are in terminals that hosts hold."""
    return PTY


@pytest.fixture
def attached(team: Team) -> Generator[tuple[Team, str, Glass]]:
    session = team.spawn("do: say ready")
    team.until(session, "idle")
    with Glass("attach", session, env=team.env, cwd=team.repository) as glass:
        glass.until_so(lambda: "C-] leaves" in glass.seen)  # the agent clears the screen
        glass.until_shown("ready")
        yield team, session, glass


def size_of(team: Team, session: str) -> str:
    """Columns and rows of the agent's terminal, as its host says."""
    held = team.place(session).held()
    assert held
    host = attach.Host(held.socket)
    with host.socket:
        return dict(line.split("=", 1) for line in host.said.decode().splitlines())["size"]


def test_a_dialog_is_answered_at_the_keyboard_and_messages_go_on_after_it(
    attached: tuple[Team, str, Glass],
) -> None:
    team, session, glass = attached
    assert team.tell(session, "do: run echo hello\ndo: say more")["state"] == "accepted"
    glass.until_shown("Do you want to proceed?")
    glass.press("1")
    glass.until_shown("● more")
    shown = team.until(session, "idle")
    assert shown["permissions_pending"] == []
    glass.press("\x1d")
    assert glass.ended() == 0
    assert size_of(team, session) == FULL
    assert team.tell(session, "do: say last")["state"] == "accepted"


def test_a_small_window_does_not_make_dialogs_too_small_to_be_known(
    attached: tuple[Team, str, Glass],
) -> None:
    team, session, glass = attached
    eventually(lambda: size_of(team, session) == SHARED)
    glass.resize(20)
    eventually(lambda: size_of(team, session) == "80x60")


def test_a_window_that_is_closed_leaves_the_agent_and_its_size_as_they_were(
    attached: tuple[Team, str, Glass],
) -> None:
    team, session, glass = attached
    eventually(lambda: size_of(team, session) == SHARED)
    glass.process.send_signal(signal.SIGHUP)
    assert glass.ended() == 0
    assert "ended" not in glass.seen
    assert size_of(team, session) == FULL


def agent_ends(team: Team, session: str) -> None:
    team.agent(session).kill()


def host_is_lost(team: Team, session: str) -> None:
    host = team.agent(session).parent()
    assert host is not None
    host.kill()


@pytest.mark.parametrize("end", [agent_ends, host_is_lost])
def test_an_agent_that_ends_gives_the_person_the_terminal_back_as_it_was(
    attached: tuple[Team, str, Glass], end: Callable[[Team, str], None]
) -> None:
    team, session, glass = attached
    end(team, session)
    assert glass.ended() == 0
    _, after, said = glass.seen.partition(OUT)
    assert after, glass.seen
    assert said.splitlines()[-1] == "it has ended"
    assert "Traceback" not in glass.seen
    assert glass.settings == glass.before


def test_one_that_has_ended_already_is_told_of(tmp_path: Path) -> None:
    argv = [sys.executable, "-I", "-m", attach.__name__, str(tmp_path / "gone")]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "it has ended\n", "")
