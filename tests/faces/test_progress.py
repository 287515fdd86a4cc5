"""What takes long says that it goes on."""

from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from ao_core.engine.caller import Caller, Role
from ao_core.engine.engine import Engine
from ao_core.errors import WrongState
from ao_core.testing.clock import FakeClock
from ao_mcp.operations.contract import Call
from ao_mcp.operations.merging import _relay  # pyright: ignore[reportPrivateUsage]
from ao_mcp.operations.progress import EVERY, kept_up, rising


class Hearer:
    """A client that hears how far a call has come."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.heard: list[tuple[float, float | None, str]] = []
        self.fourth = anyio.Event()
        engine = cast("Engine", SimpleNamespace(clock=self.clock))
        self.call = Call(engine, Caller(Role.LEAD, "c1"), self.progress)

    async def progress(self, done: float, total: float | None, text: str) -> None:
        self.heard.append((done, total, text))
        if len(self.heard) == 4:
            self.fourth.set()


async def test_every_few_seconds_it_says_how_long_it_has_taken() -> None:
    client, ended = Hearer(), anyio.Event()

    async def work() -> int:
        await ended.wait()
        return 7

    async with anyio.create_task_group() as tasks:

        async def begin() -> None:
            assert await kept_up(client.call, work, lambda: "waiting", 50) == 7

        tasks.start_soon(begin)
        for _ in range(3):
            await client.clock.advance(EVERY)
        ended.set()
    assert client.heard == [(seconds, 50, "waiting") for seconds in (0, 5, 10, 15)]
    await client.clock.advance(60)
    assert len(client.heard) == 4


async def test_an_error_comes_as_it_is() -> None:
    async def work() -> None:
        raise WrongState("It is not running.")

    with pytest.raises(WrongState):
        await kept_up(Hearer().call, work, lambda: "waiting")


async def test_a_step_that_takes_long_comes_ever_further_and_never_as_far_as_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ao_mcp.operations.merging.EVERY", 0.01)
    client = Hearer()
    send, heard = anyio.create_memory_object_stream[Any](10)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_relay, client.call, heard)
        with send:
            await send.send((1.0, 3.0, "gates of app-2"))
            await client.fourth.wait()
            await send.send((2.0, 3.0, "gates of app-3"))
    heard.close()
    numbers = [done for done, _, _ in client.heard]
    assert numbers[:4] == [1.0, 1.5, 1.75, 1.875]
    assert numbers == sorted(numbers)
    assert client.heard[-1] == (2.0, 3.0, "gates of app-3")


async def test_one_count_upon_another_goes_ever_further() -> None:
    client = Hearer()
    tell = rising(client.progress)
    for done, total in ((0, None), (5, None), (0, 2), (1, 2), (1, 2), (2, 2)):
        await tell(done, total, "")
    assert [told[:2] for told in client.heard] == [
        (0, None),
        (5, None),
        (6, 8),
        (7, 8),
        (8, 9),
        (9, 9),
    ]
