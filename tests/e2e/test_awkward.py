"""A worker that folds pastes, ignores its first Enter, never stops redrawing, and raises a dialog
while a message is on its way: each message arrives once, and nothing ever answers the dialog but
an answer.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from ao_core.engine import courier
from ao_core.engine.caller import Caller
from ao_core.engine.engine import Engine
from ao_core.engine.keys import Ticket
from ao_core.engine.send import Letter, send
from ao_core.engine.spawn import Wish, spawn
from ao_core.engine.wait import Until, wait
from ao_core.ids import SessionId
from ao_core.store.records import MESSAGE, SETTLED, Delivery
from inside import a_person, engine_at, settled
from team import AWKWARD, PTY, Kind, Team, eventually, heard

DIALOG, FOLDED = "Do you want to proceed?", "[Pasted text #1 +"
TASK = AWKWARD.worded("do: write told.txt told\ndo: commit told")


@pytest.fixture
def kind() -> Kind:
    return AWKWARD


def midway(team: Team) -> tuple[str, dict[str, Any]]:
    """A worker that has raised its dialog in the middle of a message."""
    session = team.spawn("do: say ready")
    team.until(session, "idle")
    sent = team.call("send", session=session, message=TASK)
    assert sent["reason"] == "it waits for a permission", sent
    return session, sent


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_a_dialog_in_the_middle_of_a_message_is_answered_and_the_message_goes_on(
    team: Team, decision: str
) -> None:
    session, sent = midway(team)
    shown = team.call("show", session=session)
    (asked,) = shown["permissions_pending"]
    assert (shown["attention"], asked["arguments"]) == ("lead", "make everything")
    eventually(lambda: DIALOG in team.screen(session))

    answered = team.call("answer", session=session, decision=decision)
    assert (answered["state"], answered["decision"]) == ("answered", decision)
    assert team.settled(session, sent)["state"] == "accepted"
    assert team.until(session, "pr_open")["permissions_pending"] == []
    assert f"{decision}: make everything" in team.screen(session)
    assert team.heard(session)[1:] == [TASK]


def test_a_person_at_the_keyboard_may_answer_it_as_well(team: Team) -> None:
    session, _ = midway(team)
    eventually(lambda: DIALOG in team.screen(session))
    team.tmux("send-keys", "-t", f"={session}:", "2")
    team.until_so(session, lambda shown: shown["messages"][-1]["state"] == "accepted")
    team.until(session, "pr_open")
    assert team.heard(session)[1:] == [TASK]
    assert "permission.expired" in team.call("read", session=session, what="events")["text"]


@pytest.mark.parametrize("kind", [AWKWARD, replace(AWKWARD, runtime=PTY.runtime)], ids=str)
def test_an_engine_that_was_just_replaced_presses_nothing_for_a_hook_that_comes_back(
    team: Team,
) -> None:
    session, sent = midway(team)
    team.kill_engine()
    answered = team.sure("answer", session=session, decision="deny")
    assert (answered["state"], answered["reason"]) == ("answered", "told to its hook")
    assert team.settled(session, sent)["state"] == "accepted"
    team.until(session, "pr_open")
    assert team.heard(session)[1:] == [TASK]


def test_a_long_message_is_shown_folded_and_arrives_whole(team: Team) -> None:
    session, sent = midway(team)
    team.call("answer", session=session, decision="deny")
    eventually(lambda: FOLDED in team.screen(session))  # its first Enter is ignored
    assert team.settled(session, sent)["state"] == "accepted"


async def test_what_is_left_of_an_uncertain_message_does_not_go_along_with_the_next(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "sample"
    config = settled(home, repository, AWKWARD) / "config.yaml"
    config.write_text(config.read_text().replace(", --dialog-mid-send", ""))
    async with engine_at(home) as engine:
        caller = a_person(repository)
        session = (await spawn(engine, caller, Wish(prompt="do: say ready"), Ticket())).id
        await wait(engine, [session], Until.IDLE, 0, 30)
        with monkeypatch.context() as once:
            once.setattr(courier, "_PRESSES", 0)  # so that its first Enter, ignored, is the last
            once.setattr(courier, "_PROOF_DEADLINE", 0.2)
            first = await told(engine, caller, session, AWKWARD.worded("first"))
        assert first is Delivery.UNCERTAIN
        cursor = engine.records.store.head
        assert await told(engine, caller, session, TASK) is Delivery.ACCEPTED
        await wait(engine, [session], Until.IDLE, cursor, 30)
        assert heard(Path(engine.session(session).path))[1:] == [TASK]


async def told(engine: Engine, caller: Caller, session: SessionId, text: str) -> Delivery:
    """Send it; its last receipt."""
    id = (await send(engine, caller, session, Letter(text), Ticket())).id

    def is_over() -> Delivery | None:
        message = engine.records.find(MESSAGE, id)
        return message.state if message and message.state in SETTLED else None

    with anyio.fail_after(30):
        return await engine.records.until(is_over)
