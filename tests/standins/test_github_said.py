"""Issues, reviews, checks and their logs; and that webhooks tell of it all."""

import json
from collections.abc import Generator

import httpx
import pytest

from receiver import Receiver
from standins.github import GitHub
from standins.github.hooks import signature
from standins.github.records import Pull

APP = "/repos/acme/app"


@pytest.fixture
def pull(github: GitHub) -> Pull:
    github.world.commit("acme/app", "feature", {"a.txt": "one\ntwo\n"})
    return github.world.pull("acme/app", "feature", title="A feature")


@pytest.fixture
def receiver() -> Generator[Receiver]:
    with Receiver() as one:
        yield one


def numbers(answer: httpx.Response) -> list[int]:
    return [one["number"] for one in answer.json()]


def test_an_issue_lives(github: GitHub, client: httpx.Client) -> None:
    given = {
        "title": "A bug",
        "body": "Look.",
        "labels": ["bug"],
        "assignees": ["octocat", "nobody"],
    }
    made = client.post(f"{APP}/issues", json=given)
    assert (made.status_code, made.headers["location"]) == (201, made.json()["url"])
    path = f"{APP}/issues/1"
    assert [one["login"] for one in made.json()["assignees"]] == ["octocat"]
    assert client.post(f"{path}/labels", json={"labels": ["now"]}).status_code == 200
    assert client.delete(f"{path}/labels/BUG").json()[0]["name"] == "now"
    assert client.delete(f"{path}/labels/bug").status_code == 404
    said = client.post(f"{path}/comments", json={"body": "I see."})
    assert said.status_code == 201
    edited = client.patch(f"{APP}/issues/comments/{said.json()['id']}", json={"body": "Oh."})
    assert [one["body"] for one in client.get(f"{path}/comments").json()] == [edited.json()["body"]]
    closed = client.patch(path, json={"state": "closed", "state_reason": "not_planned"}).json()
    assert (closed["state"], closed["state_reason"], closed["comments"]) == (
        "closed",
        "not_planned",
        1,
    )
    assert client.patch(path, json={"state": "open"}).json()["state_reason"] == "reopened"


def test_issues_are_found_by_what_is_asked(
    github: GitHub, client: httpx.Client, pull: Pull
) -> None:
    world = github.world
    world.issue("acme/app", "one", labels=["bug", "now"], assignees=["hubot"])
    world.issue("acme/app", "two", labels=["bug"])
    world.close(world.issue("acme/app", "three"))
    for query, found in {
        "direction=asc": [1, 2, 3],
        "labels=bug,now": [2],
        "assignee=hubot": [2],
        "assignee=none": [3, 1],
        "state=closed": [4],
        "state=all": [4, 3, 2, 1],
    }.items():
        assert numbers(client.get(f"{APP}/issues?{query}")) == found, query
    assert "pull_request" in client.get(f"{APP}/issues/1").json()


def test_a_review_is_given_answered_and_dismissed(
    github: GitHub, client: httpx.Client, pull: Pull
) -> None:
    path = f"{APP}/pulls/1"
    assert client.post(f"{path}/reviews", json={"event": "APPROVE"}).status_code == 422
    github.world.token("theirs", "hubot")
    theirs = {"authorization": "Bearer theirs"}
    remark = {"path": "a.txt", "line": 2, "body": "why?"}
    given = {"event": "REQUEST_CHANGES", "body": "No.", "comments": [remark]}
    review = client.post(f"{path}/reviews", json=given, headers=theirs).json()
    assert review["state"] == "CHANGES_REQUESTED"
    (comment,) = client.get(f"{path}/comments").json()
    assert (comment["line"], comment["pull_request_review_id"]) == (2, review["id"])
    reply = client.post(f"{path}/comments/{comment['id']}/replies", json={"body": "Because."})
    assert reply.json()["in_reply_to_id"] == comment["id"]
    github.world.commit("acme/app", "feature", {"a.txt": "three\n"})
    assert "line" not in client.get(f"{path}/comments").json()[0]
    gone = client.put(f"{path}/reviews/{review['id']}/dismissals", json={"message": "done"})
    assert gone.json()["state"] == "DISMISSED"
    assert len(client.get(f"{path}/reviews").json()) == 2


def test_reviewers_are_asked(github: GitHub, client: httpx.Client, pull: Pull) -> None:
    path = f"{APP}/pulls/1/requested_reviewers"
    assert client.post(path, json={"reviewers": ["hubot"]}).status_code == 201
    assert client.post(path, json={"reviewers": ["nobody"]}).status_code == 422
    assert [one["login"] for one in client.get(path).json()["users"]] == ["hubot"]
    github.world.review(pull)
    assert client.get(path).json()["users"] == []


