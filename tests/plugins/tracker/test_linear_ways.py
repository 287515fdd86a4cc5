"""The two ways to Linear: who signs in, what fails on the way, and what is made only once."""

from collections.abc import AsyncIterator, Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ao_core.errors import ConfigError, RateLimited, Rejected, Unauthorized, Unavailable
from ao_core.model.work import IssueChange, IssueDraft
from ao_core.plugin import Scope
from ao_core.testing.clock import FakeClock
from ao_core.testing.tracker import TrackerContract
from ao_plugins import _composio
from ao_plugins.tracker.linear import LinearConfig, LinearTracker
from standins import composio, linear
from standins.composio import Account, Composio, Toolkit
from standins.linear import Linear
from standins.linear.faults import Kind

Made = Callable[..., LinearTracker]


class TestThroughComposio(TrackerContract):
    @pytest.fixture(autouse=True)
    def _hosted(self, broker: Composio) -> None:
        self.broker = broker

    def make(self, scope: Scope) -> LinearTracker:
        return tracker_of(scope, through=self.broker)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def broker(host: Linear) -> Generator[Composio]:
    toolkit = Toolkit("linear.app", f"Bearer {linear.OAUTH}", host.api.answered)
    with Composio({"linear": toolkit}) as broker:
        broker.accounts.append(Account("ca_one", "linear"))
        yield broker
    broker.in_order()


@pytest.fixture
def scope(tmp_path: Path, clock: FakeClock) -> Scope:
    return Scope(state=tmp_path / "tracker", clock=clock)


@pytest.fixture(params=["straight", "through Composio"])
async def tracker(
    request: pytest.FixtureRequest, scope: Scope, host: Linear, broker: Composio
) -> AsyncIterator[LinearTracker]:
    relayed = request.param != "straight"
    straight = {"token": linear.KEY, "api": host.url}
    way: dict[str, Any] = {"through": broker} if relayed else straight
    async with tracker_of(scope, **way) as tracker:
        yield tracker


def tracker_of(scope: Scope, *, through: Composio | None = None, **settings: Any) -> LinearTracker:
    """`through` it, where it is given, with its settings beside it."""
    given: dict[str, Any] = {"team": "ENG", **settings}
    if through is not None:
        given = {"team": "ENG", "composio": {"key": composio.KEY, "api": through.url, **settings}}
    return LinearTracker(LinearConfig.model_validate(given), scope)


# -- made once -----------------------------------------------------------------------------------

LOST: list[Kind] = ["lost reply", "truncated", "dropped"]


@pytest.mark.parametrize("kind", LOST)
async def test_an_issue_is_made_once(tracker: LinearTracker, host: Linear, kind: Kind) -> None:
    host.faults.next("issueCreate", kind)
    made = await tracker.create(IssueDraft("One", "Body", ("bug",), "someone"))
    assert [one.title for one in host.team.issues] == ["One"]
    assert made == await tracker.get("ENG-1")


@pytest.mark.parametrize("kind", LOST)
async def test_a_comment_is_made_once(tracker: LinearTracker, host: Linear, kind: Kind) -> None:
    issue = host.world.issue(host.team, "One")
    host.faults.next("commentCreate", kind)
    changed = await tracker.update("ENG-1", IssueChange(comment="Said so."))
    assert [one.body for one in issue.comments] == ["Said so."]
    assert changed == await tracker.get("ENG-1")


@pytest.mark.parametrize("kind", LOST)
async def test_a_change_is_made(tracker: LinearTracker, host: Linear, kind: Kind) -> None:
    issue = host.world.issue(host.team, "One")
    host.faults.next("issueUpdate", kind)
    change = IssueChange(title="Two", add_labels=("bug",))
    assert (await tracker.update("ENG-1", change)).labels == ("bug",)
    assert issue.title == "Two"


async def test_what_does_not_get_there_is_said(tracker: LinearTracker, host: Linear) -> None:
    host.faults.next("issueCreate", "dropped", times=2)
    with pytest.raises(Unavailable):
        await tracker.create(IssueDraft("One"))
    assert not host.team.issues


