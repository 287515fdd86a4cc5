"""An agent that does one turn and ends: idle after it, told more by resume, dead by its status."""

import sys
from pathlib import Path
from typing import Any

import pytest

import one_shot
from ao_core.platform import process_exists
from team import PLAIN, PTY, Kind, Team, eventually, git

CONFIG = f"""\
projects:
  sample:
    path: .
    agent: command
    agentConfig:
      oneShot: true
      command: [{sys.executable}, -I, {one_shot.__file__}, "{{prompt}}"]
      resume: [{sys.executable}, -I, {one_shot.__file__}, --resume, "{{native_id}}", "{{prompt}}"]
      log: {one_shot.LOG}
"""
pytestmark = pytest.mark.parametrize("kind", [PLAIN, PTY], ids=str)


@pytest.fixture
def repository(tmp_path: Path, kind: Kind) -> Path:
    return Team.new_repository(tmp_path / "sample", kind.project(CONFIG))


def resting(team: Team, *script: str) -> str:
    session = team.spawn(*script or ("do: say ready",))
    at_rest(team, session)
    return session


def at_rest(team: Team, session: str, turns: int = 1) -> dict[str, Any]:
    return team.until_so(
        session, lambda now: now["state"] == "idle" and len(heard(team, session)) == turns
    )


def heard(team: Team, session: str) -> list[tuple[bool, str]]:
    """What the agent was told, without who it was from; and whether it was to remember."""
    told = one_shot.told(Path(team.sure("show", session=session)["path"]))
    return [(resumed, text.partition("]\n")[2] or text) for resumed, text in told]


def waiting(team: Team, session: str) -> list[int]:
    """The processes of a turn that waits."""
    file = Path(team.sure("show", session=session)["path"]) / "waits"
    eventually(lambda: file.exists() and len(file.read_text().split()) == 2)
    return [int(one) for one in file.read_text().split()]


def ended(team: Team, session: str) -> dict[str, Any]:
    return team.until_so(session, lambda shown: shown["state"] == "terminated")


def test_after_a_turn_that_ended_well_it_is_idle_and_its_work_is_known(team: Team) -> None:
    session = resting(team, "do: commit one")
    shown = team.call("show", session=session)
    assert (shown["runtime"], shown["exit_status"]) == ("alive", None)
    assert shown["report"] == "did do: commit one"
    assert git(Path(shown["path"]), "log", "-1", "--format=%s") == "one"
    assert team.agent(session).is_running()


def test_what_it_is_told_next_is_accepted_and_resumed_with(team: Team) -> None:
    session = resting(team)
    sent = team.tell(session, "do: commit two")
    assert (sent["state"], sent["evidence"]) == ("accepted", "the agent's hook")
    shown = at_rest(team, session, 2)
    assert heard(team, session)[1] == (True, "do: commit two")
    assert git(Path(shown["path"]), "log", "-1", "--format=%s") == "two"


def test_ten_messages_at_once_are_ten_turns_in_order(team: Team) -> None:
    session = resting(team)
    texts = [f"do: say {count}" for count in range(10)]
    sent = [team.call("send", session=session, message=text) for text in texts]
    shown = at_rest(team, session, 11)
    assert [text for _, text in heard(team, session)[1:]] == texts
    last = shown["messages"][-1]
    assert (last["message"], last["state"]) == (sent[-1]["message"], "accepted")
    assert {one["state"] for one in shown["messages"]} == {"accepted"}


def test_a_message_waits_for_the_turn_and_can_be_taken_back(team: Team) -> None:
    session = team.spawn("do: wait")
    waiting(team, session)
    sent = team.call("send", session=session, message="do: say later")
    assert sent["state"] == "queued"
    assert team.call("unsend", message=sent["message"])["state"] == "cancelled"
    team.tell(session, "do: say next", mode="interrupt")
    at_rest(team, session, 2)
    assert heard(team, session)[1] == (True, "do: say next")


