"""Issues, discussions, approvals, pipelines and webhooks of the stand-in for GitLab."""

import json
from collections.abc import Generator

import httpx
import pytest

from receiver import Receiver
from standins.gitlab import GitLab
from standins.gitlab.records import MergeRequest

APP = "/projects/acme%2Fapp"
ONE = f"{APP}/merge_requests/1"


@pytest.fixture
def one(gitlab: GitLab) -> MergeRequest:
    gitlab.world.commit("acme/app", "feature", {"a.txt": "one\ntwo\n"})
    return gitlab.world.merge_request("acme/app", "feature", title="A feature")


@pytest.fixture
def receiver() -> Generator[Receiver]:
    with Receiver() as one:
        yield one


def numbers(answer: httpx.Response) -> list[int]:
    return [one["iid"] for one in answer.json()]


# -- issues ----------------------------------------------------------------------------------------


def test_an_issue_lives(gitlab: GitLab, asking: httpx.Client) -> None:
    told = {
        "title": "A bug",
        "description": "Look.",
        "labels": "bug,now",
        "assignee_ids": [1001, 7],
    }
    made = asking.post(f"{APP}/issues", json=told)
    assert (made.status_code, made.json()["iid"], made.json()["id"] != 1) == (201, 1, True)
    assert [one["username"] for one in made.json()["assignees"]] == ["root"]
    path = f"{APP}/issues/1"
    changed = asking.put(path, json={"add_labels": "later", "remove_labels": "bug,no"}).json()
    assert changed["labels"] == ["later", "now"]
    assert asking.put(path, json={"labels": "", "assignee_ids": [0]}).json()["assignee"] is None
    closed = asking.put(path, json={"state_event": "close"}).json()
    assert (closed["state"], closed["closed_by"]["username"]) == ("closed", "root")
    said = asking.post(f"{path}/notes", json={"body": "I see."})
    asking.put(f"{path}/notes/{said.json()['id']}", json={"body": "Oh."})
    assert [note["body"] for note in asking.get(f"{path}/notes").json()] == ["Oh."]
    assert asking.get(path).json()["user_notes_count"] == 1
    assert asking.get(f"{APP}/issues/2").status_code == 404


def test_issues_are_found_by_what_is_asked(gitlab: GitLab, asking: httpx.Client) -> None:
    world = gitlab.world
    world.issue("acme/app", "first thing", labels=["a", "b"])
    second = world.issue("acme/app", "second", "a thing", author=world.reviewer, labels=["a"])
    world.assign(second, [world.reviewer])
    world.close(world.issue("acme/app", "third"))

    def found(**asked: str) -> list[int]:
        return numbers(asking.get(f"{APP}/issues", params=asked))

    assert found() == [3, 2, 1]
    assert found(order_by="created_at", sort="asc", state="opened") == [1, 2]
    assert (found(state="closed"), found(labels="a,b"), found(labels="None")) == ([3], [1], [3])
    assert (found(search="THING"), found(search="thing", **{"in": "title"})) == ([2, 1], [1])
    assert (found(assignee_id="None"), found(assignee_username="reviewer")) == ([3, 1], [2])
    assert (found(author_username="reviewer"), found(**{"iids[]": "3"})) == ([2], [3])
    assert numbers(asking.get(f"{APP}/issues?with_labels_details=true&labels=b")) == [1]


def test_a_command_in_what_is_said_is_obeyed(gitlab: GitLab, asking: httpx.Client) -> None:
    told = asking.post(f"{APP}/issues", json={"title": "x", "description": "So.\n/close\n"}).json()
    assert (told["state"], told["description"]) == ("closed", "So.\n")
    said = asking.post(f"{APP}/issues/1/notes", json={"body": "/reopen\nNot yet."}).json()
    assert (asking.get(f"{APP}/issues/1").json()["state"], said["body"]) == ("opened", "Not yet.")


def test_issues_know_of_each_other(gitlab: GitLab, asking: httpx.Client) -> None:
    for name in ("first", "second"):
        gitlab.world.issue("acme/app", name)
    told = {"target_project_id": "acme/app", "target_issue_iid": "2", "link_type": "blocks"}
    made = asking.post(f"{APP}/issues/1/links", json=told)
    assert (made.status_code, made.json()["target_issue"]["iid"]) == (201, 2)
    assert asking.post(f"{APP}/issues/1/links", json=told).status_code == 409
    (there,) = asking.get(f"{APP}/issues/2/links").json()
    assert (there["iid"], there["link_type"]) == (1, "is_blocked_by")
    assert asking.delete(f"{APP}/issues/2/links/{there['issue_link_id']}").status_code == 200
    assert asking.get(f"{APP}/issues/1/links").json() == []
    gitlab.world.named("acme/app").tier = "free"
    assert asking.post(f"{APP}/issues/1/links", json=told).status_code == 403