async def test_a_change_half_made_is_said(tracker: LinearTracker, host: Linear) -> None:
    issue = host.world.issue(host.team, "One")
    host.faults.next("commentCreate", "dropped", times=2)
    with pytest.raises(Unavailable, match="ENG-1 was changed, but the comment failed") as caught:
        await tracker.update("ENG-1", IssueChange(title="Two", comment="Said so."))
    assert caught.value.hint == "Ask for the comment alone."
    assert (issue.title, issue.comments) == ("Two", [])


# -- limits --------------------------------------------------------------------------------------


async def test_a_limit_is_told_with_its_end(scope: Scope, host: Linear, broker: Composio) -> None:
    ways: list[dict[str, Any]] = [
        {"token": linear.KEY, "api": host.url},
        {"through": broker, "account": "ca_one"},
    ]
    for way in ways:
        host.limits.exhaust()
        async with tracker_of(scope, **way) as tracker:
            for _ in range(2):
                with pytest.raises(RateLimited) as caught:
                    await tracker.get("ENG-1")
                assert caught.value.retry_after == pytest.approx(3600, abs=5)
    assert len(host.calls) == 2  # what is known to be refused is not asked again


# -- who signs in --------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [linear.KEY, linear.OAUTH])
async def test_a_key_stands_alone_and_a_token_does_not(
    scope: Scope, host: Linear, key: str
) -> None:
    async with tracker_of(scope, token=key, api=host.url) as tracker:
        assert await tracker.get("ENG-1") is None
    assert [call.status for call in host.calls] == [200]


async def test_a_key_of_nobodys_is_refused(scope: Scope, host: Linear) -> None:
    async with tracker_of(scope, token="lin_api_wrong", api=host.url) as tracker:
        with pytest.raises(Unauthorized, match="401") as caught:
            await tracker.get("ENG-1")
    assert caught.value.hint == "Check what Linear is given to sign in."
    assert "lin_api_wrong" not in repr(caught.value)


async def test_what_a_key_may_not_do_is_refused(tracker: LinearTracker, host: Linear) -> None:
    for token in (linear.KEY, linear.OAUTH):
        host.world.token(token, host.me, may_write=False)
    with pytest.raises(Unauthorized):
        await tracker.create(IssueDraft("One"))


async def test_the_key_of_the_surroundings_is_used(scope: Scope, host: Linear) -> None:
    given = around(scope, LINEAR_API_KEY=linear.KEY)
    async with tracker_of(given, api=host.url) as tracker:
        assert await tracker.get("ENG-1") is None


async def test_a_key_for_composio_leads_there(
    scope: Scope, broker: Composio, host: Linear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_composio, "_HOST", broker.url)
    given = around(scope, LINEAR_API_KEY="lin_api_wrong", COMPOSIO_API_KEY=composio.KEY)
    async with tracker_of(given) as tracker:
        assert await tracker.get("ENG-1") is None
    async with tracker_of(given, token=linear.KEY, api=host.url) as tracker:
        assert await tracker.get("ENG-1") is None
    assert [call.who for call in host.calls] == ["lead", "lead"]
    assert len(broker.calls.proxied) == 1


@pytest.mark.parametrize("composio", [None, {}])
async def test_without_a_key_a_project_can_be_opened(scope: Scope, composio: Any) -> None:
    async with tracker_of(scope, composio=composio) as tracker:
        with pytest.raises(Unauthorized, match="nobody signs in to") as caught:
            await tracker.get("ENG-1")
    assert "_API_KEY" in (caught.value.hint or "")


async def test_it_is_found_where_somebody_signs_in() -> None:
    bare = LinearConfig()
    assert not (await LinearTracker.detect(bare, {})).found
    for name in ("LINEAR_API_KEY", "COMPOSIO_API_KEY"):
        assert (await LinearTracker.detect(bare, {name: "x"})).found
    assert (await LinearTracker.detect(LinearConfig.model_validate({"token": "x"}), {})).found


