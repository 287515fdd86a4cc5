"""Claude Code's own dialogs, in a real terminal: who answers what, and what is not answered."""

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from agents.known import known
from agents.stage import Stage, staged
from ao_core.errors import AoError
from ao_core.store.records import SETTLED
from snapshot import snapshot
from team import eventually

FOLDER = Path(os.environ.get("AO_AGENTS") or os.devnull).resolve()
REAL = known()["claude-code-terminal"]
PATIENCE = 90.0
MESSAGES = 100
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(REAL.installed(FOLDER) is None, reason="AO_AGENTS names no Claude Code"),
]


@pytest.fixture
def stage(tmp_path: Path) -> Generator[Stage]:
    with staged(REAL, tmp_path / "s", FOLDER) as one:
        yield one


def asked(stage: Stage, session: str, but: str = "") -> dict[str, Any]:
    """The request that it waits with, once it is another one."""

    def is_another(shown: dict[str, Any]) -> bool:
        return any(one["request"] != but for one in shown["permissions_pending"])

    shown = stage.team.until_so(session, is_another, PATIENCE)
    (one,) = shown["permissions_pending"]
    return one


def test_an_answer_to_one_dialog_never_lands_on_the_next(stage: Stage) -> None:
    team = stage.team
    session = team.call("spawn", prompt="RUN: touch one > a\nRUN: touch two > b")["session"]
    first = asked(stage, session)
    answer = {"session": session, "request": first["request"], "decision": "allow"}
    assert team.call("answer", **answer)["state"] == "answered"
    second = asked(stage, session, but=first["request"])
    with pytest.raises(AoError):
        team.call("answer", **answer)
    shown = team.call("show", session=session)
    assert [one["request"] for one in shown["permissions_pending"]] == [second["request"]]
    assert not (Path(shown["path"]) / "two").exists()
    team.call("answer", session=session, request=second["request"], decision="deny")
    team.until(session, "idle", PATIENCE)
    assert (Path(shown["path"]) / "one").exists()
    assert not (Path(shown["path"]) / "two").exists()


@pytest.mark.parametrize(("key", "happens"), [("Enter", True), ("Escape", False)])
def test_what_a_person_answers_at_the_keyboard_is_known(
    stage: Stage, key: str, happens: bool
) -> None:
    team = stage.team
    session = team.call("spawn", prompt="RUN: touch one > a")["session"]
    request = asked(stage, session)["request"]
    eventually(lambda: "Esc to cancel" in team.screen(session), PATIENCE)
    team.tmux("send-keys", "-t", f"={session}:", key)
    team.until_so(session, lambda now: not now["permissions_pending"], PATIENCE)
    shown = team.until(session, "idle", PATIENCE)
    assert (Path(shown["path"]) / "one").exists() is happens
    told = [line for line in team.journal() if request in line and "expired" in line]
    assert len(told) == 1


def test_an_engine_that_was_away_is_asked_again_and_answers(stage: Stage) -> None:
    team = stage.team
    session = team.call("spawn", prompt="RUN: touch one > a")["session"]
    first = asked(stage, session)
    team.kill_engine()
    again = asked(stage, session)
    assert again["request"] == first["request"]
    team.call("answer", session=session, decision="allow")
    shown = team.until(session, "idle", PATIENCE)
    assert (Path(shown["path"]) / "one").exists()


def test_a_hundred_messages_to_who_is_busy_arrive_in_order_and_once(stage: Stage) -> None:
    team, model = stage.team, stage.model
    session = team.call("spawn", prompt="RUN: git status\nSAY: begun")["session"]
    sent = [
        team.call("send", session=session, message=f"SAY: heard number {n}.", mode="now")["message"]
        for n in range(MESSAGES)
    ]
    team.until_so(session, lambda now: _is_settled(now, sent[-1]), PATIENCE * 3)
    states = {one.id: one.state.value for one in snapshot(team.home).messages.values()}
    assert [states[one] for one in sent] == ["accepted"] * MESSAGES
    eventually(lambda: model.heard(f"heard number {MESSAGES - 1}.") == 1, PATIENCE)
    told = [text for text in model.asked[-1].told if text]
    joined = "\n".join(told)
    places = [joined.index(f"heard number {n}.") for n in range(MESSAGES)]
    assert places == sorted(places)
    assert [joined.count(f"SAY: heard number {n}.") for n in range(MESSAGES)] == [1] * MESSAGES


def _is_settled(shown: dict[str, Any], message: str) -> bool:
    states = {one["message"]: one["state"] for one in shown["messages"]}
    return states.get(message) in SETTLED
