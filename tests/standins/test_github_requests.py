"""Who is let in, what is refused, and what goes wrong because it was arranged."""

import httpx
import pytest

from standins.github import GitHub
from standins.github.rest import ROUTES, Answer

APP = "/repos/acme/app"


def test_whoever_brings_a_known_token_is_told_who_they_are(client: httpx.Client) -> None:
    assert client.get("/user").json()["login"] == "octocat"
    assert client.get("/api/v3/user").json()["login"] == "octocat"


@pytest.mark.parametrize(
    ("headers", "message"),
    [({"authorization": "Bearer wrong"}, "Bad credentials"), ({}, "Requires authentication")],
)
def test_nobody_else_is_let_in(github: GitHub, headers: dict[str, str], message: str) -> None:
    answer = httpx.get(f"{github.url}/user", headers=headers, trust_env=False)
    assert (answer.status_code, answer.json()["message"]) == (401, message)


def test_whoever_does_not_say_what_they_are_is_sent_away(client: httpx.Client) -> None:
    answer = client.get("/user", headers={"user-agent": ""})
    assert answer.status_code == 403
    assert "User-Agent" in answer.text


def test_a_token_that_may_only_read_does_not_write(github: GitHub, client: httpx.Client) -> None:
    github.world.token("reading", may_write=False)
    client.headers["authorization"] = "token reading"
    assert client.get(APP).status_code == 200
    assert client.post(f"{APP}/issues", json={"title": "x"}).status_code == 403


@pytest.mark.parametrize(
    ("path", "violation"),
    [
        ("/no/such/thing", "nobody described it"),
        (f"{APP}/forks", "the stand-in has no repos/list-fo"),
    ],
)
def test_a_way_that_leads_nowhere_is_told_of(
    github: GitHub, client: httpx.Client, path: str, violation: str
) -> None:
    github.expect(violation)
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("body", "violation"),
    [
        ({}, "'title' is a required property"),
        ({"title": "x", "labels": "bug"}, r"labels: 'bug' is not of type 'array'"),
        ({"title": "x", "colour": "red"}, "'colour' was unexpected"),
        (None, "a body is needed"),
    ],
)
def test_a_body_that_is_not_as_it_is_described_is_refused_and_told_of(
    github: GitHub, client: httpx.Client, body: object, violation: str
) -> None:
    github.expect(violation)
    assert client.post(f"{APP}/issues", json=body).status_code == 422
    assert not github.world.named("acme/app").issues


@pytest.mark.parametrize(
    ("query", "violation"),
    [
        ("state=gone", "state: .*'gone' is not one of"),
        ("per_page=all", "per_page: .*is not of type 'integer'"),
        ("sate=open", "sate: nobody described it"),
    ],
)
def test_a_query_that_is_not_as_it_is_described_is_told_of(
    github: GitHub, client: httpx.Client, query: str, violation: str
) -> None:
    github.expect(violation)
    assert client.get(f"{APP}/issues?{query}").status_code == 422


def test_a_violation_nobody_expects_fails_the_test(github: GitHub, client: httpx.Client) -> None:
    client.get("/no/such/thing")
    with pytest.raises(AssertionError, match="nobody described it"):
        github.in_order()
    github.judge.violations.clear()


def test_an_answer_that_is_not_as_it_is_described_is_told_of(
    github: GitHub, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ROUTES, "users/get-authenticated", lambda _: Answer(200, {"login": 7}))
    github.expect("the answer 200 of users/get-authenticated is not as it is described")
    client.get("/user")


def test_a_version_that_is_not_the_described_one_is_refused(
    github: GitHub, client: httpx.Client
) -> None:
    github.expect("there is no version 2030-01-01")
    assert client.get("/user", headers={"x-github-api-version": "2030-01-01"}).status_code == 400
    assert client.get("/user", headers={"x-github-api-version": "2022-11-28"}).status_code == 200


def test_what_is_not_json_is_refused(client: httpx.Client) -> None:
    answer = client.post(f"{APP}/issues", content=b"{")
    assert (answer.status_code, answer.json()["message"]) == (400, "Problems parsing JSON")


# -- what it costs ---------------------------------------------------------------------------------


