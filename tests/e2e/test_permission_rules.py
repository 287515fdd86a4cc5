"""A person's rules, answers for always, and a time limit, with workers that really ask."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from ao_core.errors import AoError, Refused, WrongState
from team import HELD, KINDS, Team

RAN = "do: run touch ran.txt"


def configured(team: Team, defaults: str) -> None:
    """The home's own configuration, which needs no trust."""
    team.home.mkdir(mode=0o700, exist_ok=True)
    (team.home / "config.yaml").write_text(f"{team.kind.home}defaults: {defaults}\n")


def answers(team: Team, session: str) -> list[str]:
    """What the journal has of answers, in words."""
    text = team.call("read", session=session, what="events", max_chars=20_000)["text"]
    return [line for line in text.split("\n") if "permission.answered" in line]


def has_run(shown: dict[str, Any]) -> bool:
    return (Path(shown["path"]) / "ran.txt").exists()


@pytest.mark.parametrize("kind", HELD, ids=str)
def test_what_a_rule_denies_is_not_done_and_nobody_is_asked(team: Team) -> None:
    configured(team, "{permission_rules: [{decision: deny, command: touch}]}")
    session = team.spawn("do: run ls && touch ran.txt", RAN, "do: say done")
    shown = team.until(session, "idle")
    assert not has_run(shown)
    told = answers(team, session)
    assert len(told) == 2
    assert all("by=policy" in line for line in told)
    assert all("reason=rule 1 of the defaults: deny touch" in line for line in told)
    events = team.call("read", session=session, what="events", max_chars=20_000)["text"]
    assert "permission.asked" not in events


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_rule_that_is_made_while_a_worker_works_holds_from_then_on(team: Team) -> None:
    session = team.spawn("do: say ready")
    team.until(session, "idle")
    configured(team, "{permission_rules: [{decision: allow, command: touch, path: inside}]}")
    team.tell(session, RAN)
    team.until_so(session, has_run)
    assert any("allow touch inside" in line for line in answers(team, session))
    team.tell(session, "do: run touch ../ran.txt")
    (asked,) = team.until(session, "needs_input")["permissions_pending"]
    assert asked["arguments"] == "touch ../ran.txt"
    team.deny(session, asked["request"])


def test_a_repositorys_rules_hold_once_they_are_trusted(team: Team) -> None:
    session = team.spawn("do: say ready")
    team.until(session, "idle")
    path = team.repository / "agent-orchestrator.yaml"
    rules = "    permission_rules: [{decision: allow, command: touch}]\n"
    path.write_text(path.read_text() + rules)
    team.tell(session, RAN)
    (asked,) = team.until(session, "needs_input")["permissions_pending"]
    team.deny(session, asked["request"])
    team.until(session, "idle")
    team.trusted().tell(session, RAN)
    team.until_so(session, has_run)


@pytest.mark.parametrize("kind", HELD, ids=str)
def test_what_is_answered_for_always_is_asked_once_and_survives_the_engine(team: Team) -> None:
    session = team.spawn(RAN, "do: run touch other.txt", RAN, "do: say done")
    team.until(session, "needs_input")
    team.call("answer", session=session, decision="deny", always=True)
    shown = team.until_so(
        session, lambda now: any("other" in one["arguments"] for one in now["permissions_pending"])
    )
    (line,) = shown["always"]
    assert line.startswith("deny run: touch ran.txt (person, ")
    team.kill_engine()
    team.sure("answer", session=session, decision="allow")
    shown = team.until(session, "idle")
    assert not has_run(shown)
    assert (Path(shown["path"]) / "other.txt").exists()
    once, _, again = answers(team, session)
    assert "by=person always=True" in once
    assert "by=person reason=for always, as of " in again
    ended = team.call("kill", session=session)
    assert ended["status"] == "killed"
    assert team.call("show", session=session)["always"] == []


def test_a_rule_that_denies_stands_above_an_answer_for_always(team: Team) -> None:
    session = team.spawn(RAN, "do: run rm ran.txt", "do: say done")
    team.until(session, "needs_input")
    team.call("answer", session=session, decision="allow", always=True)
    team.until_so(session, lambda now: has_run(now) and now["status"] == "needs_input")
    team.call("answer", session=session, decision="allow")
    team.until(session, "idle")
    configured(team, "{permission_rules: [{decision: deny, command: touch}]}")
    team.tell(session, RAN)
    shown = team.until(session, "idle")
    assert not has_run(shown)
    assert "rule 1 of the defaults" in answers(team, session)[-1]


def test_what_only_a_shell_understands_is_allowed_once_only(team: Team) -> None:
    session = team.spawn("do: run touch ran.txt; ls", "do: say done")
    team.until(session, "needs_input")
    with pytest.raises(WrongState, match="can be allowed once only") as refused:
        team.call("answer", session=session, decision="allow", always=True)
    assert refused.value.hint == "Leave `always` out."
    team.call("answer", session=session, decision="allow")
    assert (Path(team.until(session, "idle")["path"]) / "ran.txt;").exists()  # it has no shell


def test_always_is_said_of_a_decision_only(team: Team) -> None:
    session = team.spawn("do: say ready")
    team.until(session, "idle")
    with pytest.raises(AoError, match="`always` is said of a permission"):
        team.call("answer", session=session, text="yes", always=True)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_no_worker_answers_for_itself_or_for_another(team: Team) -> None:
    one, other = team.spawn(RAN), team.spawn("do: say ready")
    team.until(one, "needs_input")
    for session in (one, other):
        env = psutil.Process(team.agent(session).pid).environ()
        with team.connect(role="worker", token=env["AO_TOKEN"]) as connection:
            for always in (True, False):
                asked = {"session": one, "decision": "allow", "always": always}
                with pytest.raises(Refused):
                    connection.call("answer", asked, 10.0)
    assert team.call("show", session=one)["permissions_pending"]
    team.call("answer", session=one, decision="deny")


@pytest.mark.parametrize("kind", HELD, ids=str)
def test_what_nobody_answers_in_time_is_denied_though_the_engine_is_killed(team: Team) -> None:
    configured(team, "{permission_timeout: 12s}")
    session = team.spawn(RAN, "do: say done")
    (asked,) = team.until(session, "needs_input")["permissions_pending"]
    began = time.monotonic()
    team.kill_engine()
    shown = team.until(session, "idle")
    assert time.monotonic() - began > 2
    assert not has_run(shown)
    (told,) = answers(team, session)
    assert f"request={asked['request']}" in told
    assert "answer=deny by=timeout reason=nobody has answered within 12 s" in told


def test_on_the_command_line_it_is_a_flag(team: Team) -> None:
    session = team.spawn(RAN, "do: say done")
    team.until(session, "needs_input")
    ao(team, "answer", session, "--decision", "allow", "--always")
    assert has_run(team.until(session, "idle"))
    assert "always" in ao(team, "show", session)


def ao(team: Team, *argv: str) -> str:
    """A command, as a person types it."""
    done = subprocess.run(
        [sys.executable, "-m", "ao_mcp.cli", *argv], cwd=team.repository, env=team.env,
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.stdout
