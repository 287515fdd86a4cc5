"""The lead's loop on a GitLab: issue, pushed, judged, mended, discussed, approved, merged."""

from collections.abc import Generator
from pathlib import Path

import pytest

from e2e.forges import APP, Forge, OnGitLab, founded, mended
from standins.gitlab import hosted
from standins.gitlab.records import Note
from team import Kind, git

PUSH = "do: run git push -q origin HEAD"


@pytest.fixture
def forge(tmp_path: Path, kind: Kind) -> Generator[Forge]:
    with (
        hosted(tmp_path / "host") as host,
        founded(tmp_path, OnGitLab(host), kind, tracker=True) as forge,
    ):
        yield forge


def remark(forge: Forge, session: str, path: str, line: int, body: str) -> Note:
    """A reviewer's, on a line."""
    one = forge.pull(session)
    refs = {"base_sha": one.base_sha, "start_sha": one.start_sha, "head_sha": one.sha}
    at = {"position_type": "text", "old_path": path, "new_path": path, "new_line": line}
    note: Note = forge.world.discussion(one, body, forge.world.reviewer, position={**refs, **at})
    return note


def test_from_an_issue_to_merged_work(forge: Forge) -> None:
    team, world = forge.team, forge.world
    world.named(APP).pipeline_must_succeed = True
    issue = world.issue(APP, "Count", "Do this:\ndo: write a.txt one\ndo: commit one")
    listed = team.call("list_issues")["issues"]
    assert [(one["issue"], one["title"]) for one in listed] == [("1", "Count")]
    session = team.call("spawn", issue="1", permissions="permissionless")["session"]
    forge.publish(session, "Count")
    assert "Count" in team.heard(session)[0]
    one = forge.pull(session)

    trace = "\n".join([*(f"line {n}" for n in range(90)), "ERROR: too long"])
    run = world.pipeline(one, {"build": "success"})
    lint = world.job(run, "lint", "failed", stage="check", trace=trace)
    forge.look(session)
    team.until(session, "ci_failed")
    told = mended(team, session, "too long")
    assert "lint" in told
    assert "failed in stage check" in told
    assert told.index("<data") < told.index("line 89") < told.index("too long")
    assert "line 1\n" not in told
    assert lint.pipeline is run

    team.tell(session, f"do: write a.txt two\ndo: commit two\n{PUSH}")
    team.until(session, "pr_open")
    world.pipeline(one, {"build": "success", "lint": "success"})
    note = remark(forge, session, "a.txt", 1, "Say three.")
    (thread,) = [it for it in one.discussions if note in it.notes]
    world.review(one, "requested_changes")
    forge.look(session)
    team.until(session, "changes_requested")
    told = mended(team, session, "Say three.")
    assert "a.txt:1" in told
    assert thread.id in told

    team.tell(session, f"do: write a.txt three\ndo: commit three\n{PUSH}")
    team.until_so(session, lambda now: now["state"] == "idle")
    world.pipeline(one, {"build": "success", "lint": "success"})
    world.resolve(thread)
    world.review(one, "approved")
    forge.look(session)
    team.until(session, "mergeable")
    done = team.call("merge", session=session)
    assert (done["merged"], done["outcome"]) == (True, "landed")
    assert one.state == "merged"
    assert git(forge.host.bare, "show", "main:a.txt") == "three"
    assert issue.state == "closed"
    team.until(session, "merged")
    assert team.call("list_issues")["issues"] == []


def test_where_the_target_has_moved_a_rebase_merges(forge: Forge) -> None:
    team, world = forge.team, forge.world
    world.named(APP).merge_method = "ff"
    session = forge.spawn("do: write a.txt one", "do: commit one")
    one = forge.pull(session)
    before, moved = one.sha, world.commit(APP, "main", {"b.txt": "b\n"})
    refused = team.call("merge", session=session)
    assert not refused["merged"]
    assert "rebase" in str(refused)
    done = team.call("merge", session=session, method="rebase")
    assert (done["merged"], done["outcome"]) == (True, "landed"), done
    assert (one.state, one.sha != before) == ("merged", True)
    assert git(forge.host.bare, "rev-parse", "main~1") == moved
    assert git(forge.host.bare, "show", "main:a.txt") == "one"
    team.until(session, "merged")


def test_work_begins_at_the_target_as_the_host_has_it(forge: Forge) -> None:
    head = forge.world.commit(APP, "main", {"b.txt": "b\n"})
    shown = forge.team.call("show", session=forge.team.spawn("do: say nothing"))
    assert git(Path(shown["path"]), "merge-base", "HEAD", head) == head
    assert git(forge.team.repository, "rev-parse", "main") != head
