"""The stand-in for Composio lets in whom it knows, and sends requests only where they may go."""

from collections.abc import Generator
from typing import Any

import httpx
import pytest

from standins import composio
from standins.composio import Account, Composio, Toolkit
from standins.conftest import PLAIN
from standins.server import Reply, Request

PROXY = "/api/v3/tools/execute/proxy"
ASKED = {"endpoint": "https://api.linear.app/x", "method": "POST", "connected_account_id": "ca_1"}


@pytest.fixture
def sent() -> list[Request]:
    return []


@pytest.fixture
def broker(sent: list[Request]) -> Generator[Composio]:
    def answered(request: Request) -> Reply:
        sent.append(request)
        return Reply(418, {"content-type": "application/json", "x-a": "b"}, b'{"a": 1}')

    with Composio({"linear": Toolkit("linear.app", "Bearer known", answered)}) as broker:
        broker.accounts.append(Account("ca_1", "linear"))
        yield broker


@pytest.fixture
def client(broker: Composio) -> Generator[httpx.Client]:
    headers = {"x-api-key": composio.KEY}
    with httpx.Client(
        base_url=broker.url, headers=headers, trust_env=False, verify=PLAIN
    ) as client:
        yield client


def test_a_request_is_made_in_the_name_of_an_account(
    client: httpx.Client, broker: Composio, sent: list[Request]
) -> None:
    answer = client.post(PROXY, json={**ASKED, "body": {"q": 1}})
    told = answer.json()
    assert (answer.status_code, told["status"], told["data"]) == (200, 418, {"a": 1})
    assert told["headers"]["x-a"] == "b"
    assert [(one.path, one.body) for one in sent] == [("/x", b'{"q": 1}')]
    assert sent[0].headers["authorization"] == "Bearer known"
    broker.in_order()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"connected_account_id": ""}, 400),
        ({"connected_account_id": "ca_2"}, 404),
        ({"endpoint": "https://linear.app.example/x"}, 400),
        ({"endpoint": "http://api.linear.app/x"}, 400),
    ],
)
def test_it_goes_nowhere_else(
    client: httpx.Client, broker: Composio, sent: list[Request], change: Any, status: int
) -> None:
    assert client.post(PROXY, json={**ASKED, **change}).status_code == status
    assert not sent
    broker.in_order()


def test_what_nobody_described_is_noted(client: httpx.Client, broker: Composio) -> None:
    assert client.post(PROXY, json={**ASKED, "more": 1}).status_code == 400
    assert client.get("/api/v3/nothing").status_code == 404
    assert client.get("/api/v3/connected_accounts", params={"toolkit": "x"}).status_code == 400
    assert len(broker.violations) == 3


def test_a_stranger_is_not_let_in(client: httpx.Client, broker: Composio) -> None:
    answer = client.get("/api/v3/connected_accounts", headers={"x-api-key": "wrong"})
    assert (answer.status_code, answer.json()["error"]["message"]) == (401, "Invalid API key")
    client.get("/api/v3/connected_accounts", headers={"authorization": "Bearer x"})
    assert broker.violations == ["a token was sent that is not for Composio"]


def test_accounts_are_listed_as_they_are_asked_for(client: httpx.Client, broker: Composio) -> None:
    broker.accounts += [
        Account("ca_2", "github"), Account("ca_3", "linear", user="b", status="FAILED"),
    ]  # fmt: skip

    def found(**params: Any) -> list[str]:
        told = client.get("/api/v3/connected_accounts", params=params).json()
        return [one["id"] for one in told["items"]]

    assert found() == ["ca_1", "ca_2", "ca_3"]
    assert found(toolkit_slugs="linear") == ["ca_1", "ca_3"]
    assert found(toolkit_slugs=["linear", "github"], statuses="ACTIVE") == ["ca_1", "ca_2"]
    assert found(user_ids="b", limit=10) == ["ca_3"]
    broker.in_order()
