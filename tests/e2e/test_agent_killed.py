"""An agent or its terminal is killed from outside: known at once, and nobody is typed to."""

import os
import random
import signal
import sys
import termios
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fcntl import ioctl
from pathlib import Path
from threading import Timer
from typing import Any

import psutil
import pytest

from ao_core.engine.keys import Ticket
from ao_core.engine.spawn import Wish, spawn
from ao_core.engine.wait import Until, wait
from ao_core.errors import AoError, Unknown, WrongState
from ao_core.model.event import EventKind
from inside import a_person, engine_at, settled
from team import HELD, PLAIN, Kind, Team, eventually

RACES, FEWER = 20, 5
EVERY_KIND = pytest.mark.parametrize("kind", HELD, ids=str)
UNSEEN = "this must reach nobody"
CONFIG = """\
projects:
  sample:
    path: .
    agent: command
    agentConfig:
      command: [{python}, -I, {script}, "{{prompt_file}}"]
"""
SILENT = """\
import signal, termios
mode = termios.tcgetattr(0)
mode[3] &= ~(termios.ECHO | termios.ICANON)
termios.tcsetattr(0, termios.TCSANOW, mode)
print("up", flush=True)
signal.pause()
"""


def ended(team: Team, session: str) -> dict[str, Any]:
    return team.until_so(session, lambda shown: shown["state"] == "terminated")


@EVERY_KIND
def test_a_killed_agent_is_told_of_with_its_signal_and_its_pane_takes_no_message(
    team: Team,
) -> None:
    session = team.spawn("do: say ready")
    team.until(session, "idle")
    team.agent(session).kill()

    shown = ended(team, session)
    assert (shown["status"], shown["reason"]) == ("terminated", "agent_process_exited")
    assert (shown["runtime"], shown["exit_signal"]) == ("exited", signal.SIGKILL)
    assert shown["attention"] == "lead"
    assert "signal 9" in shown["why"]
    with pytest.raises(WrongState) as refused:
        team.call("send", session=session, message=UNSEEN)
    assert "restore" in (refused.value.hint or "")
    if team.kind.in_tmux:
        assert team.pane(session, "#{pane_dead} #{pane_dead_signal}") == "1 9"
    assert UNSEEN not in team.screen(session)

    team.call("restore", session=session)
    assert team.tell(session, "do: say back")["state"] == "accepted"


@EVERY_KIND
def test_a_message_on_its_way_to_an_agent_that_dies_goes_nowhere_else(
    team: Team, kind: Kind
) -> None:
    """The terminal's server lives through every race, and no other process hears of the message."""
    chance = random.Random(7)  # noqa: S311
    session = team.spawn("do: say ready")
    team.until(session, "idle")
    server = server_of(team, session)
    states: list[str] = []
    for race in range(RACES if kind == PLAIN else FEWER):
        agent, text = team.agent(session), f"{UNSEEN} {race}"
        dying = _later(chance.uniform(0, 0.08), agent.kill)
        try:
            states.append(team.tell(session, text)["state"])
        except (WrongState, Unknown):  # it, or the permission that it asked for, has gone
            states.append("refused")
        dying()
        ended(team, session)
        assert server_of(team, session) == server
        settled = team.call("show", session=session)["messages"]
        assert all(one["state"] in ("accepted", "failed", "uncertain") for one in settled), settled
        team.call("restore", session=session)
        if kind.drive == PLAIN.drive:
            eventually(lambda: " idle " in team.screen(session))
    assert server_of(team, session) == server
    heard = team.heard(session)
    for race in range(len(states)):
        # accepted is the agent's own word; killed in that breath, it may not have written it down
        assert heard.count(kind.worded(f"{UNSEEN} {race}")) <= 1


def server_of(team: Team, session: str) -> str:
    """The terminals' server; there is none for agents with hosts of their own."""
    return team.pane(session, "#{pid}") if team.kind.in_tmux else ""


def _later(seconds: float, act: Callable[[], None]) -> Callable[[], None]:
    """Do it on another thread in a moment; returns what waits until it is done."""
    timer = Timer(seconds, act)
    timer.start()
    return timer.join


