"""A worker reports and asks from its shell, and from nowhere else."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from faces.terminal import AO
from team import PLAIN, PROTOCOL, Kind, Team, eventually


def environment(team: Team, session: str) -> Mapping[str, str]:
    return team.agent(session).environ()


def ao(env: Mapping[str, str], *args: str, cwd: Path | None = None) -> subprocess.Popen[str]:
    """As the agent would from a shell of its own; found on its PATH."""
    pipe = subprocess.PIPE
    program = next(
        found for place in env["PATH"].split(":") if os.access(found := f"{place}/ao", os.X_OK)
    )
    return subprocess.Popen([program, *args], env=env, cwd=cwd, stdout=pipe, stderr=pipe, text=True)


def said(process: subprocess.Popen[str], status: int = 0) -> str:
    out, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    return (out if status == 0 else err).strip()


def resting(team: Team) -> str:
    session = team.spawn("do: say ready")
    team.until(session, "idle")
    return session


@pytest.mark.parametrize("kind", [PLAIN, PROTOCOL], ids=str)
def test_what_it_asks_in_the_middle_of_its_turn_is_answered_there(team: Team, kind: Kind) -> None:
    session = team.spawn("do: run ao ask 'which way?'", "do: write a.txt <<a>>", "do: commit a")
    asked = team.until(session, "needs_input")
    assert asked["question"] == "which way?"
    answered = team.call("answer", session=session, text="to the left")
    assert answered["state"] == "accepted"
    shown = team.until_so(session, lambda now: now["state"] == "idle" and now["commits"])
    assert shown["question"] is None
    assert [one["state"] for one in shown["messages"]][-1] == "accepted"
    assert not any("to the left" in text for text in team.heard(session))
    assert "to the left" in (Path(shown["path"]) / ".ao" / "worker.jsonl").read_text()


def test_a_report_is_the_workers_own_word(team: Team) -> None:
    session = resting(team)
    reply = said(ao(environment(team, session), "report", "--state", "blocked", "no network"))
    assert reply.startswith("Noted.")
    assert team.call("show", session=session)["report"] == "blocked: no network"


def test_without_an_answer_in_time_the_question_stays_and_what_comes_later_is_a_message(
    team: Team,
) -> None:
    session = resting(team)
    told = said(ao(environment(team, session), "ask", "--timeout", "0", "anybody?"), 1)
    assert "End your turn" in told
    assert team.call("show", session=session)["question"] == "anybody?"
    assert team.reply(session, "do: say late")["state"] == "accepted"
    assert any("do: say late" in text for text in team.heard(session))


def test_a_question_outlives_the_engine_it_was_put_to(team: Team) -> None:
    session = resting(team)
    waiting = ao(environment(team, session), "ask", "still there?")
    team.until(session, "needs_input")
    team.kill_engine()
    team.call("about")
    team.until(session, "needs_input")
    eventually(lambda: len(psutil.Process(waiting.pid).net_connections("unix")) > 0)
    team.call("answer", session=session, text="yes")
    out, err = waiting.communicate(timeout=60)
    assert (out.strip() == "yes") or "next message" in err


def test_an_answer_that_came_while_no_engine_heard_the_asker_is_not_lost(team: Team) -> None:
    session = resting(team)
    waiting = ao(environment(team, session), "ask", "still there?")
    team.until(session, "needs_input")
    asker = psutil.Process(waiting.pid)
    asker.suspend()
    team.kill_engine()
    team.call("answer", session=session, text="yes")
    asker.resume()
    out, err = waiting.communicate(timeout=60)
    assert (out.strip() == "yes") or "next message" in err


def test_outside_a_worker_both_are_refused(team: Team) -> None:
    session = resting(team)
    for verb in ("report", "ask"):
        asked = subprocess.run(
            [*AO, verb, "hello"], env=team.env, capture_output=True, text=True, timeout=60
        )
        assert asked.returncode == 1
        assert "for workers" in asked.stderr
    forged = {**environment(team, session), "AO_TOKEN": "0" * 64}
    assert "not one of a live session" in said(ao(forged, "report", "I am done"), 1)
    own = environment(team, session)
    team.call("kill", session=session)
    assert "not one of a live session" in said(ao(own, "report", "I am done"), 1)