def test_people_and_labels_are_looked_up(gitlab: GitLab, asking: httpx.Client) -> None:
    robot = gitlab.world.user("robot", bot=True)
    gitlab.world.member("acme/app", "robot", 30)
    (found,) = asking.get("/users", params={"username": "robot"}).json()
    assert asking.get(f"/users/{found['id']}").json()["bot"] is True
    assert asking.get("/users/7").status_code == 404
    (member,) = asking.get(f"{APP}/members/all", params={"query": "rob"}).json()
    assert (member["id"], member["access_level"]) == (robot.id, 30)
    label = {"name": "now", "color": "#FF0000"}
    said = [asking.post(f"{APP}/labels", json=label).status_code for _ in "12"]
    assert said == [201, 409]
    assert [one["name"] for one in asking.get(f"{APP}/labels").json()] == ["now"]


# -- what is said of a merge request ---------------------------------------------------------------


def test_a_discussion_is_about_a_line_and_is_settled(
    gitlab: GitLab, asking: httpx.Client, one: MergeRequest
) -> None:
    refs = {"base_sha": one.base_sha, "start_sha": one.start_sha, "head_sha": one.sha}
    at = {**refs, "position_type": "text", "new_path": "a.txt", "new_line": 2}
    path = f"{ONE}/discussions"
    made = asking.post(path, json={"body": "Why?", "position": at}).json()
    (note,) = made["notes"]
    assert (note["type"], note["position"]["new_line"], note["resolved"]) == ("DiffNote", 2, False)
    assert asking.post(path, json={"body": "?", "position": {"new_line": 1}}).status_code == 400
    elsewhere = {**at, "new_path": "none.txt"}
    assert asking.post(path, json={"body": "?", "position": elsewhere}).status_code == 400
    there = f"{path}/{made['id']}"
    assert asking.post(f"{there}/notes", json={"body": "So."}).json()["resolvable"] is True
    settled = asking.put(there, json={"resolved": True}).json()["notes"]
    assert [each["resolved_by"]["username"] for each in settled] == ["root", "root"]
    assert asking.put(there, json={"resolved": False}).json()["notes"][0]["resolved"] is False


def test_a_note_that_stands_alone_is_not_settled(
    gitlab: GitLab, asking: httpx.Client, one: MergeRequest
) -> None:
    asking.post(f"{ONE}/notes", json={"body": "Nice."})
    gitlab.world.approve(one)
    alone, own = asking.get(f"{ONE}/discussions").json()
    assert (alone["individual_note"], alone["notes"][0]["resolvable"]) == (True, False)
    assert (own["notes"][0]["system"], "approved" in own["notes"][0]["body"]) == (True, True)
    assert (
        asking.put(f"{ONE}/discussions/{alone['id']}", json={"resolved": True}).status_code == 400
    )
    assert asking.post(f"{ONE}/notes", json={"body": " "}).status_code == 400
    kept = asking.get(f"{ONE}/notes?activity_filter=only_comments").json()
    assert [note["body"] for note in kept] == ["Nice."]


def test_rules_say_who_has_to_approve(
    gitlab: GitLab, asking: httpx.Client, one: MergeRequest
) -> None:
    world = gitlab.world
    owner = world.member("acme/app", "owner")
    world.rule("acme/app", 1, "owners", owner)
    world.rule("acme/app", 1)
    assert asking.post(f"{ONE}/approve").status_code == 401  # it is their own
    world.approve(one, world.reviewer)
    told = asking.get(f"{ONE}/approvals").json()
    assert (told["approved"], told["approvals_left"], told["approvals_required"]) == (False, 1, 2)
    assert [rule["name"] for rule in told["approval_rules_left"]] == ["owners"]
    world.token("owning", "owner")
    asking.headers["private-token"] = "owning"
    assert asking.post(f"{ONE}/approve", json={"sha": "0" * 40}).status_code == 409
    assert asking.post(f"{ONE}/approve", json={"sha": one.sha}).json()["approved"] is True
    state = asking.get(f"{ONE}/approval_state").json()["rules"]
    assert [(rule["rule_type"], rule["approved"]) for rule in state] == [
        ("regular", True), ("any_approver", True),
    ]  # fmt: skip
    assert [asking.post(f"{ONE}/unapprove").status_code for _ in "12"] == [201, 404]


