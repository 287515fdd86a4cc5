"""A worker asks; the policy, the lead, or a person at the keyboard answers."""

from pathlib import Path

import pytest

from team import HELD, PLAIN, Team

pytestmark = pytest.mark.parametrize("kind", HELD, ids=str)


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_the_lead_answers_what_the_policy_leaves_open(team: Team, decision: str) -> None:
    session = team.spawn("do: run touch ran.txt", "do: say done")
    shown = team.until(session, "needs_input")
    (asked,) = shown["permissions_pending"]
    assert (asked["tool"], asked["arguments"]) == ("run", "touch ran.txt")

    answered = team.call("answer", session=session, decision=decision)
    assert answered["state"] == "answered"
    shown = team.until(session, "idle")
    assert shown["permissions_pending"] == []
    assert (Path(shown["path"]) / "ran.txt").exists() is (decision == "allow")


def test_what_the_policy_allows_disturbs_nobody(team: Team) -> None:
    session = team.spawn("do: run git status", "do: say done")
    team.until(session, "idle")
    events = team.call("read", session=session, what="events")["text"]
    assert "permission.answered" in events
    assert "permission.asked" not in events
    assert "needs_input" not in events


def test_a_message_waits_while_a_permission_is_open(team: Team) -> None:
    session = team.spawn("do: run touch ran.txt", "do: say done")
    team.until(session, "needs_input")
    message = team.kind.worded("do: say more")
    held = team.call("send", session=session, message=message)
    assert (held["state"], held["reason"]) == ("queued", "it waits for a permission")
    team.call("answer", session=session, decision="deny")
    assert team.settled(session, held)["state"] == "accepted"


def test_text_is_no_answer_to_a_permission(team: Team) -> None:
    session = team.spawn("do: run touch ran.txt")
    team.until(session, "needs_input")
    with pytest.raises(Exception, match="asks for a permission") as refused:
        team.call("answer", session=session, text="yes")
    assert getattr(refused.value, "code", "") == "wrong_state"


def test_a_message_that_looks_like_a_dialog_is_not_typed_and_the_reason_told(team: Team) -> None:
    session = team.spawn("do: say ready")
    team.until(session, "idle")
    sent = team.call("send", session=session, message="He said: Do you want to proceed?")
    if team.kind.drive == PLAIN.drive:
        assert sent["state"] == "failed"
        assert "dialogs" in sent["reason"]
    else:  # nothing is typed there
        assert sent["state"] == "accepted"