@pytest.mark.parametrize("more", [{"token": "x"}, {"api": "https://example.com"}])
def test_there_is_one_way_at_a_time(more: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="leave `token` and `api` out"):
        LinearConfig.model_validate({"composio": {}, **more})


@pytest.mark.parametrize("way", [{"api": "http://example.com"}, {"composio": {"api": "http://x"}}])
async def test_a_key_goes_nowhere_in_the_open(scope: Scope, way: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="https://"):
        async with tracker_of(scope, **way):
            pass


# -- what Composio says --------------------------------------------------------------------------


async def test_the_account_is_looked_up_once(scope: Scope, broker: Composio) -> None:
    broker.accounts += [
        Account("ca_old", "linear", status="EXPIRED"),
        Account("ca_off", "linear", is_disabled=True),
        Account("ca_hub", "github"),
    ]
    async with tracker_of(scope, through=broker) as tracker:
        for _ in range(2):
            assert await tracker.get("ENG-1") is None
    assert len(broker.calls.accounts) == 1
    assert {one["connected_account_id"] for one in broker.calls.proxied} == {"ca_one"}


async def test_of_several_accounts_one_is_named(scope: Scope, broker: Composio) -> None:
    broker.accounts.append(Account("ca_two", "linear", user="someone"))
    async with tracker_of(scope, through=broker) as tracker:
        with pytest.raises(ConfigError, match="several accounts for linear"):
            await tracker.get("ENG-1")
    surrounded = around(scope, COMPOSIO_ENTITY_ID="someone")
    ways: list[tuple[Scope, dict[str, str]]] = [
        (scope, {"account": "ca_two"}), (scope, {"user": "someone"}), (surrounded, {}),
    ]  # fmt: skip
    for given, settings in ways:
        async with tracker_of(given, through=broker, **settings) as tracker:
            assert await tracker.get("ENG-1") is None
    assert {one["connected_account_id"] for one in broker.calls.proxied} == {"ca_two"}


async def test_an_account_that_is_not_there_is_no_missing_issue(
    scope: Scope, broker: Composio
) -> None:
    async with tracker_of(scope, through=broker, account="ca_gone") as tracker:
        with pytest.raises(Rejected, match=r"Composio: .* 404") as caught:
            await tracker.get("ENG-1")
    assert caught.value.hint == "See at Composio whether the account for linear is still active."
    broker.accounts.clear()
    async with tracker_of(scope, through=broker) as tracker:
        with pytest.raises(ConfigError, match="no account for linear"):
            await tracker.get("ENG-1")


async def test_an_account_that_was_connected_anew_is_found(scope: Scope, broker: Composio) -> None:
    async with tracker_of(scope, through=broker) as tracker:
        assert await tracker.get("ENG-1") is None
        broker.accounts[0].status = "EXPIRED"
        broker.accounts.append(Account("ca_new", "linear"))
        with pytest.raises(Rejected, match="422"):
            await tracker.get("ENG-1")
        assert await tracker.get("ENG-1") is None
    assert broker.calls.proxied[-1]["connected_account_id"] == "ca_new"


async def test_composio_itself_refuses(scope: Scope, broker: Composio) -> None:
    async with tracker_of(scope, through=broker, key="ak_wrong") as tracker:
        with pytest.raises(Unauthorized, match=r"^Composio: ") as caught:
            await tracker.get("ENG-1")
    assert caught.value.hint == "Check what Composio is given to sign in."


async def test_linear_refuses_the_connected_account(
    scope: Scope, broker: Composio, host: Linear
) -> None:
    del host.world.tokens[linear.OAUTH]
    async with tracker_of(scope, through=broker) as tracker:
        with pytest.raises(Unauthorized, match=r"^Linear: "):
            await tracker.get("ENG-1")


def around(scope: Scope, **environment: str) -> Scope:
    return Scope(state=scope.state, clock=scope.clock, environment=environment)