def test_a_free_tier_has_no_rules(gitlab: GitLab, asking: httpx.Client, one: MergeRequest) -> None:
    one.project.tier = "free"
    assert asking.get(f"{ONE}/approval_state").status_code == 404
    told = asking.get(f"{ONE}/approvals").json()
    assert (told["approved"], "approvals_left" in told) == (False, False)
    assert asking.post(f"{ONE}/approve").json()["approved"] is True


def test_reviewers_have_their_say(gitlab: GitLab, asking: httpx.Client, one: MergeRequest) -> None:
    world = gitlab.world
    states = ["reviewed", "requested_changes", "approved"]
    for state in states:
        world.review(one, state, "Hm.", world.member("acme/app", state))  # pyright: ignore[reportArgumentType]
    asking.put(ONE, json={"reviewer_ids": [*(user.id for user in one.reviewers), 1002]})
    told = asking.get(f"{ONE}/reviewers").json()
    assert [each["state"] for each in told] == [*states, "unreviewed"]


# -- pipelines -------------------------------------------------------------------------------------


def test_a_pipeline_is_what_its_jobs_are(
    gitlab: GitLab, asking: httpx.Client, one: MergeRequest
) -> None:
    world = gitlab.world
    run = world.pipeline(one, {"lint": "success"})
    world.job(run, "flaky", "failed", allow_failure=True)
    path = f"{APP}/pipelines/{run.id}"
    assert asking.get(path).json()["status"] == "success"
    world.job(run, "test", "failed", trace="E: it broke\n", stage="later")
    child = world.pipeline(one, {"inner": "running"}, source="parent_pipeline")
    world.bridge(run, "down", "running", downstream=child)
    assert asking.get(path).json()["status"] == "running"
    world.set_jobs(run, {"down": "failed"})
    jobs = {job["name"]: job for job in asking.get(f"{path}/jobs").json()}
    assert (list(jobs), jobs["test"]["failure_reason"]) == (
        ["test", "flaky", "lint"],
        "script_failure",
    )
    assert asking.get(f"{APP}/jobs/{jobs['test']['id']}/trace").text == "E: it broke\n"
    (bridge,) = asking.get(f"{path}/bridges").json()
    assert bridge["downstream_pipeline"]["source"] == "parent_pipeline"
    listed = [asking.get(f"{APP}/pipelines{q}").json() for q in ("", "?source=parent_pipeline")]
    assert [[each["id"] for each in some] for some in listed] == [[run.id], [child.id]]
    shown = asking.get(ONE).json()["head_pipeline"]
    assert (shown["id"], shown["status"]) == (run.id, "failed")
    retried = asking.post(f"{path}/retry").json()
    assert retried["status"] == "running"
    names = [job["name"] for job in asking.get(f"{path}/jobs?include_retried=true").json()]
    assert names.count("test") == 2


def test_pipelines_are_listed_by_what_changed(
    gitlab: GitLab, asking: httpx.Client, one: MergeRequest
) -> None:
    world = gitlab.world
    clock = [world.now()]
    world.now = lambda: clock[0]
    first, second = world.pipeline(one, {"a": "running"}), world.pipeline(one, together=True)
    since = world.moment()
    assert world.head_pipeline(one) is second
    assert one.sha in one.project.bare.commit(second.sha).parents
    clock[0] += 5
    world.conclude(first.jobs[0], "success")
    asked = {"order_by": "updated_at", "updated_after": since}
    assert [run["id"] for run in asking.get(f"{APP}/pipelines", params=asked).json()] == [first.id]
    listed = asking.get(f"{ONE}/pipelines").json()
    assert [run["id"] for run in listed] == [second.id, first.id]
    world.commit("acme/app", "feature", {"a.txt": "newer\n"})
    assert world.head_pipeline(one) is None
    assert asking.get(ONE).json()["head_pipeline"]["id"] == second.id  # which is of the old head