def test_no_message_is_an_option(team: Team) -> None:
    session = resting(team)
    assert team.tell(session, "--resume=evil")["state"] == "accepted"
    at_rest(team, session, 2)
    if team.kind.in_tmux:  # a person may type one that says nothing of where it is from
        team.tmux("send-keys", "-t", f"={session}:", "-l", "--", "-h")
        team.tmux("send-keys", "-t", f"={session}:", "Enter")
        at_rest(team, session, 3)
        assert heard(team, session)[2] == (True, " -h")
    assert heard(team, session)[1] == (True, "--resume=evil")


def test_a_long_message_with_wide_characters_arrives_whole(team: Team) -> None:
    session = resting(team)
    text = "\n".join(f"{count} 漢字 Ünicode 🙂 " + "x" * 60 for count in range(600))
    assert len(text.encode()) > 50_000
    assert team.tell(session, text)["state"] == "accepted"
    at_rest(team, session, 2)
    assert heard(team, session)[1] == (True, text)


def test_a_status_of_its_own_is_its_death(team: Team) -> None:
    session = resting(team)
    team.tell(session, "do: say so\ndo: exit 3")
    shown = ended(team, session)
    assert (shown["runtime"], shown["exit_status"]) == ("exited", 3)
    assert "status 3" in shown["why"]
    assert "The command ended with status 3." in team.screen(session)


def test_killed_it_is_known_and_nothing_of_its_turn_works_on(team: Team) -> None:
    session = team.spawn("do: wait")
    left = waiting(team, session)
    team.agent(session).kill()
    shown = ended(team, session)
    assert (shown["runtime"], shown["exit_signal"]) == ("exited", 9)
    eventually(lambda: not any(map(process_exists, left)))


def test_its_command_killed_it_is_known(team: Team) -> None:
    session = team.spawn("do: signal 9")
    assert ended(team, session)["exit_signal"] == 9


def test_brought_back_it_remembers(team: Team) -> None:
    session = resting(team)
    team.agent(session).kill()
    ended(team, session)
    team.call("restore", session=session)
    assert team.tell(session, "do: say back")["state"] == "accepted"
    at_rest(team, session, 2)
    assert [resumed for resumed, _ in heard(team, session)] == [False, True]
    assert "nothing told yet" not in team.screen(session)


def test_brought_back_in_the_midst_of_a_turn_it_goes_on(team: Team) -> None:
    session = resting(team)
    team.tell(session, "do: exit 3")
    ended(team, session)
    team.call("restore", session=session)
    ended(team, session)
    resumed, text = one_shot.told(Path(team.call("show", session=session)["path"]))[2]
    assert resumed
    assert text.startswith("You were interrupted. Go on from where you stopped.")
    assert text.endswith("do: exit 3")


def test_an_interruption_ends_the_turn_and_is_what_is_done_next(team: Team) -> None:
    session = team.spawn("do: wait")
    left = waiting(team, session)
    sent = team.call("send", session=session, message="do: say next", mode="interrupt")
    sent = team.settled(session, sent)
    assert sent["state"] == "accepted"
    assert "the turn under way was interrupted" in sent["evidence"]
    at_rest(team, session, 2)
    assert heard(team, session)[1] == (True, "do: say next")
    assert not any(map(process_exists, left))


def test_a_turn_that_is_blocked_by_its_own_word_is_told_and_can_be_told_more(team: Team) -> None:
    session = team.spawn("do: blocked no credit left")
    shown = team.until_so(session, lambda now: now["state"] == "stuck")
    assert "no credit left" in str(shown)
    assert team.tell(session, "do: say on")["state"] == "accepted"
    at_rest(team, session, 2)


def test_it_outlives_the_engine_in_the_midst_of_a_turn(team: Team) -> None:
    session = team.spawn("do: wait")
    waiting(team, session)
    team.kill_engine()
    assert team.tell(session, "do: say on", mode="interrupt")["state"] == "accepted"
    at_rest(team, session, 2)
