"""Two workers on the same lines: whoever leads hears of both before anything is merged."""

from team import Team, eventually


def overlaps(team: Team) -> list[str]:
    return [line for line in team.journal() if "session.overlaps" in line]


def test_whoever_leads_is_told_once_that_two_workers_change_the_same_lines(team: Team) -> None:
    one, two, three = (
        team.spawn(f"do: write {name} <<by {number}>>", "do: commit work")
        for number, name in enumerate(("README.md", "README.md", "other.md"))
    )
    for session in (one, two, three):
        team.until_so(session, lambda now: now["state"] == "idle" and now["commits"])
    eventually(lambda: len(overlaps(team)) == 2)
    assert team.call("show", session=one)["overlaps"] == [f"{two}: README.md:1"]
    assert team.call("show", session=two)["overlaps"] == [f"{one}: README.md:1"]
    assert team.call("show", session=three)["overlaps"] == []
    news = team.call("wait", sessions=[two], until="any", cursor=1, seconds=0)
    assert any("session.overlaps" in line and one in line for line in news["events"])
    team.kill_engine()
    team.call("kill", session=one)
    team.until_so(two, lambda now: not now["overlaps"])
    assert len(overlaps(team)) == 2
