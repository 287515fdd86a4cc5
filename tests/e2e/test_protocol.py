"""A worker driven by protocol: its turns, questions, permissions, and what outlives them."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from ao_core.errors import AoError, WrongState
from team import PROTOCOL, Kind, Team, eventually

LOG = 1 << 20  # bytes: the least that can be set
PUSH = "do: run git push origin nowhere"


@pytest.fixture
def kind() -> Kind:
    """Its workers are driven by protocol."""
    return PROTOCOL


def spoken(team: Team, session: str) -> list[dict[str, Any]]:
    """What the worker wrote down."""
    path = Path(team.call("show", session=session)["path"]) / ".ao" / "worker.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def done(team: Team, session: str) -> list[str]:
    """The steps it has done, in order."""
    return [line["text"] for line in spoken(team, session) if line.get("step", "0") != "0"]


def idle(team: Team, session: str) -> dict[str, Any]:
    return team.until_so(session, lambda shown: shown["state"] == "idle")


def test_a_worker_asks_is_answered_commits_and_is_merged(team: Team) -> None:
    session = team.spawn("do: ask which name?", "do: write {answer}.txt <<hello>>", "do: commit it")
    shown = team.until(session, "needs_input")
    assert (shown["question"], shown["drive"]) == ("which name?", "protocol")
    assert team.call("answer", session=session, text="blue")["state"] == "accepted"
    assert idle(team, session)["input_tokens"] > 0
    turns = team.call("read", session=session, what="turns")["text"]
    assert "]\nblue" in turns
    assert "agent: " in turns
    assert "[completed]" in team.call("read", session=session)["text"]
    assert team.call("merge", session=session)["outcome"] == "landed"
    assert (team.repository / "blue.txt").read_text() == "hello\n"


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_a_permission_request_waits_for_its_answer(team: Team, decision: str) -> None:
    session = team.spawn(PUSH)
    shown = team.until(session, "needs_input")
    (asked,) = shown["permissions_pending"]
    assert "git push origin nowhere" in asked["arguments"]
    with pytest.raises(WrongState):  # a message must not answer it
        team.call("answer", session=session, text="yes")
    held = team.call("send", session=session, message="afterwards")
    assert (held["state"], held["reason"]) == ("queued", "it waits for a permission")
    team.call("answer", session=session, decision=decision)
    team.until_so(session, lambda now: now["state"] == "idle" and len(team.heard(session)) == 2)
    assert ("denied: git push origin nowhere" in str(spoken(team, session))) is (decision == "deny")
    assert team.heard(session)[1] == "afterwards"


def test_what_the_policy_allows_is_not_asked_and_what_is_permissionless_neither(team: Team) -> None:
    one = team.spawn("do: run git status")
    other = team.spawn(PUSH, permissions="permissionless")
    idle(team, one)
    idle(team, other)
    assert not [line for line in team.journal() if "needs_input" in line]


def test_messages_are_told_one_after_the_other_in_order(team: Team) -> None:
    session = team.spawn("do: ask go?")
    team.until(session, "needs_input")
    texts = [f"do: say {number}" for number in range(8)]
    for text in texts:
        team.call("send", session=session, message=text)
    team.until_so(session, lambda shown: len(team.heard(session)) == 9)
    assert team.heard(session)[1:] == texts


@pytest.mark.parametrize(
    "text", ["/help", "!rm x", "@file", "ünï 漢字 🙂\nsecond\tline", "x" * 50_000]
)
def test_a_message_arrives_as_it_is_and_is_never_a_command_of_the_agents(
    team: Team, text: str
) -> None:
    session = team.spawn("do: say hello")
    idle(team, session)
    assert team.call("send", session=session, message=text)["state"] == "accepted"
    idle(team, session)
    heard = team.heard(session)[-1]
    assert text in heard
    assert not heard.startswith(("/", "!", "@"))


def test_a_turn_can_be_interrupted_and_the_worker_stays(team: Team) -> None:
    session = team.spawn("do: sleep 600")
    team.until(session, "working")
    eventually(lambda: len(spoken(team, session)) > 1)
    team.call("interrupt", session=session)
    idle(team, session)
    assert team.call("send", session=session, message="do: say again")["state"] == "accepted"
    idle(team, session)


def test_interrupting_closes_the_permission_that_is_asked_for(team: Team) -> None:
    session = team.spawn(PUSH)
    team.until(session, "needs_input")
    team.call("interrupt", session=session)
    assert idle(team, session)["permissions_pending"] == []
    with pytest.raises(AoError):
        team.call("answer", session=session, decision="allow")


def test_an_engine_that_is_killed_loses_neither_turn_nor_request_nor_message(team: Team) -> None:
    session = team.spawn(PUSH, "do: write a.txt <<a>>", "do: commit a")
    (before,) = team.until(session, "needs_input")["permissions_pending"]
    team.call("send", session=session, message="do: say later")
    pid = team.agent(session).pid
    team.kill_engine()
    shown = team.until(session, "needs_input")
    (after,) = shown["permissions_pending"]
    assert after == before
    assert team.agent(session).pid == pid
    team.call("answer", session=session, decision="deny")
    team.until_so(session, lambda now: now["state"] == "idle" and len(team.heard(session)) == 2)
    assert team.heard(session)[1] == "do: say later"
    assert done(team, session).count("commit a") == 1
    assert len([line for line in team.journal() if "permission.asked" in line]) == 1


def test_a_turn_that_ends_while_no_engine_runs_is_known_by_the_next(team: Team) -> None:
    session = team.spawn("do: sleep 1", "do: write a.txt <<a>>", "do: commit a")
    eventually(lambda: len(spoken(team, session)) > 1)
    team.kill_engine()
    eventually(lambda: spoken(team, session)[-1]["text"] == "commit a")
    shown = idle(team, session)
    assert len(shown["commits"]) == 1
    assert len(team.heard(session)) == 1


def test_a_lost_host_is_known_at_once_its_agent_ended_and_brought_back(team: Team) -> None:
    session = team.spawn("do: write a.txt <<a>>", "do: commit a", "do: sleep 600", "do: say end")
    eventually(lambda: done(team, session) == ["write a.txt", "commit a"])
    child = team.agent(session)
    host = child.parent()
    assert host is not None
    host.kill()
    shown = team.until_so(session, lambda now: now["state"] == "terminated")
    assert (shown["reason"], shown["runtime"]) == ("runtime_lost", "exited")
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert "restore" in shown["why"]
    team.call("restore", session=session)
    team.until_so(session, lambda now: now["activity"] == "active")
    assert done(team, session) == ["write a.txt", "commit a"]
    team.call("interrupt", session=session)
    idle(team, session)


def test_an_agent_that_dies_mid_turn_goes_on_where_it_was_once_restored(team: Team) -> None:
    session = team.spawn("do: write a.txt <<a>>", "do: ask go?", "do: commit a")
    team.until(session, "needs_input")
    team.agent(session).kill()
    team.until(session, "terminated")
    team.call("restore", session=session)
    shown = team.until_so(session, lambda now: now["runtime"] == "alive")
    assert shown["state"] in ("working", "idle", "needs_input")
    assert team.call("send", session=session, message="yes")["state"] == "accepted"
    team.until_so(session, lambda now: now["commits"] != [])
    assert done(team, session) == ["write a.txt", "answered: yes", "commit a"]


def test_one_brought_back_with_nothing_to_do_rests_from_the_start(team: Team) -> None:
    session = team.spawn("do: say done")
    idle(team, session)
    team.agent(session).kill()
    team.until(session, "terminated")
    team.call("restore", session=session)
    shown = team.call("show", session=session)
    assert (shown["state"], shown["reason"]) == ("idle", "turn_ended")


def test_a_kill_ends_agent_and_host_and_saves_what_was_not_committed(team: Team) -> None:
    session = team.spawn("do: write a.txt <<unsaved>>", "do: ask go?")
    team.until(session, "needs_input")
    child = team.agent(session)
    host = child.parent()
    killed = team.call("kill", session=session)
    assert killed["salvage"]
    assert host is not None
    eventually(lambda: not child.is_running() and not host.is_running())
    team.call("restore", session=session)
    path = Path(team.call("show", session=session)["path"])
    assert (path / "a.txt").read_text() == "unsaved\n"


def test_stop_and_start_bring_the_conversation_back(team: Team) -> None:
    session = team.spawn("do: ask colour?", "do: write {answer}.txt <<x>>", "do: commit it")
    team.until(session, "needs_input")
    team.call("stop")
    eventually(lambda: not team.processes())
    team.call("restore", session=session)
    team.call("send", session=session, message="red")
    team.until_so(session, lambda now: now["commits"] != [])
    assert "]\nred" in team.call("read", session=session, what="turns")["text"]


def test_the_conversation_of_one_that_has_ended_can_be_read(team: Team) -> None:
    session = team.spawn("do: say remember me")
    idle(team, session)
    team.agent(session).kill()
    team.until(session, "terminated")
    assert "remember me" in team.call("read", session=session, what="turns")["text"]
    team.kill_engine()
    assert "remember me" in team.call("read", session=session, what="turns")["text"]
    followed = team.call("transcript", session=session)
    assert followed["ended"]
    assert "remember me" in str(followed["items"])


def test_another_engine_takes_over_while_a_turn_goes_on(team: Team) -> None:
    session = team.spawn("do: ask go?", "do: commit a")
    team.until(session, "needs_input")
    pid = team.agent(session).pid
    psutil.Process(team.engine_pid).terminate()
    eventually(lambda: team.running_pid() is None)
    assert team.call("answer", session=session, text="yes")["state"] == "accepted"
    idle(team, session)
    assert team.agent(session).pid == pid
    assert done(team, session) == ["answered: yes", "nothing to commit"]


def test_a_worker_that_talks_without_end_is_followed_and_its_log_kept_short(
    team: Team,
) -> None:
    config = team.repository / "agent-orchestrator.yaml"
    chatty = "      preset: worker\n      args: [--chatty, --split-writes]\n"
    runtime = f"    runtime: {{plugin: process, log: {LOG}, segment: {LOG // 2}}}\n    agent:"
    text = config.read_text().replace("      preset: worker\n", chatty)
    config.write_text(text.replace("    agent:", runtime))
    team.trusted()
    session = team.spawn(*[f"do: say number {number}" for number in range(40)], "do: commit a")
    idle(team, session)
    assert "number 39" in team.call("read", session=session, what="turns")["text"]
    assert len(done(team, session)) == 41
    folder = team.place(session).folder
    eventually(lambda: _kept(folder) <= LOG)
    last = max(int(path.name, 16) for path in folder.glob("[0-9a-f]" * 16))
    assert last > LOG  # which is less than was ever in it


def _kept(folder: Path) -> int:
    """How much of the log there is, while its oldest parts go."""
    sizes = 0
    for path in folder.glob("[0-9a-f]" * 16):
        with suppress(FileNotFoundError):
            sizes += path.stat().st_size
    return sizes


def test_an_answer_that_is_repeated_is_not_refused_for_what_came_since(team: Team) -> None:
    session = team.spawn("do: ask go?", PUSH)
    team.until(session, "needs_input")
    once = team.call("answer", session=session, text="yes", key="k")
    team.until_so(session, lambda now: now["permissions_pending"] != [])
    again = team.call("answer", session=session, text="yes", key="k")
    assert (again["message"], again["state"]) == (once["message"], "accepted")


def test_after_a_stop_nobody_waits_for_an_answer_or_a_delivery(team: Team) -> None:
    session = team.spawn(PUSH)
    team.until(session, "needs_input")
    message = team.call("send", session=session, message="afterwards")
    assert message["state"] == "queued"
    team.call("stop")
    shown = team.call("show", session=session)
    assert shown["permissions_pending"] == []
    states = {one["message"]: one["state"] for one in shown["messages"]}
    assert states[message["message"]] == "failed"
