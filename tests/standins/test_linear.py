"""The stand-in for Linear is as strict as Linear, and tells what Linear tells."""

from collections.abc import Callable, Generator
from typing import Any

import httpx
import pytest

from standins import linear
from standins.conftest import PLAIN
from standins.linear import Linear

Asking = Callable[..., httpx.Response]
WHO = "query { viewer { displayName } }"
UPDATE = """
mutation($id: String!, $input: IssueUpdateInput!) {
  issueUpdate(id: $id, input: $input) { success issue { title labels { nodes { name } } } }
}
"""
CREATE = """
mutation($input: IssueCreateInput!) { issueCreate(input: $input) { issue { identifier url } } }
"""


@pytest.fixture
def host() -> Generator[Linear]:
    with linear.hosted() as host:
        yield host


@pytest.fixture
def ask(host: Linear) -> Generator[Asking]:
    with httpx.Client(base_url=host.url, trust_env=False, verify=PLAIN) as client:

        def ask(query: str, key: str = linear.KEY, **variables: Any) -> httpx.Response:
            headers = {"authorization": key} if key else {}
            body = {"query": query, "variables": variables}
            return client.post("/graphql", json=body, headers=headers)

        yield ask


def wrong(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["errors"][0]
    return answer.status_code, error["extensions"]["code"], error["message"]


@pytest.mark.parametrize("key", ["", "lin_api_wrong", f"Bearer {linear.OAUTH}x", linear.OAUTH])
def test_nobody_is_let_in_with_a_wrong_key(ask: Asking, key: str) -> None:
    said = "Authentication required, not authenticated"
    assert wrong(ask(WHO, key)) == (401, "AUTHENTICATION_ERROR", said)


def test_a_key_is_no_bearer(ask: Asking) -> None:
    status, _, said = wrong(ask(WHO, f"Bearer {linear.KEY}"))
    assert (status, "Remove the Bearer prefix" in said) == (400, True)
    for key in (linear.KEY, f"Bearer {linear.OAUTH}"):
        assert ask(WHO, key).json() == {"data": {"viewer": {"displayName": "lead"}}}


def test_what_the_schema_does_not_know_is_refused_and_noted(ask: Asking, host: Linear) -> None:
    host.expect("Cannot query field 'login'")
    status, code, _ = wrong(ask("query { viewer { login } }"))
    assert (status, code) == (400, "GRAPHQL_VALIDATION_FAILED")


def test_what_costs_too_much_is_refused_and_noted(ask: Asking, host: Linear) -> None:
    host.expect("a document costs 11100")
    inner = "nodes { labels { nodes { name } } comments { nodes { body } } }"
    assert wrong(ask(f"query {{ issues(first: 100) {{ {inner} }} }}"))[0] == 400


def test_what_an_answer_costs_is_told(ask: Asking, host: Linear) -> None:
    answer = ask("query { teams(first: 3) { nodes { id key } } }")
    assert answer.headers["x-complexity"] == "4"  # three times one, and two tenths
    assert answer.headers["x-ratelimit-requests-remaining"] == "4999"
    assert answer.headers["x-ratelimit-complexity-remaining"] == "2999996"
    host.limits.exhaust()
    status, code, _ = wrong(ask(WHO))
    assert (status, code) == (400, "RATELIMITED")


def test_a_page_has_fifty_unless_somebody_says_otherwise(ask: Asking, host: Linear) -> None:
    for n in range(60):
        host.world.issue(host.team, f"Issue {n}")
    page = "nodes { identifier } pageInfo { hasNextPage }"
    found = ask(f"query {{ issues {{ {page} }} }}").json()["data"]["issues"]
    assert (len(found["nodes"]), found["pageInfo"]["hasNextPage"]) == (50, True)
    assert found["nodes"][0] == {"identifier": "ENG-60"}  # the newest is the first
    oldest = "first: 1, sort: [{createdAt: {order: Ascending}}]"
    found = ask(f"query {{ issues({oldest}) {{ {page} }} }}").json()["data"]["issues"]
    assert found["nodes"] == [{"identifier": "ENG-1"}]


def test_an_id_is_used_once(ask: Asking, host: Linear) -> None:
    given = {"id": "0b7a3c1e-6c1f-4c55-9d3c-0a0a0a0a0a0a", "teamId": host.team.id, "title": "One"}
    made = ask(CREATE, input=given).json()["data"]["issueCreate"]["issue"]
    assert made == {"identifier": "ENG-1", "url": "https://linear.app/acme/issue/ENG-1/one"}
    assert wrong(ask(CREATE, input=given)) == (200, "INPUT_ERROR", "conflict on insert of Issue")
    told = wrong(ask(CREATE, input={**given, "id": "no-uuid"}))
    assert told == (200, "INPUT_ERROR", "Argument Validation Error")


@pytest.mark.parametrize("title", ["", " ", "x" * 256, "a\nb"])
def test_a_title_is_one_line(ask: Asking, host: Linear, title: str) -> None:
    answer = ask(CREATE, input={"teamId": host.team.id, "title": title})
    assert wrong(answer)[2] == "Argument Validation Error"


def test_labels_have_to_fit(ask: Asking, host: Linear) -> None:
    host.world.issue(host.team, "One")
    group = host.world.label("Type", is_group=True)
    one, two = (host.world.label(name, parent=group) for name in ("one", "two"))
    other = host.world.label("other", host.world.team("OPS"))
    for labels, said in (
        ([one.id, two.id], "labelIds not exclusive child labels"),
        ([group.id], "LabelIds contain group"),
        ([other.id], "LabelIds incorrect team"),
        (["nothing"], "Entity not found: Issue label"),
    ):
        answer = ask(UPDATE, id="ENG-1", input={"title": "Two", "addedLabelIds": labels})
        assert wrong(answer)[2] == said
    assert host.world.named("ENG-1").title == "One"


def test_what_does_not_exist_is_told_so(ask: Asking) -> None:
    answer = ask('query { issue(id: "ENG-9") { id } }')
    assert wrong(answer) == (200, "INPUT_ERROR", "Entity not found: Issue")
    assert answer.json()["data"] is None


def test_only_one_door_is_open(host: Linear) -> None:
    host.expect("GET /graphql: only JSON is taken")
    host.expect("POST /: only JSON is taken")
    with httpx.Client(base_url=host.url, trust_env=False, verify=PLAIN) as client:
        headers = {"authorization": linear.KEY}
        assert client.get("/graphql", headers=headers).status_code == 404
        assert client.post("/", json={"query": WHO}, headers=headers).status_code == 404


def test_a_filter_that_nobody_answers_is_noted(ask: Asking, host: Linear) -> None:
    host.world.issue(host.team, "One")
    host.expect("the stand-in failed")
    ask("query { issues(filter: {estimate: {eq: 1}}) { nodes { id } } }")