def test_what_is_known_already_is_not_sent_again_and_costs_nothing(
    github: GitHub, client: httpx.Client
) -> None:
    first = client.get(f"{APP}/issues")
    again = client.get(f"{APP}/issues", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert [call.cost for call in github.called("issues/list-for-repo")] == [1, 0]
    assert (
        first.headers["x-ratelimit-remaining"] == again.headers["x-ratelimit-remaining"] == "4999"
    )
    github.world.issue("acme/app", "news")
    changed = client.get(f"{APP}/issues", headers={"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200


def test_lists_come_in_pages_that_tell_of_each_other(github: GitHub, client: httpx.Client) -> None:
    for number in range(5):
        github.world.issue("acme/app", f"issue {number}")
    pages = [client.get(f"{APP}/issues?per_page=2&direction=asc")]
    while "next" in pages[-1].links:
        pages.append(client.get(pages[-1].links["next"]["url"]))
    assert [[one["number"] for one in page.json()] for page in pages] == [[1, 2], [3, 4], [5]]
    assert [set(page.links) for page in pages] == [
        {"next", "last"},
        {"prev", "next", "last", "first"},
        {"prev", "first"},
    ]
    assert "link" not in client.get(f"{APP}/issues?per_page=1000").headers


def test_when_the_hour_is_used_up_nothing_is_answered(github: GitHub, client: httpx.Client) -> None:
    github.limits.core.exhaust()
    answer = client.get("/user")
    assert (answer.status_code, answer.headers["x-ratelimit-remaining"]) == (403, "0")
    assert "API rate limit exceeded" in answer.json()["message"]
    told = client.get("/rate_limit").json()["resources"]
    assert (told["core"]["remaining"], told["graphql"]["remaining"]) == (0, 5000)
    now = github.world.now()
    github.world.now = lambda: now + 3601
    assert client.get("/user").status_code == 200


# -- what goes wrong -------------------------------------------------------------------------------


def test_a_lost_reply_leaves_the_work_done(github: GitHub, client: httpx.Client) -> None:
    github.faults.next("POST /repos/{owner}/{repo}/issues", "lost reply")
    with pytest.raises(httpx.RemoteProtocolError):
        client.post(f"{APP}/issues", json={"title": "x"})
    assert [one["title"] for one in client.get(f"{APP}/issues").json()] == ["x"]
    (call,) = github.called("issues/create")
    assert (call.status, call.fault) == (201, "lost reply")


def test_a_dropped_request_leaves_nothing(github: GitHub, client: httpx.Client) -> None:
    github.faults.next("issues/create", "dropped")
    with pytest.raises(httpx.RemoteProtocolError):
        client.post(f"{APP}/issues", json={"title": "x"})
    assert client.get(f"{APP}/issues").json() == []


def test_an_answer_may_end_in_the_middle(github: GitHub, client: httpx.Client) -> None:
    github.faults.next("*", "truncated")
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/user")


def test_an_answer_may_be_late(github: GitHub, client: httpx.Client) -> None:
    github.faults.next("users/get-authenticated", "slow", seconds=60)
    with pytest.raises(httpx.ReadTimeout):
        client.get("/user", timeout=0.05)


def test_errors_come_as_often_as_arranged(github: GitHub, client: httpx.Client) -> None:
    github.faults.next("GET /user", "server error", times=2, status=503)
    github.faults.next("GET /user", "not JSON")
    assert [client.get("/user").status_code for _ in range(4)] == [503, 503, 502, 200]


def test_too_much_at_once_is_answered_with_how_long_to_wait(
    github: GitHub, client: httpx.Client
) -> None:
    github.faults.next("*", "secondary limit", retry_after=7)
    github.faults.next("*", "secondary limit", status=429, retry_after=None)
    first, second = client.get("/user"), client.get("/user")
    assert (first.status_code, first.headers["retry-after"]) == (403, "7")
    assert "secondary rate limit" in first.json()["message"]
    assert (second.status_code, second.headers.get("retry-after")) == (429, None)
    assert first.headers["x-ratelimit-remaining"] != "0"


def test_a_fault_that_is_never_met_fails_the_test(github: GitHub) -> None:
    github.faults.next("GET /user", "dropped")
    with pytest.raises(AssertionError, match="never met"):
        github.in_order()
    github.faults.waiting.clear()
