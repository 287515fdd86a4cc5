"""A person attached to an agent in a terminal of ours, who types, leaves, or sees it end."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ao_core.host import ANYWHERE
from ao_core.host_log import TOLD
from ao_plugins.runtime._process import attach
from ao_plugins.runtime._process.ear import Host
from faces.glass import Glass
from team import PTY, Kind, Team, eventually

FULL, SHARED, OTHER = "200x50", "100x60", "120x60"
OUT = "\x1b[?1049l"  # what a person's own terminal is told at the end


class Window(Glass):
    """A terminal that can be closed under what runs in it."""

    def close(self) -> None:
        """Nobody holds it any more; it is only read here."""
        with open(os.devnull) as nothing:
            os.dup2(nothing.fileno(), self._ours)

    def left(self) -> int:
        """Wait for the program's end, reading nothing of a window that is closed; its status."""
        return self.process.wait(15)


@pytest.fixture
def kind() -> Kind:
    """Its workers are in terminals that hosts hold."""
    return PTY


@pytest.fixture
def attached(team: Team) -> Generator[tuple[Team, str, Window]]:
    session = team.spawn("do: say ready")
    team.until(session, "idle")
    with sat_down(team, session) as window:
        yield team, session, window


@contextmanager
def sat_down(team: Team, session: str) -> Generator[Window]:
    """A person before a session's terminal."""
    with Window("attach", session, env=team.env, cwd=team.repository) as window:
        window.until_so(lambda: "C-] leaves" in window.seen)  # the agent clears the screen
        window.until_shown("ready")
        eventually(lambda: size_of(team, session) == SHARED)
        yield window


def size_of(team: Team, session: str) -> str:
    """Columns and rows of the agent's terminal, as its host says."""
    held = team.place(session).held()
    assert held
    host = Host(held.socket)
    with host.socket:
        return dict(line.split("=", 1) for line in host.said.decode().splitlines())["size"]


def test_a_dialog_is_answered_at_the_keyboard_and_messages_go_on_after_it(
    attached: tuple[Team, str, Window],
) -> None:
    team, session, window = attached
    assert team.tell(session, "do: run echo hello\ndo: say more")["state"] == "accepted"
    window.until_shown("Do you want to proceed?")
    window.press("1")
    window.until_shown("● more")
    shown = team.until(session, "idle")
    assert shown["permissions_pending"] == []
    window.press("\x1d")
    assert window.ended() == 0
    assert size_of(team, session) == FULL
    assert team.tell(session, "do: say last")["state"] == "accepted"


def test_a_small_window_does_not_make_dialogs_too_small_to_be_known(
    attached: tuple[Team, str, Window],
) -> None:
    team, session, window = attached
    eventually(lambda: size_of(team, session) == SHARED)
    window.resize(20)
    eventually(lambda: size_of(team, session) == "80x60")


def is_closed(window: Window) -> int:
    window.close()
    return window.left()


def is_left(window: Window) -> int:
    window.press("\x1d")
    return window.ended()


def is_hung_up(window: Window) -> int:
    window.process.send_signal(signal.SIGHUP)
    return window.ended()


def is_ended(window: Window) -> int:
    window.process.send_signal(signal.SIGTERM)
    return window.ended()


def test_a_window_that_is_closed_leaves_the_agent_and_its_size_as_they_were(
    attached: tuple[Team, str, Window],
) -> None:
    team, session, window = attached
    assert is_closed(window) == 0
    assert size_of(team, session) == FULL
    assert team.tell(session, "do: say last")["state"] == "accepted"


@pytest.mark.parametrize("end", [is_left, is_hung_up, is_ended, is_closed])
def test_an_agent_that_does_not_read_can_be_left(
    attached: tuple[Team, str, Window], end: Callable[[Window], int]
) -> None:
    team, session, window = attached
    reads_nothing(team, session)
    window.press("hello?")
    window.resize(120)
    eventually(lambda: size_of(team, session) == OTHER)
    assert end(window) == 0
    assert size_of(team, session) == FULL
    assert "ended" not in window.seen
    assert end is is_closed or window.settings == window.before


def reads_nothing(team: Team, session: str) -> None:
    """Suspend the agent, and tell it more than its host keeps for it."""
    team.agent(session).suspend()
    held = team.place(session).held()
    assert held
    host = Host(held.socket)
    with host.socket:
        assert host.ask(b"w", ANYWHERE.to_bytes(8, "big") + bytes(1 << 20))[0] == b"o"


def test_what_is_typed_before_one_leaves_is_told(attached: tuple[Team, str, Window]) -> None:
    team, session, window = attached
    pasted = "word " * 4_000
    window.press(f"\x1b[200~{pasted}\x1b[201~\x1d")
    assert window.ended() == 0
    told = b"".join(data for kind, data, _ in team.place(session).entries(0) if kind == TOLD)
    assert pasted.encode() in told


def test_of_two_people_whoever_leaves_last_leaves_the_size_that_was_given(
    attached: tuple[Team, str, Window],
) -> None:
    team, session, first = attached
    with sat_down(team, session) as second:
        second.resize(120)
        eventually(lambda: size_of(team, session) == OTHER)
        assert is_left(first) == 0
        eventually(lambda: size_of(team, session) == OTHER)  # the second's, who is still there
        assert is_left(second) == 0
    assert size_of(team, session) == FULL


def agent_ends(team: Team, session: str) -> None:
    team.agent(session).kill()


def host_is_lost(team: Team, session: str) -> None:
    host = team.agent(session).parent()
    assert host is not None
    host.kill()


@pytest.mark.parametrize("end", [agent_ends, host_is_lost])
def test_an_agent_that_ends_gives_the_person_the_terminal_back_as_it_was(
    attached: tuple[Team, str, Window], end: Callable[[Team, str], None]
) -> None:
    team, session, window = attached
    end(team, session)
    assert window.ended() == 0
    _, after, said = window.seen.partition(OUT)
    assert after, window.seen
    assert said.splitlines()[-1] == "it has ended"
    assert "Traceback" not in window.seen
    assert window.settings == window.before


def test_one_that_has_ended_already_is_told_of(tmp_path: Path) -> None:
    argv = [sys.executable, "-I", "-m", attach.__name__, str(tmp_path / "gone"), FULL]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "it has ended\n", "")