def test_a_dialog_gets_no_message_and_the_message_waits(team: Team) -> None:
    session = team.spawn("do: run echo hello", "do: say over")
    asked = team.until_so(session, lambda shown: bool(shown["permissions_pending"]))
    sent = team.call("send", session=session, message="do: say later")
    assert (sent["state"], sent["reason"]) == ("queued", "it waits for a permission")
    screen = team.screen(session)
    assert "Do you want to proceed?" in screen
    assert "later" not in screen
    request = asked["permissions_pending"][0]["request"]
    team.call("answer", session=session, decision="deny", request=request)
    shown = team.until_so(session, lambda shown: shown["messages"][-1]["state"] == "accepted")
    assert shown["exit_signal"] is None


def test_what_an_agent_took_and_never_showed_is_no_delivery(team: Team) -> None:
    """It has its terminal's input, but dies before it has read any of it."""
    silent = str(team.home.parent / "silent.py")
    Path(silent).write_text(SILENT)
    config = team.repository / "agent-orchestrator.yaml"
    config.write_text(CONFIG.format(python=sys.executable, script=silent))
    session = team.trusted().call("spawn", prompt="anything")["session"]
    eventually(lambda: "up" in team.screen(session))
    terminal = team.pane(session, "#{pane_tty}")
    with ThreadPoolExecutor() as pool:
        sending = pool.submit(team.call, "send", session=session, message=UNSEEN)
        eventually(lambda: unread(terminal) >= len(UNSEEN))
        team.agent(session).kill()
        sent = sending.result()
    assert (sent["state"], ended(team, session)["exit_signal"]) == ("failed", signal.SIGKILL)
    assert UNSEEN not in team.screen(session)


def unread(terminal: str) -> int:
    """The bytes in a terminal's input."""
    opened = os.open(terminal, os.O_RDONLY | os.O_NOCTTY)
    try:
        return int.from_bytes(ioctl(opened, termios.FIONREAD, bytes(4)), sys.byteorder)
    finally:
        os.close(opened)


async def test_a_death_is_told_of_while_no_timer_runs(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ao_core.engine.loop._TICK", 3600.0)
    monkeypatch.setattr("ao_core.engine.spools._POLL", 3600.0)
    repository = tmp_path / "sample"
    async with engine_at(settled(home, repository)) as engine:
        wish = Wish(prompt="do: say ready")
        session = (await spawn(engine, a_person(repository), wish, Ticket())).id
        idle = await wait(engine, [session], Until.IDLE, 0, 30)
        handle = engine.session(session).run.handle
        assert handle is not None
        os.kill(int(handle.get("pid") or 0), signal.SIGKILL)
        news = await wait(engine, [session], Until.IDLE, idle.cursor, 30)
        assert [event.kind for event in news.events] == [EventKind.SESSION_EXITED]
        assert engine.session(session).run.exit_signal == signal.SIGKILL


@pytest.mark.parametrize(
    "how",
    [("kill-server",), ("kill-session", "-t", "={session}"), ("kill-session", "-t", "=_keeper")],
)
def test_what_is_lost_with_its_terminal_is_told_with_its_remedy_and_comes_back(
    team: Team, how: tuple[str, ...]
) -> None:
    session = team.spawn("do: write kept.txt kept", "do: ask Go on?")
    path = Path(team.until(session, "needs_input")["path"])
    agent = team.agent(session)
    team.tmux(*(word.format(session=session) for word in how))
    if "=_keeper" in how:
        assert team.sure("read", session=session)["text"]
        assert team.call("answer", session=session, text="yes")["state"] == "accepted"
        return
    shown = ended(team, session)
    assert (shown["status"], shown["reason"]) == ("killed", "runtime_lost")
    assert shown["attention"] == "lead"
    assert shown["why"] in (
        "its tmux session is gone; restore it", "its tmux server is gone; restore it",
    )  # fmt: skip
    assert (path / "kept.txt").exists()
    eventually(lambda: not agent.is_running() or agent.status() == psutil.STATUS_ZOMBIE)
    with pytest.raises(AoError) as refused:
        team.call("send", session=session, message=UNSEEN)
    assert refused.value.hint
    team.call("restore", session=session)
    team.until(session, "needs_input")
    assert (path / "kept.txt").read_text() == "kept\n"
