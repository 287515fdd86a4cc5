"""Reactions of a real engine: what happened is told once, whatever becomes of the engine."""

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
