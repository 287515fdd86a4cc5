"""A server on loopback, a clock that is moved by hand, and an `Api` between them."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from ao_core.http import Api
from ao_core.http.retry import Backoff
from ao_core.testing.clock import FakeClock
from receiver import Receiver

Entered = Callable[..., AbstractAsyncContextManager[Api]]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def fake_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def entered(receiver: Receiver, fake_clock: FakeClock) -> Entered:
    """The vendor at `/api`, asked once unless told otherwise."""

    @asynccontextmanager
    async def entered(**settings: Any) -> AsyncGenerator[Api]:
        given: dict[str, Any] = {"clock": fake_clock, "backoff": Backoff(1), **settings}
        async with Api("vendor", f"{receiver.url}/api", **given) as api:
            yield api

    return entered
