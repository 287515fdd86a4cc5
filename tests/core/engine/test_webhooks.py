"""The books on what hosts tell: what was taken before, and what of it is told."""

import anyio
import pytest

from ao_core.engine.webhooks import Reception, Webhooks
from ao_core.ids import ProjectId, SessionId
from ao_core.testing.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def told(clock: FakeClock) -> Webhooks:
    return Webhooks(clock)


def test_a_delivery_is_known_by_its_id_and_by_what_it_said(told: Webhooks) -> None:
    assert not told.is_known("github", "1", b"x")
    told.remember("github", "1", b"x")
    assert told.is_known("github", "1", b"y")
    assert told.is_known("github", "2", b"x")  # nobody signs the id
    assert not told.is_known("github", "2", b"y")
    assert not told.is_known("gitlab", "1", b"y")


def test_only_so_many_are_remembered_and_the_oldest_go(told: Webhooks) -> None:
    for number in range(5_000):
        told.remember("github", str(number), str(number).encode())
    assert not told.is_known("github", "0", b"0")
    assert told.is_known("github", "4999", b"")
    assert told.is_known("github", "1000", b"")


async def test_strangers_fill_no_list_and_are_counted(told: Webhooks, clock: FakeClock) -> None:
    first, *others = [told.note("", Reception.NO_SECRET) for _ in range(1_000)]
    assert first.aloud
    assert not any(one.aloud for one in others)
    assert len(told.after(0)) == 1
    await clock.advance(60)
    again = told.note("", Reception.NO_SECRET)
    assert (again.aloud, again.more) == (True, 999)
    assert told.note("", Reception.TOO_LARGE).aloud


async def test_whoever_waits_hears_of_what_came_after(told: Webhooks) -> None:
    told.note("github", Reception.TAKEN, "push", "1", "acme/app")
    heard = list[str]()
    with anyio.fail_after(5):
        (one,) = await told.news(0)
        async with anyio.create_task_group() as tasks:

            async def wait() -> None:
                heard.extend(one.event for one in await told.news(one.number))

            tasks.start_soon(wait)
            await anyio.lowlevel.checkpoint()
            told.note("github", Reception.REPEATED, "status", "2", "acme/app")
    assert heard == ["status"]


async def test_what_is_told_at_once_is_looked_at_at_once(told: Webhooks) -> None:
    app, one, two = ProjectId("app"), SessionId("app-1"), SessionId("app-2")
    told.tell(app, [one])
    told.tell(app, [two, one])
    with anyio.fail_after(5):
        assert await told.due() == {one, two}
    with anyio.move_on_after(0) as scope:
        await told.due()
    assert scope.cancelled_caught


async def test_who_could_not_be_heard_is_not_believed(told: Webhooks, clock: FakeClock) -> None:
    told.tell(ProjectId("app"), ())
    assert [one.missed for one in told.told()] == [False]
    told.note("github", Reception.CROWDED)
    assert [one.missed for one in told.told()] == [True]
    await clock.advance(3_600)
    assert [one.missed for one in told.told()] == [True]
    told.tell(ProjectId("app"), ())
    assert [one.missed for one in told.told()] == [False]


async def test_whose_secret_is_new_has_to_be_told_anew(told: Webhooks) -> None:
    told.tell(ProjectId("app"), ())
    told.forget(ProjectId("app"))
    assert told.told() == []