def test_checks_and_statuses_are_told_of_a_commit(
    github: GitHub, client: httpx.Client, pull: Pull
) -> None:
    world, path = github.world, f"{APP}/commits/{pull.head_sha}"
    world.conclude(world.check_run(pull, "build", None), "failure")
    world.check_run(pull, "build", "success", summary="fine")
    world.status(pull, "deploy", "pending")
    world.status(pull, "deploy", "failure")
    (check,) = client.get(f"{path}/check-runs").json()["check_runs"]
    assert (check["conclusion"], check["output"]["summary"]) == ("success", "fine")
    assert client.get(f"{path}/check-runs?filter=all").json()["total_count"] == 2
    combined = client.get(f"{path}/status").json()
    assert (combined["state"], combined["total_count"]) == ("failure", 1)
    assert len(client.get(f"{path}/statuses").json()) == 2
    said = {"state": "success", "context": "mine"}
    assert client.post(f"{APP}/statuses/{pull.head_sha}", json=said).status_code == 201
    made = {"name": "own", "head_sha": pull.head_sha, "status": "in_progress"}
    check = client.post(f"{APP}/check-runs", json=made).json()
    ended = client.patch(f"{APP}/check-runs/{check['id']}", json={"conclusion": "neutral"}).json()
    assert (ended["status"], ended["conclusion"]) == ("completed", "neutral")


def test_a_log_lies_where_no_token_may_be_brought(
    github: GitHub, client: httpx.Client, pull: Pull
) -> None:
    job = github.world.job(pull, "test", "failure", log="it broke\n")
    (run,) = client.get(f"{APP}/actions/runs", params={"head_sha": pull.head_sha}).json()[
        "workflow_runs"
    ]
    (shown,) = client.get(f"{APP}/actions/runs/{run['id']}/jobs").json()["jobs"]
    assert (shown["id"], shown["conclusion"], run["conclusion"]) == (job.id, "failure", "failure")
    there = client.get(f"{APP}/actions/jobs/{job.id}/logs")
    assert there.status_code == 302
    assert not there.headers["location"].startswith(github.url)
    assert httpx.get(there.headers["location"], trust_env=False).text == "it broke\n"
    github.expect("a token was sent to where the logs are")
    assert client.get(there.headers["location"]).status_code == 400


# -- webhooks --------------------------------------------------------------------------------------


def test_what_is_told_is_signed(github: GitHub, receiver: Receiver) -> None:
    github.world.hook(receiver.url, "s3cret")
    github.world.issue("acme/app", "news")
    assert [one.status for one in github.deliveries] == [204, 204]
    for sent in receiver.sent:
        assert sent.headers["x-hub-signature-256"] == signature("s3cret", sent.body)
        assert sent.headers["x-hub-signature-256"] != signature("other", sent.body)
    ping, opened = receiver.sent
    assert (ping.headers["x-github-event"], opened.headers["x-github-event"]) == ("ping", "issues")
    assert json.loads(opened.body)["issue"]["title"] == "news"
    github.redeliver(github.deliveries[-1])
    assert len({one.id for one in github.deliveries}) == 2
    assert len(receiver.sent) == 3


def test_every_event_is_told_as_it_is_described(github: GitHub, receiver: Receiver) -> None:
    world = github.world
    world.hook(receiver.url, "s3cret")
    world.comment(world.issue("acme/app", "news", labels=["bug"]), "I see.")
    world.commit("acme/app", "feature", {"a.txt": "one\n"})
    pull = world.pull("acme/app", "feature", body="Fixes #1", draft=True)
    world.ready(pull)
    world.relabel(pull, ["now"])
    world.assign(pull, ["hubot"])
    world.ask(pull, [world.reviewer])
    world.commit("acme/app", "feature", {"a.txt": "two\n"})
    world.check_run(pull, "build")
    world.status(pull, "deploy")
    world.resolve(world.thread(pull, "a.txt", 1, "why?"))
    world.review(pull)
    world.merge(pull)
    told = [(one.event, json.loads(one.body).get("action")) for one in github.deliveries]
    assert set(told) == {
        ("ping", None), ("push", None), ("status", None),
        ("issues", "opened"), ("issues", "closed"), ("issue_comment", "created"),
        ("pull_request", "opened"), ("pull_request", "ready_for_review"),
        ("pull_request", "labeled"), ("pull_request", "assigned"),
        ("pull_request", "review_requested"), ("pull_request", "synchronize"),
        ("pull_request", "closed"), ("check_run", "created"), ("check_run", "completed"),
        ("check_suite", "completed"), ("pull_request_review", "submitted"),
        ("pull_request_review_comment", "created"), ("pull_request_review_thread", "resolved"),
    }  # fmt: skip


def test_a_hook_hears_only_what_it_wants(github: GitHub, receiver: Receiver) -> None:
    github.world.hook(receiver.url, "s3cret", "issues")
    github.world.comment(github.world.issue("acme/app", "news"), "I see.")
    assert [one.event for one in github.deliveries] == ["ping", "issues"]