def test_what_is_said_from_outside_counts(
    gitlab: GitLab, asking: httpx.Client, one: MergeRequest
) -> None:
    one.project.pipeline_must_succeed = True
    path = f"{APP}/statuses/{one.sha}"
    for state in ("running", "failed"):
        made = asking.post(path, json={"state": state, "name": "outside", "ref": "feature"})
        assert (made.status_code, made.json()["status"]) == (201, state)
    run = asking.get(f"{APP}/pipelines/{made.json()['pipeline_id']}").json()
    assert (run["source"], run["status"]) == ("external", "failed")
    gitlab.world.job(one.project.pipelines[0], "test", "success")
    listed = asking.get(f"{APP}/repository/commits/{one.sha}/statuses").json()
    assert {said["name"]: said["status"] for said in listed} == {
        "outside": "failed", "test": "success",
    }  # fmt: skip


# -- branches and webhooks -------------------------------------------------------------------------


def test_a_branch_is_shown_and_deleted(gitlab: GitLab, asking: httpx.Client) -> None:
    head = gitlab.world.commit("acme/app", "a/b", {"a.txt": "new\n"})
    path = f"{APP}/repository/branches/a%2Fb"
    assert asking.get(path).json()["commit"]["id"] == head
    assert asking.delete(f"{APP}/repository/branches/main").status_code == 403
    assert [asking.delete(path).status_code for _ in "12"] == [204, 404]


def test_hooks_are_told_what_they_asked_for(
    gitlab: GitLab, asking: httpx.Client, receiver: Receiver, one: MergeRequest
) -> None:
    told = {"url": receiver.url, "token": "hush", "note_events": True, "push_events": False}
    made = asking.post(f"{APP}/hooks", json=told).json()
    assert ("token" in made, made["note_events"], made["issues_events"]) == (False, True, False)
    gitlab.world.issue("acme/app", "a bug")
    gitlab.world.note(one, "Hear, hear.", gitlab.world.reviewer)
    (delivery,) = gitlab.deliveries
    gitlab.redeliver(delivery)
    assert len(gitlab.deliveries) == 2
    first, again = (dict(sent.headers) for sent in receiver.sent)
    names = {name.lower(): value for name, value in first.items()}
    assert (names["x-gitlab-token"], names["x-gitlab-event"]) == ("hush", "Note Hook")
    assert first == again
    body = json.loads(receiver.sent[0].body)
    assert (body["object_kind"], body["user"]["username"]) == ("note", "reviewer")
    assert (body["merge_request"]["iid"], body["object_attributes"]["note"]) == (1, "Hear, hear.")
    assert asking.delete(f"{APP}/hooks/{made['id']}").status_code == 204
    assert asking.get(f"{APP}/hooks").json() == []


def test_hooks_are_told_of_all_that_happens(
    gitlab: GitLab, asking: httpx.Client, receiver: Receiver, one: MergeRequest
) -> None:
    world = gitlab.world
    world.hook("acme/app", receiver.url, "hush")
    world.relabel(world.issue("acme/app", "a bug"), ["now"])
    run = world.pipeline(one, {"test": "running"})
    world.conclude(run.jobs[0], "failed")
    old = one.sha
    world.commit("acme/app", "feature", {"a.txt": "newer\n"})
    world.approve(one)
    world.merge(one)
    told = [json.loads(delivery.body) for delivery in gitlab.deliveries]
    assert {body["object_kind"] for body in told} == {
        "issue", "pipeline", "build", "push", "merge_request",
    }  # fmt: skip
    assert all(body.get("project", {}).get("path_with_namespace") == "acme/app" for body in told)
    about = [body["object_attributes"] for body in told if body["object_kind"] == "merge_request"]
    assert [each["action"] for each in about] == ["update", "approved", "merge"]
    assert (about[0]["oldrev"], about[0]["last_commit"]["id"]) == (old, one.sha)
    changes = [body["changes"] for body in told if body["object_kind"] == "issue"][-1]
    assert changes["labels"]["current"][0]["title"] == "now"


def test_an_event_that_is_not_as_described_is_told_of(gitlab: GitLab, receiver: Receiver) -> None:
    gitlab.world.hook("acme/app", receiver.url, "hush", "issues_events")
    gitlab.world.person.id = "one"  # pyright: ignore[reportAttributeAccessIssue]
    gitlab.expect("the event issue is not as it is described: .*'one' is not of type 'integer'")
    gitlab.world.issue("acme/app", "a bug")
