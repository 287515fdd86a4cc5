"""Two on one issue by mistake: whoever starts the second is told, and nobody is kept from it."""

from team import Team


def test_a_second_worker_on_an_issue_is_started_with_a_warning(team: Team) -> None:
    issue = team.call("create_issue", title="Say hello", body="do: write a.txt a\ndo: commit a")
    first = team.call("spawn", issue=issue["issue"])
    assert first["warnings"] == []
    team.until(first["session"], "pr_open")
    second = team.call("spawn", issue=issue["issue"], copies=2)
    assert second["warnings"] == [f"{first['session']} is on issue {issue['issue']}, too."]
    for session in (*second["copies"], first["session"]):
        team.until_so(session, lambda now: (now["status"], now["state"]) == ("pr_open", "idle"))
        team.call("kill" if session in second["copies"] else "merge", session=session)
    assert team.call("spawn", issue=issue["issue"])["warnings"] == []
