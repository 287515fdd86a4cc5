"""Merge requests of the stand-in for GitLab: real branches, real merges, and what is refused."""

import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from standins.gitlab import GitLab
from standins.gitlab.records import MergeRequest

APP = "/projects/acme%2Fapp"
ONE = f"{APP}/merge_requests/1"
SAME = "You can't use same project/branch for source and target"
QUIET = ("-c", "user.name=a", "-c", "user.email=a@example.invalid")


def git(folder: Path, *args: str) -> str:
    done = subprocess.run(
        ["git", *args], cwd=folder, capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.strip()


@pytest.fixture
def one(gitlab: GitLab) -> MergeRequest:
    gitlab.world.commit("acme/app", "feature", {"a.txt": "new\n"})
    return gitlab.world.merge_request("acme/app", "feature", title="A feature")


def opened(asking: httpx.Client, source: str = "feature", **more: object) -> httpx.Response:
    told = {"title": "A feature", "source_branch": source, "target_branch": "main", **more}
    return asking.post(f"{APP}/merge_requests", json=told)


def settled(asking: httpx.Client, iid: int = 1) -> dict[str, Any]:
    path = f"{APP}/merge_requests/{iid}?include_rebase_in_progress=true"
    asking.get(path)
    return asking.get(path).json()


def test_a_merge_request_follows_the_branch_that_is_pushed(
    gitlab: GitLab, asking: httpx.Client, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, *QUIET, "clone", "-q", gitlab.remote(), "clone")
    heads: list[str] = []
    for text in ("first\n", "second\n"):
        (clone / "a.txt").write_text(text)
        git(clone, "add", "-A")
        git(clone, *QUIET, "commit", "-q", "-m", text)
        git(clone, *QUIET, "push", "-q", "origin", "HEAD:feature")
        heads.append(git(clone, "rev-parse", "HEAD"))
        assert opened(asking).status_code == (409 if heads[1:] else 201)
        shown = settled(asking)
        assert (shown["sha"], shown["diff_refs"]["head_sha"]) == (heads[-1], heads[-1])
    versions = asking.get(f"{ONE}/versions").json()
    assert [each["head_commit_sha"] for each in versions] == heads[::-1]
    git(clone, "fetch", "-q", "origin", "refs/merge-requests/1/head")
    assert git(clone, "rev-parse", "FETCH_HEAD") == heads[-1]
    assert asking.put(f"{ONE}/merge", json={"sha": heads[-1]}).json()["state"] == "merged"
    git(clone, "fetch", "-q", "origin", "main")
    assert git(clone, "show", "-s", "--format=%P", "FETCH_HEAD").split()[1] == heads[-1]


def test_git_lets_in_whom_the_project_does(gitlab: GitLab, tmp_path: Path) -> None:
    gitlab.world.token("reading", may_write=False)
    gitlab.world.token("other", "somebody")
    gitlab.world.project("acme/team/app")
    git(tmp_path, *QUIET, "clone", "-q", gitlab.remote("acme/team/app"), "nested")
    for token in ("wrong", "other"):
        with pytest.raises(subprocess.CalledProcessError):
            git(tmp_path, *QUIET, "clone", "-q", gitlab.remote(token=token), "no")
    git(tmp_path, *QUIET, "clone", "-q", gitlab.remote(token="reading"), "clone")
    with pytest.raises(subprocess.CalledProcessError):
        git(tmp_path / "clone", "push", "-q", "origin", "HEAD:feature")


def test_a_new_one_is_prepared_and_checked_by_and_by(gitlab: GitLab, asking: httpx.Client) -> None:
    gitlab.world.commit("acme/app", "feature", {"a.txt": "new\n"})
    told = [opened(asking).json(), asking.get(ONE).json(), asking.get(ONE).json()]
    assert [each["detailed_merge_status"] for each in told] == [
        "preparing", "preparing", "mergeable",
    ]  # fmt: skip
    assert [each["merge_status"] for each in told] == ["checking", "checking", "can_be_merged"]
    assert [bool(each["diff_refs"]) for each in told] == [False, False, True]
    gitlab.world.commit("acme/app", "main", {"b.txt": "moved\n"})
    assert asking.get(ONE).json()["detailed_merge_status"] == "checking"


@pytest.mark.parametrize(
    ("made", "status", "message"),
    [
        ({"source_branch": "none"}, 400, {"source_branch": ["does not exist"]}),
        ({"target_branch": "none"}, 400, {"target_branch": ["does not exist"]}),
        ({"title": " "}, 400, {"title": ["can't be blank"]}),
        ({"source_branch": "main"}, 409, [SAME]),
    ],
)
def test_a_merge_request_is_made_of_what_is_there(
    gitlab: GitLab, asking: httpx.Client, made: dict[str, str], status: int, message: object
) -> None:
    gitlab.world.commit("acme/app", "feature", {"a.txt": "new\n"})
    answer = opened(asking, **made)
    assert (answer.status_code, answer.json()["message"]) == (status, message)


def test_it_is_found_listed_and_changed(
    gitlab: GitLab, asking: httpx.Client, one: MergeRequest
) -> None:
    asked = {"source_branch": "feature", "state": "opened", "with_labels_details": "true"}
    changes = {
        "title": "Draft: it", "add_labels": "a,b", "remove_labels": "a",
        "assignee_ids": [one.author.id, 7], "reviewer_ids": [gitlab.world.reviewer.id],
    }  # fmt: skip
    told = asking.put(ONE, json=changes).json()
    assert (told["draft"], told["labels"], told["id"] != told["iid"]) == (True, ["b"], True)
    assert [user["username"] for user in told["assignees"]] == ["root"]  # no member is 7
    (listed,) = asking.get(f"{APP}/merge_requests", params=asked).json()
    assert (listed["iid"], listed["labels"][0]["name"]) == (1, "b")
    assert asking.get(f"{APP}/merge_requests?iids[]=2&iids[]=3").json() == []
    assert asking.put(ONE, json={"state_event": "close"}).json()["state"] == "closed"
    assert asking.get(f"{APP}/merge_requests?state=opened").json() == []
    assert asking.put(ONE, json={"state_event": "reopen"}).json()["state"] == "opened"
    assert asking.put(ONE, json={}).status_code == 400


def test_a_list_is_kept_unless_it_tells_of_labels_in_full(
    gitlab: GitLab, asking: httpx.Client, one: MergeRequest
) -> None:
    gitlab.world.work_out(one)
    path = f"{APP}/merge_requests"
    word = "detailed_merge_status"
    assert asking.get(path).json()[0][word] == "mergeable"
    gitlab.world.named("acme/app").pipeline_must_succeed = True
    assert asking.get(path).json()[0][word] == "mergeable"
    assert asking.get(f"{path}?with_labels_details=true").json()[0][word] == "ci_must_pass"


def test_what_stands_in_the_way_is_told_in_order(
    gitlab: GitLab, asking: httpx.Client, one: MergeRequest
) -> None:
    world, at = gitlab.world, one.project
    at.pipeline_must_succeed = at.discussions_must_be_resolved = True
    at.merge_method = "ff"
    world.rule(at)
    note = world.discussion(one, "Why?")
    world.review(one, "requested_changes")
    world.commit("acme/app", "main", {"b.txt": "moved\n"})
    one.title = "Draft: it"
    seen: list[str] = []

    def status() -> None:
        seen.append(str(settled(asking)["detailed_merge_status"]))

    status()
    one.title = "it"
    status()
    world.resolve(one.discussions[0])
    status()
    world.approve(one)
    status()
    asking.put(f"{ONE}/rebase")
    settled(asking)
    status()
    world.approve(one)
    status()
    run = world.pipeline(one, {"test": "running"})
    status()
    world.set_jobs(run, {"test": "failed"})
    status()
    world.conclude(world.retry(run.jobs[0]), "success")
    status()
    assert note.resolved_by
    assert seen == [
        "draft_status", "discussions_not_resolved", "requested_changes", "need_rebase",
        "not_approved", "ci_must_pass", "ci_still_running", "ci_must_pass", "mergeable",
    ]  # fmt: skip


@pytest.mark.parametrize("told", [{"sha": "0" * 40}, {}])
def test_what_cannot_be_merged_is_refused(
    gitlab: GitLab, asking: httpx.Client, one: MergeRequest, told: dict[str, str]
) -> None:
    world = gitlab.world
    gitlab.world.token("guest", world.member("acme/app", "guest", 10).username)
    guest = {"private-token": "guest"}
    said = [asking.put(f"{ONE}/merge", json=told, headers=guest).status_code]
    one.title = "Draft: it"
    said.append(asking.put(f"{ONE}/merge", json=told).status_code)
    one.title = "it"
    if told:
        said.append(asking.put(f"{ONE}/merge", json=told).status_code)
    world.commit("acme/app", "main", {"a.txt": "other\n"})
    said.append(asking.put(f"{ONE}/merge", json=told).status_code)
    assert said == [401, 405, *([409] if told else []), 422]
    assert settled(asking)["detailed_merge_status"] == "conflict"
    assert settled(asking)["has_conflicts"] is True


def test_merging_may_fail_at_last(gitlab: GitLab, asking: httpx.Client, one: MergeRequest) -> None:
    gitlab.world.merging_fails = True
    answer = asking.put(f"{ONE}/merge")
    assert (answer.status_code, answer.json()["message"]) == (422, "Branch cannot be merged")
    assert settled(asking)["merge_error"]


@pytest.mark.parametrize(("method", "parents"), [("merge", 2), ("rebase_merge", 2), ("ff", 1)])
@pytest.mark.parametrize("squash", [True, False])
def test_merging_makes_commits(
    gitlab: GitLab, asking: httpx.Client, one: MergeRequest, method: Any, parents: int,
    squash: bool,
) -> None:  # fmt: skip
    one.project.merge_method = method
    head = gitlab.world.commit("acme/app", "feature", {"b.txt": "two\n"})
    how = {"sha": head, "squash": squash, "merge_commit_message": "M", "squash_commit_message": "S"}
    told = asking.put(f"{ONE}/merge", json={**how, "should_remove_source_branch": True}).json()
    bare = one.project.bare
    landed = bare.commit(bare.heads()["main"])
    assert len(landed.parents) == parents
    assert bare.git("diff", landed.sha, head) == ""
    assert told["merge_commit_sha"] == (landed.sha if method != "ff" else None)
    assert bool(told["squash_commit_sha"]) == squash
    assert landed.message == ("M" if method != "ff" else "S" if squash else "work")
    assert asking.get(f"{APP}/repository/branches/feature").status_code == 404


def test_it_is_merged_by_itself_once_it_can(
    gitlab: GitLab, asking: httpx.Client, one: MergeRequest
) -> None:
    assert asking.put(f"{ONE}/merge", json={"auto_merge": True}).status_code == 405  # no pipeline
    run = gitlab.world.pipeline(one, {"test": "running"})
    told = asking.put(f"{ONE}/merge", json={"auto_merge": True, "sha": one.sha}).json()
    assert (told["state"], told["merge_when_pipeline_succeeds"]) == ("opened", True)
    cancel = f"{ONE}/cancel_merge_when_pipeline_succeeds"
    assert [asking.post(cancel).json()["status"] for _ in "12"] == ["success", "error"]
    asking.put(f"{ONE}/merge", json={"merge_when_pipeline_succeeds": True})
    gitlab.world.conclude(run.jobs[0], "success")
    assert asking.get(ONE).json()["state"] == "merged"


def test_a_push_takes_back_what_was_wished_and_approved(
    gitlab: GitLab, asking: httpx.Client, one: MergeRequest
) -> None:
    gitlab.world.rule("acme/app")
    gitlab.world.pipeline(one, {"test": "running"})
    gitlab.world.approve(one)
    asking.put(f"{ONE}/merge", json={"auto_merge": True})
    gitlab.world.commit("acme/app", "feature", {"a.txt": "newer\n"})
    shown = settled(asking)
    assert (shown["merge_when_pipeline_succeeds"], shown["detailed_merge_status"]) == (
        False,
        "not_approved",
    )


@pytest.mark.parametrize("at_odds", [True, False])
def test_it_is_rebased_by_and_by(
    gitlab: GitLab, asking: httpx.Client, one: MergeRequest, at_odds: bool
) -> None:
    gitlab.world.commit("acme/app", "main", {"a.txt" if at_odds else "b.txt": "other\n"})
    head = one.sha
    assert asking.put(f"{ONE}/rebase").json() == {"rebase_in_progress": True}
    assert asking.put(f"{ONE}/rebase").status_code == 409
    path = f"{ONE}?include_rebase_in_progress=true&include_diverged_commits_count=true"
    told = [asking.get(path).json() for _ in "12"]
    assert [each["rebase_in_progress"] for each in told] == [True, False]
    assert [each["diverged_commits_count"] for each in told] == [1, 1 if at_odds else 0]
    assert (told[1]["sha"] == head, bool(told[1]["merge_error"])) == (at_odds, at_odds)


def test_what_is_pushed_to_its_target_is_merged(
    gitlab: GitLab, asking: httpx.Client, one: MergeRequest, tmp_path: Path
) -> None:
    git(tmp_path, *QUIET, "clone", "-q", gitlab.remote(), "clone")
    git(tmp_path / "clone", "push", "-q", "origin", "origin/feature:main")
    told = asking.get(ONE).json()
    assert (told["state"], told["merged_by"]["username"]) == ("merged", "root")
    assert told["detailed_merge_status"] == "not_open"


def test_a_train_takes_it_along(gitlab: GitLab, asking: httpx.Client, one: MergeRequest) -> None:
    path = f"{APP}/merge_trains/merge_requests/1"
    assert asking.post(path, json={}).status_code == 403
    one.project.merge_trains = True
    assert asking.get(path).status_code == 404
    (told,) = asking.post(path, json={"sha": one.sha}).json()
    assert (told["status"], asking.get(path).json()["target_branch"]) == ("fresh", "main")
    gitlab.world.land(one)
    assert asking.get(ONE).json()["state"] == "merged"


def test_a_fork_has_a_head_of_its_own(gitlab: GitLab, asking: httpx.Client) -> None:
    world = gitlab.world
    fork = world.fork("acme/app", "other")
    head = world.commit("other/app", "feature", {"a.txt": "new\n"})
    told = {"title": "x", "source_branch": "feature", "target_branch": "main"}
    target = world.named("acme/app").id
    made = asking.post(
        f"/projects/{fork.id}/merge_requests", json={**told, "target_project_id": target}
    )
    assert (made.json()["source_project_id"], made.json()["project_id"]) == (fork.id, target)
    assert settled(asking)["sha"] == head
    world.commit("acme/app", "main", {"b.txt": "moved\n"})
    asking.put(f"{ONE}/rebase")
    assert settled(asking)["sha"] not in (head, None)
    assert asking.put(f"{ONE}/merge").status_code == 200


def test_what_is_built_on_it_moves_on_and_issues_close(
    gitlab: GitLab, asking: httpx.Client
) -> None:
    world = gitlab.world
    issue = world.issue("acme/app", "a bug")
    world.commit("acme/app", "feature", {"a.txt": "new\n"})
    world.commit("acme/app", "next", {"b.txt": "new\n"}, onto="feature")
    opened(asking, description="Closes #1")
    opened(asking, "next", target_branch="feature")
    settled(asking)
    assert asking.get(f"{ONE}/closes_issues").json()[0]["iid"] == 1
    asking.put(f"{ONE}/merge", json={"should_remove_source_branch": True})
    assert asking.get(f"{APP}/merge_requests/2").json()["target_branch"] == "main"
    assert (issue.state, asking.get(f"{APP}/issues/1/closed_by").json()[0]["iid"]) == ("closed", 1)
