"""Issues in Linear, straight and through Composio, against stand-ins that keep to their schemas."""

from collections.abc import Generator

import pytest

from ao_core.plugin import Scope
from ao_core.testing.clock import FakeClock
from ao_core.testing.tracker import TrackerContract
from ao_plugins.tracker.linear import LinearConfig, LinearTracker
from standins import composio, linear
from standins.composio import Account, Composio, Toolkit
from standins.linear import Linear


@pytest.fixture
def host(clock: FakeClock) -> Generator[Linear]:
    with linear.hosted() as host:
        host.world.now = lambda: clock.now().timestamp()
        for name in ("someone", "other"):
            host.world.user(name)
        yield host


class TestLinear(TrackerContract):
    @pytest.fixture(autouse=True)
    def _hosted(self, host: Linear) -> None:
        self.host = host

    def make(self, scope: Scope) -> LinearTracker:
        settings = {"token": linear.KEY, "api": self.host.url, "team": "ENG"}
        return LinearTracker(LinearConfig.model_validate(settings), scope)


class TestThroughComposio(TrackerContract):
    @pytest.fixture(autouse=True)
    def _hosted(self, host: Linear) -> Generator[None]:
        toolkit = Toolkit("linear.app", f"Bearer {linear.OAUTH}", host.api.answered)
        with Composio({"linear": toolkit}) as self.composio:
            self.composio.accounts.append(Account("ca_one", "linear"))
            yield
        self.composio.in_order()

    def make(self, scope: Scope) -> LinearTracker:
        relayed = {"key": composio.KEY, "api": self.composio.url}
        settings = {"composio": relayed, "team": "ENG"}
        return LinearTracker(LinearConfig.model_validate(settings), scope)
