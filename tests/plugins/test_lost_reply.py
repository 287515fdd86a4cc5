"""What may have been made is looked for before it is made again, for an hour."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import anyio
import pytest

from ao_core.errors import Rejected, Unavailable
from ao_core.testing.clock import FakeClock
from ao_plugins._lost_reply import LostReplies, same

HOUR = 3600


class Host:
    """Makes what it is asked to; `ends` says how its next replies come."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.made: list[datetime] = []
        self.looked = 0
        self.ends: list[Callable[[], Awaitable[None]]] = []

    async def make(self) -> int:
        self.made.append(self.clock.now())
        if self.ends:
            await self.ends.pop(0)()
        return len(self.made)

    async def find(self, since: datetime) -> int | None:
        self.looked += 1
        return next((n for n, at in enumerate(self.made, 1) if at >= since), None)

    async def nothing_yet(self, since: datetime) -> int | None:
        return None


async def lost() -> None:
    raise Unavailable("x: no answer")


async def refused() -> None:
    raise Rejected("x: 422")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def host(clock: FakeClock) -> Host:
    return Host(clock)


@pytest.fixture
def replies(clock: FakeClock) -> LostReplies:
    return LostReplies(clock)


async def test_what_is_heard_is_not_looked_for(replies: LostReplies, host: Host) -> None:
    assert [await replies.made("a", host.make, host.find) for _ in range(2)] == [1, 2]
    assert host.looked == 0


async def test_who_was_cancelled_finds_it(replies: LostReplies, host: Host) -> None:
    host.ends = [anyio.sleep_forever]
    with anyio.move_on_after(0.01):
        await replies.made("a", host.make, host.find)
    assert await replies.made("b", host.make, host.find) == 2
    assert await replies.made("a", host.make, host.find) == 1
    assert await replies.made("a", host.make, host.find) == 3


async def test_what_is_refused_is_made_again(replies: LostReplies, host: Host) -> None:
    host.ends = [refused]
    with pytest.raises(Rejected):
        await replies.made("a", host.make, host.find)
    assert await replies.made("a", host.make, host.find) == 2
    assert host.looked == 0


@pytest.mark.parametrize(("seconds", "found"), [(HOUR - 200, 1), (HOUR + 1, 2)])
async def test_it_is_looked_for_within_the_hour(
    replies: LostReplies, host: Host, clock: FakeClock, seconds: float, found: int
) -> None:
    host.ends = [lost]
    with pytest.raises(Unavailable, match="may have been done all the same"):
        await replies.made("a", host.make, host.nothing_yet)
    await clock.advance(seconds)
    assert await replies.made("a", host.make, host.find) == found


async def test_what_is_older_is_another(replies: LostReplies, host: Host, clock: FakeClock) -> None:
    host.made.append(clock.now() - timedelta(hours=1))
    host.ends = [lost]
    assert await replies.made("a", host.make, host.find) == 2


def test_white_space_does_not_tell_two_texts_apart() -> None:
    assert same("a  b\r\nc\n", "a b\nc")
    assert not same("a b", "ab")
