"""A worker in a terminal of ours: its host is killed, and its engine in the middle of a message."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from ao_core.errors import WrongState
from ao_core.host_log import TOLD
from team import PTY, Kind, Team, eventually

STEPS = ("queued", "typed", "submitted", "accepted")
KILLS, LONGEST = 5, 0.12  # seconds an engine may carry a message until it is killed


@pytest.fixture
def kind() -> Kind:
    """Its workers are typed to, and held by hosts."""
    return PTY


@pytest.fixture
def session(team: Team) -> str:
    """A worker that has nothing to do."""
    session = team.spawn("do: write kept.txt kept", "do: say ready")
    assert team.until(session, "idle")["drive"] == "terminal"
    return session


def host_of(agent: psutil.Process) -> psutil.Process:
    host = agent.parent()
    assert host is not None
    assert "ao_core.host_main" in " ".join(host.cmdline())
    return host


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def typed(team: Team, session: str, text: bytes) -> int:
    """How often a text was typed to it, by its host's log."""
    return sum(kind == TOLD and text in data for kind, data, _ in team.place(session).entries(0))


def moves(team: Team) -> list[str]:
    """What became of messages, in order."""
    kinds = [line.split(" ")[2] for line in team.journal()]
    return [kind for kind in kinds if kind.startswith("message.")]


def told_meanwhile(
    team: Team, session: str, text: str, meanwhile: Callable[[], None]
) -> dict[str, Any]:
    """Send a message, and see to something while it is on its way; its last receipt."""
    with ThreadPoolExecutor(1) as beside:
        sending = beside.submit(team.tell, session, text, key=text)
        meanwhile()
        return sending.result()


def test_a_lost_host_is_known_at_once_its_agent_ended_and_brought_back(
    team: Team, session: str
) -> None:
    agent = team.agent(session)
    host_of(agent).kill()
    shown = team.until_so(session, lambda now: now["state"] == "terminated", patience=5)
    assert (shown["status"], shown["reason"]) == ("killed", "runtime_lost")
    assert (shown["runtime"], shown["attention"]) == ("exited", "lead")
    assert shown["why"] == "its session host was ended from outside; restore it"
    assert gone(agent)
    with pytest.raises(WrongState) as refused:
        team.call("send", session=session, message="this must reach nobody")
    assert "restore" in (refused.value.hint or "")
    assert "this must reach nobody" not in team.screen(session)

    team.call("restore", session=session)
    assert team.tell(session, "do: say back")["state"] == "accepted"
    eventually(lambda: team.heard(session)[-1] == "do: say back")
    assert (Path(team.call("show", session=session)["path"]) / "kept.txt").read_text() == "kept\n"


def test_a_host_that_is_lost_while_there_is_no_engine_is_known_by_the_next(
    team: Team, session: str
) -> None:
    agent = team.agent(session)
    host = host_of(agent)
    team.kill_engine()
    host.kill()
    shown = team.until_so(session, lambda now: now["state"] == "terminated", patience=10)
    assert (shown["status"], shown["runtime"]) == ("killed", "exited")
    eventually(lambda: gone(agent))


def test_a_message_on_its_way_when_its_host_is_lost_is_reported(team: Team, session: str) -> None:
    agent = team.agent(session)
    host = host_of(agent)

    def lose() -> None:
        agent.suspend()  # so that it is never shown
        eventually(lambda: team.place(session).marks().pasted is not None)
        host.kill()

    receipt = told_meanwhile(team, session, "this must reach nobody", lose)
    assert receipt["state"] in ("failed", "uncertain"), receipt
    assert receipt["reason"]
    assert "this must reach nobody" not in team.heard(session)


@pytest.mark.parametrize("first", ["engine", "agent"])
def test_an_engine_killed_between_paste_and_submit_leaves_the_message_to_the_next(
    team: Team, session: str, first: str
) -> None:
    """The agent reads what was pasted only after the next engine is up, or before that."""
    agent, before = team.agent(session), team.engine_pid
    agent.suspend()

    def kill() -> None:
        eventually(lambda: team.place(session).marks().pasted is not None)
        team.kill_engine(before)
        assert team.place(session).marks().submitted is None
        if first == "engine":
            team.sure("about")
        agent.resume()

    receipt = told_meanwhile(team, session, "do: say once", kill)
    assert receipt["state"] == "accepted", receipt
    assert moves(team) == [f"message.{step}" for step in STEPS]
    assert typed(team, session, b"say once") == 1
    assert team.heard(session)[1:] == ["do: say once"]


def test_engines_killed_at_any_point_of_a_message_neither_lose_nor_double_it(
    team: Team, session: str
) -> None:
    chance = random.Random(11)  # noqa: S311
    texts = [f"do: say number {number}" for number in range(KILLS)]
    for text in texts:
        pid, wait = team.engine_pid, chance.uniform(0, LONGEST)

        def kill(pid: int = pid, wait: float = wait) -> None:
            threading.Event().wait(wait)
            team.kill_engine(pid)

        assert told_meanwhile(team, session, text, kill)["state"] == "accepted"
    assert team.heard(session)[1:] == texts
    assert [typed(team, session, text.encode()) for text in texts] == [1] * KILLS
