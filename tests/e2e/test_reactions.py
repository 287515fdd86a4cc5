"""Reactions of a real engine: what happened is told once, whatever becomes of the engine."""

import json
from pathlib import Path

from receiver import Answer, Receiver
from team import Team, eventually


def reactions(team: Team) -> list[str]:
    return [line for line in team.journal() if "reaction." in line]


def test_an_agent_that_ends_by_itself_is_told_of_once_and_one_that_is_killed_is_not(
    team: Team,
) -> None:
    lost, killed = team.spawn("do: say hello"), team.spawn("do: say hello")
    team.until(lost, "idle")
    team.agent(lost).kill()
    team.call("kill", session=killed)
    eventually(lambda: any("agent-exited" in line for line in reactions(team)))
    team.kill_engine()
    team.call("show", session=lost)
    other = team.spawn("do: say done")
    team.until(other, "idle")
    (told,) = [line for line in reactions(team) if "agent-exited" in line]
    assert "its agent ended" in told


def test_a_person_is_told_by_webhook_once_although_the_engine_was_killed(
    team: Team, tmp_path: Path
) -> None:
    with Receiver() as receiver:
        receiver.answers.append(Answer(500))
        config = team.repository / "agent-orchestrator.yaml"
        hook = f"notifiers: {{hook: {{plugin: webhook, url: '{receiver.url}'}}}}\n"
        config.write_text(f"{hook}defaults: {{notifiers: [hook]}}\n{config.read_text()}")
        team.trusted()
        session = team.spawn("do: say hello")
        team.until(session, "idle")
        team.agent(session).kill()
        eventually(lambda: len(receiver.sent) == 3)
        refused, taken, last = (json.loads(one.body) for one in receiver.sent)
        assert refused == taken  # what was refused is sent again
        assert (taken["kind"], taken["session"]) == ("reaction.agent-exited", session)
        assert "its agent ended" in taken["body"]
        assert last["kind"] == "summary.all_complete"
        eventually(lambda: sum("notification.sent" in line for line in team.journal()) == 2)
        team.kill_engine()
        other = team.spawn("do: say done")
        team.until(other, "idle")
        assert len(receiver.sent) == 3


def test_what_is_urgent_reaches_a_notifier_that_only_the_routing_names(team: Team) -> None:
    with Receiver() as receiver:
        config = team.repository / "agent-orchestrator.yaml"
        hook = f"notifiers: {{hook: {{plugin: webhook, url: '{receiver.url}'}}}}\n"
        config.write_text(f"{hook}notification_routing: {{urgent: [hook]}}\n{config.read_text()}")
        team.trusted()
        session = team.spawn("do: say hello")
        team.until(session, "idle")
        team.agent(session).kill()
        eventually(lambda: bool(receiver.sent))
        assert json.loads(receiver.sent[0].body)["kind"] == "reaction.agent-exited"
        told = team.call("notify", text="by default")
        assert [one["notifier"] for one in told["results"]] == ["lead"]
