"""A stand-in for Linear whose clock is the test's, with two people to be assigned."""

from collections.abc import Generator

import pytest

from ao_core.testing.clock import FakeClock
from standins import linear
from standins.linear import Linear


@pytest.fixture
def host(clock: FakeClock) -> Generator[Linear]:
    with linear.hosted() as host:
        host.world.now = lambda: clock.now().timestamp()
        for name in ("someone", "other"):
            host.world.user(name)
        yield host
