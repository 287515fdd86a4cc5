"""Issues that are parts of others, who may label them, and the search for them."""

import httpx
import pytest

from standins.github import GitHub

APP = "/repos/acme/app"


def found(client: httpx.Client, query: str, **more: str) -> list[int]:
    answer = client.get("/search/issues", params={"q": query, **more})
    assert answer.status_code == 200, answer.text
    return [one["number"] for one in answer.json()["items"]]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("repo:acme/app is:issue", [3, 1]),
        ("repo:ACME/app", [3, 2, 1]),
        ("repo:acme/app is:pr", [2]),
        ('repo:acme/app label:"a b"', [1]),
        ("repo:acme/app assignee:octocat", [3]),
        ("repo:acme/app state:closed", [3]),
        ('repo:acme/app "the needle" is:issue', [1]),
        ("repo:acme/app needle in:title", [2]),
        ("repo:acme/app needle the is:issue", [1]),
        ("repo:acme/other", []),
    ],
)
def test_issues_are_searched_for(
    github: GitHub, client: httpx.Client, query: str, numbers: list[int]
) -> None:
    world = github.world
    world.issue("acme/app", "One", "The Needle", labels=["a b"])
    world.commit("acme/app", "feature", {"a.txt": "a"})
    world.pull("acme/app", "feature", title="needle")
    world.comment(issue := world.issue("acme/app", "Three", assignees=["octocat"]), "needle")
    world.close(issue)
    assert found(client, query) == numbers
    assert found(client, query, sort="created", order="asc") == numbers[::-1]


@pytest.mark.parametrize("query", ["repo:acme/app colour:red", "x" * 257, 'an "open quote'])
def test_a_search_that_makes_no_sense_is_refused(client: httpx.Client, query: str) -> None:
    assert client.get("/search/issues", params={"q": query}).status_code == 422


def test_searches_have_a_limit_of_their_own(github: GitHub, client: httpx.Client) -> None:
    now = 1_800_000_000.0
    github.world.now = lambda: now
    headers = client.get("/search/issues", params={"q": "x"}).headers
    assert (headers["x-ratelimit-resource"], headers["x-ratelimit-limit"]) == ("search", "30")
    assert headers["x-ratelimit-reset"] == str(int(now) + 60)
    github.limits["search"].exhaust()
    assert client.get("/search/issues", params={"q": "x"}).status_code == 403
    assert client.get("/user").status_code == 200


def test_an_issue_may_be_a_part_of_one_other(client: httpx.Client) -> None:
    ids = [client.post(f"{APP}/issues", json={"title": str(n)}).json()["id"] for n in range(3)]
    path = f"{APP}/issues/1/sub_issues"
    assert client.post(path, json={"sub_issue_id": ids[2]}).status_code == 201
    assert [one["number"] for one in client.get(path).json()] == [3]
    assert client.get(f"{APP}/issues/3/parent").json()["number"] == 1
    assert client.get(f"{APP}/issues/3").json()["parent_issue_url"].endswith("/issues/1")
    assert client.get(f"{APP}/issues/1").json()["sub_issues_summary"]["total"] == 1
    other = f"{APP}/issues/2/sub_issues"
    assert client.post(other, json={"sub_issue_id": ids[2]}).status_code == 422
    moved = {"sub_issue_id": ids[2], "replace_parent": True}
    assert client.post(other, json=moved).status_code == 201
    assert client.get(path).json() == []
    assert client.get(f"{APP}/issues/1/parent").status_code == 404


def test_who_may_not_push_is_passed_over(github: GitHub, client: httpx.Client) -> None:
    github.world.token("outside", "hubot", may_push=False)
    client.headers["authorization"] = "Bearer outside"
    wish = {"title": "One", "labels": ["a"], "assignees": ["hubot"]}
    made = client.post(f"{APP}/issues", json=wish).json()
    assert (made["labels"], made["assignees"], made["user"]["login"]) == ([], [], "hubot")
    answer = client.post(f"{APP}/issues/1/assignees", json={"assignees": ["hubot"]})
    assert (answer.status_code, answer.json()["assignees"]) == (201, [])
