"""What is left of a host's patience is shared out by who needs it most."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise

import anyio
import httpx
import pytest

from ao_core.allowance import acting
from ao_core.clock import SystemClock
from ao_core.errors import RateLimited
from ao_core.http import Budget, BudgetState, Urgency, budget_of
from ao_core.http.limits import Reading
from ao_core.http.marks import marks
from ao_core.http.metered import MeteredTransport
from ao_core.http.turns import Turns
from ao_core.testing.clock import FakeClock

ACT, READ, REFRESH = Urgency.ACT, Urgency.READ, Urgency.REFRESH
HOUR = 3_600


class Vendor:
    """A host with one limit for each path; `held` answers wait for `open`."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.left: dict[str, int] = {}
        self.limit = 1_000
        self.resets = clock.now() + timedelta(seconds=HOUR)
        self.seen: list[str] = []
        self.held: anyio.Event | None = None
        self.special: list[httpx.Response | Exception] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.seen.append(path)
        if self.held is not None:
            await self.held.wait()
        if self.special:
            answer = self.special.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        bucket = path.split("/")[1]
        if bucket not in self.left:
            return httpx.Response(200)
        self.left[bucket] -= 1
        return httpx.Response(200, headers=self.told(bucket))

    def told(self, bucket: str) -> dict[str, str]:
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.left[bucket]),
            "x-ratelimit-reset": str(int(self.resets.timestamp())),
            "x-ratelimit-resource": bucket,
        }


class Asker:
    """Asks within a budget, in as long as `patience` lets it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def __call__(
        self, path: str = "/core", urgency: Urgency | None = READ, method: str = "GET"
    ) -> int:
        request = self._client.build_request(
            method, f"https://x.test{path}", extensions=marks(urgency)
        )
        return (await self._client.send(request)).status_code


@pytest.fixture
def vendor(fake_clock: FakeClock) -> Vendor:
    return Vendor(fake_clock)


@pytest.fixture
def budget(fake_clock: FakeClock) -> Budget:
    return Budget("x.test", fake_clock)


@asynccontextmanager
async def asking(vendor: Vendor, budget: Budget) -> AsyncGenerator[Asker]:
    transport = MeteredTransport(httpx.MockTransport(vendor), budget)
    async with httpx.AsyncClient(transport=transport) as client:
        yield Asker(client)


# -- shares ------------------------------------------------------------------------------------


async def test_nothing_is_held_back_where_no_limit_is_known(vendor: Vendor, budget: Budget) -> None:
    async with asking(vendor, budget) as ask:
        for _ in range(20):
            await ask("/none", REFRESH)
    assert budget.state().buckets["core"].limit is None


@pytest.mark.parametrize(
    ("left", "may"),
    [
        (202, {ACT, READ, REFRESH}),
        (201, {ACT, READ}),
        (52, {ACT, READ}),
        (51, {ACT}),
        (2, {ACT}),
        (1, set[Urgency]()),
    ],
)
async def test_what_is_left_is_kept_for_those_who_need_it_more(
    left: int, may: set[Urgency], vendor: Vendor, fake_clock: FakeClock
) -> None:
    vendor.left["core"] = 1_000
    allowed: set[Urgency] = set()
    for urgency in Urgency:
        budget = Budget("x.test", fake_clock)
        vendor.left["core"] = left
        async with asking(vendor, budget) as ask:
            await ask(urgency=ACT)  # whose answer tells that one less is left
            with anyio.move_on_after(60):
                try:
                    await ask(urgency=urgency)
                except RateLimited:
                    continue
                allowed.add(urgency)
    assert allowed == may


async def test_what_is_read_for_an_act_goes_as_one_and_looking_again_does_not(
    vendor: Vendor, budget: Budget
) -> None:
    vendor.left["core"] = 11
    async with asking(vendor, budget) as ask:
        await ask(urgency=ACT)
        with anyio.move_on_after(60), acting():
            assert await ask(urgency=READ) == 200
            with pytest.raises(RateLimited):
                await ask(urgency=REFRESH)
        with anyio.move_on_after(60), pytest.raises(RateLimited):
            await ask(urgency=READ)


async def test_a_refusal_says_which_host_what_is_left_and_when_it_comes_back(
    vendor: Vendor, budget: Budget, fake_clock: FakeClock
) -> None:
    vendor.left["core"] = 11
    async with asking(vendor, budget) as ask:
        await ask(urgency=ACT)
        with anyio.move_on_after(60), pytest.raises(RateLimited) as caught:
            await ask(urgency=READ)
    assert caught.value.retry_after == HOUR
    assert caught.value.message == (
        "x.test: 10 of 1000 left (core), it is to be asked again at 01:00:00 UTC, in 3600 s"
    )
    assert vendor.seen == ["/core"]


async def test_it_is_full_again_after_the_reset(
    vendor: Vendor, budget: Budget, fake_clock: FakeClock
) -> None:
    vendor.left["core"] = 1
    async with asking(vendor, budget) as ask:
        await ask(urgency=ACT)
        await fake_clock.advance(HOUR)
        assert budget.state().buckets["core"].remaining == 1_000
        assert await ask(urgency=REFRESH) == 200


async def test_what_is_under_way_counts_before_it_is_answered(
    vendor: Vendor, budget: Budget
) -> None:
    vendor.left["core"] = 3
    async with asking(vendor, budget) as ask:
        await ask(urgency=ACT)
        vendor.held = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, "/core", ACT)
            tasks.start_soon(ask, "/core", ACT)
            await anyio.wait_all_tasks_blocked()
            with anyio.move_on_after(60), pytest.raises(RateLimited):
                await ask(urgency=ACT)
            vendor.held.set()


async def test_a_wait_that_the_caller_has_time_for_is_waited(
    vendor: Vendor, budget: Budget, fake_clock: FakeClock
) -> None:
    vendor.left["core"] = 1
    vendor.resets = fake_clock.now() + timedelta(seconds=20)
    async with asking(vendor, budget) as ask, anyio.create_task_group() as tasks:
        await ask(urgency=ACT)
        with anyio.move_on_after(3_600):
            tasks.start_soon(ask, "/core", READ)
            await fake_clock.until_sleeping()
            await fake_clock.advance(19)
            assert len(vendor.seen) == 1
            await fake_clock.advance(1)
    assert len(vendor.seen) == 2


async def test_buckets_are_kept_apart_once_it_is_known_which_is_which(
    vendor: Vendor, budget: Budget
) -> None:
    vendor.left |= {"core": 900, "search": 2, "graphql": 500}
    async with asking(vendor, budget) as ask:
        for path in ("/core/a", "/search/x", "/search/x", "/graphql", "/core/b"):
            await ask(path, ACT)
        with anyio.move_on_after(60), pytest.raises(RateLimited, match=r"0 of 1000 left \(search"):
            await ask("/search/x", ACT)
        assert await ask("/core/c", READ) == 200
    found = {name: one.remaining for name, one in budget.state().buckets.items()}
    assert found == {"core": 897, "search": 0, "graphql": 499}


async def test_a_path_counts_where_its_last_answer_says(vendor: Vendor, budget: Budget) -> None:
    vendor.left |= {"core": 900, "search": 900}
    vendor.special = [httpx.Response(200, headers=vendor.told(one)) for one in ("search", "core")]
    async with asking(vendor, budget) as ask:
        await ask("/x")
        await ask("/x")
        budget.told(Reading("search", 1_000, 0, vendor.resets), ACT, 1)
        assert await ask("/x") == 200


# -- slow before the wall ----------------------------------------------------------------------


async def test_looking_again_is_spaced_out_once_less_than_half_is_left(
    vendor: Vendor, budget: Budget, fake_clock: FakeClock
) -> None:
    vendor.left["core"] = 401
    times: list[float] = []
    async with asking(vendor, budget) as ask, anyio.create_task_group() as tasks:
        await ask(urgency=READ)

        async def refresh() -> None:
            for _ in range(4):
                await ask(urgency=REFRESH)
                times.append(fake_clock.monotonic())

        tasks.start_soon(refresh)
        await fake_clock.until_sleeping()
        assert await ask(urgency=READ) == 200
        await fake_clock.advance(100)
    gaps = [after - before for before, after in pairwise(times)]
    assert times[0] == 0
    assert all(17 < gap < 19.5 for gap in gaps)  # 3600 s for the 200 that it may use


async def test_looking_again_is_not_spaced_out_while_there_is_enough(
    vendor: Vendor, budget: Budget, fake_clock: FakeClock
) -> None:
    vendor.left["core"] = 600
    async with asking(vendor, budget) as ask:
        for _ in range(100):
            await ask(urgency=REFRESH)
    assert fake_clock.monotonic() == 0


async def test_who_cannot_wait_for_the_spacing_is_told_at_once(
    vendor: Vendor, budget: Budget
) -> None:
    vendor.left["core"] = 211
    async with asking(vendor, budget) as ask:
        await ask(urgency=REFRESH)
        await ask(urgency=REFRESH)
        with anyio.move_on_after(60), pytest.raises(RateLimited) as caught:
            await ask(urgency=REFRESH)
    assert caught.value.retry_after == pytest.approx(HOUR / 9, rel=0.15)


async def test_a_clock_that_is_set_back_spaces_out_no_further(
    vendor: Vendor, budget: Budget, fake_clock: FakeClock
) -> None:
    vendor.left["core"] = 211
    async with asking(vendor, budget) as ask:
        await ask(urgency=REFRESH)
        await ask(urgency=REFRESH)
        fake_clock.jump(-2 * HOUR)
        with anyio.move_on_after(60), pytest.raises(RateLimited) as caught:
            await ask(urgency=REFRESH)
        assert caught.value.retry_after == pytest.approx(HOUR / 9, rel=0.15)
        await fake_clock.advance(caught.value.retry_after or 0)
        with anyio.fail_after(60):
            assert await ask(urgency=REFRESH) == 200
    assert len(vendor.seen) == 3


async def test_becoming_slow_is_told_once_and_being_free_again_is_too(
    vendor: Vendor, budget: Budget, fake_clock: FakeClock
) -> None:
    told: list[tuple[bool, int | None]] = []

    def on_slow(state: BudgetState) -> None:
        told.append((state.slow, state.buckets["core"].remaining))

    def breaks(state: BudgetState) -> None:
        raise ValueError

    budget.listen(breaks)
    end = budget.listen(on_slow)
    vendor.left["core"] = 21
    async with asking(vendor, budget) as ask:
        await ask(urgency=ACT)
        assert told == []
        for _ in range(3):
            with anyio.move_on_after(60), pytest.raises(RateLimited):
                await ask(urgency=REFRESH)
        await ask(urgency=ACT)
        assert told == [(True, 20)]
        assert budget.state().slow
        await fake_clock.advance(HOUR)
        vendor.left["core"], vendor.resets = 1_000, vendor.resets + timedelta(seconds=HOUR)
        await ask(urgency=REFRESH)
        assert [slow for slow, _ in told] == [True, False]
        end()
        end()
        vendor.left["core"] = 1
        await ask(urgency=ACT)
        with anyio.move_on_after(60), pytest.raises(RateLimited):
            await ask(urgency=ACT)
    assert len(told) == 2


# -- pauses ------------------------------------------------------------------------------------


async def blocked_for(ask: Asker, path: str = "/core") -> float | None:
    with anyio.move_on_after(0.5), pytest.raises(RateLimited) as caught:
        await ask(path, ACT)
    return caught.value.retry_after


@pytest.mark.parametrize("status", [403, 429])
async def test_a_pause_that_is_asked_for_is_kept_by_all(
    status: int, vendor: Vendor, budget: Budget, fake_clock: FakeClock
) -> None:
    vendor.left |= {"core": 900, "search": 900}
    vendor.special = [httpx.Response(status, headers={"Retry-After": "30", **vendor.told("core")})]
    async with asking(vendor, budget) as ask:
        assert await ask() == status
        assert await blocked_for(ask, "/search") == 30
        assert budget.state().blocked_until == fake_clock.now() + timedelta(seconds=30)
        await fake_clock.advance(30)
        assert await ask() == 200
        assert budget.state().blocked_until is None


async def test_an_empty_bucket_is_no_pause_for_the_others(vendor: Vendor, budget: Budget) -> None:
    vendor.left |= {"search": 0, "core": 900}
    vendor.special = [httpx.Response(403, headers={"Retry-After": "30", **vendor.told("search")})]
    async with asking(vendor, budget) as ask:
        assert await ask("/search") == 403
        assert await blocked_for(ask, "/search") == HOUR
        assert await ask("/core") == 200


async def test_a_pause_of_unknown_length_is_a_minute_and_grows(
    vendor: Vendor, budget: Budget, fake_clock: FakeClock
) -> None:
    waits: list[float | None] = []
    async with asking(vendor, budget) as ask:
        for _ in range(8):
            vendor.special = [httpx.Response(429)]
            await ask(urgency=ACT)
            waits.append(await blocked_for(ask))
            await fake_clock.advance(waits[-1] or 0)
        assert waits == [60, 120, 240, 480, 960, 1_920, 3_600, 3_600]
        await fake_clock.advance(2 * HOUR)
        vendor.special = [httpx.Response(429)]
        await ask(urgency=ACT)
        assert await blocked_for(ask) == 60


async def test_a_whole_burst_that_is_refused_is_one_refusal(vendor: Vendor, budget: Budget) -> None:
    vendor.held = anyio.Event()
    vendor.special = [httpx.Response(429) for _ in range(5)]
    async with asking(vendor, budget) as ask:
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            vendor.held.set()
        vendor.held = None
        assert await blocked_for(ask) == 60


async def test_a_reset_that_has_passed_here_but_not_there_is_a_pause(
    vendor: Vendor, budget: Budget, fake_clock: FakeClock
) -> None:
    vendor.left["core"] = 0
    vendor.resets = fake_clock.now() - timedelta(seconds=1)
    vendor.special = [httpx.Response(403, headers=vendor.told("core"))]
    async with asking(vendor, budget) as ask:
        await ask()
        assert await blocked_for(ask) == 60


async def test_other_refusals_are_no_pause(vendor: Vendor, budget: Budget) -> None:
    vendor.special = [httpx.Response(403), httpx.Response(503, headers={"Retry-After": "9"})]
    async with asking(vendor, budget) as ask:
        assert [await ask(), await ask(), await ask()] == [403, 503, 200]


# -- turns -------------------------------------------------------------------------------------


async def test_so_many_are_under_way_at_once_and_acts_go_first(
    vendor: Vendor, fake_clock: FakeClock
) -> None:
    budget = Budget("x.test", fake_clock, at_once=2)
    vendor.held = anyio.Event()
    async with asking(vendor, budget) as ask, anyio.create_task_group() as tasks:
        for path in ("/1", "/2"):
            tasks.start_soon(ask, path)
        await anyio.wait_all_tasks_blocked()
        for path, urgency in (("/r1", REFRESH), ("/r2", READ), ("/a", ACT), ("/r3", READ)):
            tasks.start_soon(ask, path, urgency)
            await anyio.wait_all_tasks_blocked()
        assert vendor.seen == ["/1", "/2"]
        vendor.held.set()
    assert vendor.seen == ["/1", "/2", "/a", "/r2", "/r3", "/r1"]


async def test_a_place_is_free_once_the_answer_was_read_and_not_before(
    vendor: Vendor, fake_clock: FakeClock
) -> None:
    budget = Budget("x.test", fake_clock, at_once=1)

    async def slowly() -> AsyncIterator[bytes]:
        yield b"1"
        yield b"2"

    vendor.special = [httpx.Response(200, content=slowly())]
    transport = MeteredTransport(httpx.MockTransport(vendor), budget)
    async with (
        httpx.AsyncClient(transport=transport) as client,
        anyio.create_task_group() as tasks,
        client.stream("GET", "https://x.test/1") as response,
    ):
        tasks.start_soon(client.get, "https://x.test/2")
        await anyio.wait_all_tasks_blocked()
        assert vendor.seen == ["/1"]
        assert await response.aread() == b"12"
        await anyio.wait_all_tasks_blocked()
        assert vendor.seen == ["/1", "/2"]


async def test_who_gives_up_leaves_its_place_to_others(
    vendor: Vendor, fake_clock: FakeClock
) -> None:
    budget = Budget("x.test", fake_clock, at_once=1)
    vendor.held = anyio.Event()
    async with asking(vendor, budget) as ask:
        with anyio.move_on_after(0.01):
            await ask("/1")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, "/2")
            await anyio.wait_all_tasks_blocked()
            with anyio.move_on_after(0.01):
                await ask("/3")
            vendor.held.set()
        with anyio.fail_after(5):
            await ask("/4")
    assert vendor.seen == ["/1", "/2", "/4"]


async def test_who_gives_up_as_it_is_called_passes_its_place_on() -> None:
    turns = Turns(1)
    await turns.take(READ)
    waiting = asyncio.create_task(turns.take(READ))
    await anyio.wait_all_tasks_blocked()
    turns.give_back()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with anyio.fail_after(5):
        await turns.take(READ)


async def test_who_waited_for_a_place_heeds_what_was_learnt_meanwhile(
    vendor: Vendor, fake_clock: FakeClock
) -> None:
    budget = Budget("x.test", fake_clock, at_once=1)
    vendor.held = anyio.Event()
    vendor.special = [httpx.Response(429, headers={"Retry-After": "30"})]
    async with asking(vendor, budget) as ask, anyio.create_task_group() as tasks:
        tasks.start_soon(ask, "/1")
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(ask, "/2")
        await anyio.wait_all_tasks_blocked()
        vendor.held.set()
        await fake_clock.until_sleeping()
        assert vendor.seen == ["/1"]
        await fake_clock.advance(30)
    assert vendor.seen == ["/1", "/2"]


async def test_a_place_is_free_after_an_error(vendor: Vendor, fake_clock: FakeClock) -> None:
    budget = Budget("x.test", fake_clock, at_once=1)
    vendor.left["core"] = 900
    async with asking(vendor, budget) as ask:
        await ask()
        vendor.special = [httpx.ReadError("broken")]
        with pytest.raises(httpx.ReadError):
            await ask()
        with anyio.fail_after(5):
            await ask("/none")
    state = budget.state().buckets["core"]
    assert (state.remaining, state.spent[READ]) == (897, 3)


async def test_changes_are_a_second_apart_where_that_is_asked_for(
    vendor: Vendor, fake_clock: FakeClock
) -> None:
    budget = Budget("x.test", fake_clock, changes_apart=1.0)
    told: list[BudgetState] = []
    budget.listen(told.append)
    async with asking(vendor, budget) as ask, anyio.create_task_group() as tasks:
        for path in ("/1", "/2", "/3"):
            tasks.start_soon(ask, path, ACT, "POST")
        await fake_clock.until_sleeping(2)
        await ask("/r")
        await ask("/r", ACT)
        assert vendor.seen == ["/1", "/r", "/r"]
        await fake_clock.advance(1)
        assert vendor.seen[3:] == ["/2"]
        await fake_clock.advance(1)
    assert vendor.seen[3:] == ["/2", "/3"]
    assert told == []  # that is politeness, and no sign of a limit


async def test_a_clock_that_is_set_back_makes_nobody_wait_for_longer(
    vendor: Vendor, fake_clock: FakeClock
) -> None:
    budget = Budget("x.test", fake_clock, changes_apart=1.0)
    async with asking(vendor, budget) as ask, anyio.create_task_group() as tasks:
        await ask("/1", ACT, "POST")
        fake_clock.jump(-2 * HOUR)
        tasks.start_soon(ask, "/2", ACT, "POST")
        await fake_clock.until_sleeping()
        await fake_clock.advance(1)
        assert vendor.seen == ["/1", "/2"]
        vendor.special = [httpx.Response(429, headers={"Retry-After": "30"})]
        assert await ask("/3", ACT) == 429
        fake_clock.jump(-2 * HOUR)
        assert await blocked_for(ask, "/4") == 30
        await fake_clock.advance(30)
        assert await ask("/4", ACT) == 200


async def test_holding_them_apart_is_no_sign_of_a_limit_though_time_goes_on(vendor: Vendor) -> None:
    budget = Budget("x.test", SystemClock(), changes_apart=0.01)
    told: list[BudgetState] = []
    budget.listen(told.append)
    async with asking(vendor, budget) as ask:
        for _ in range(5):
            await ask("/1", ACT, "POST")
    assert told == []


async def test_changes_are_not_held_apart_elsewhere(vendor: Vendor, budget: Budget) -> None:
    async with asking(vendor, budget) as ask:
        for _ in range(3):
            await ask("/1", ACT, "POST")
    assert len(vendor.seen) == 3


# -- what is shared ----------------------------------------------------------------------------


async def test_a_budget_is_shared_by_all_with_the_same_token(
    vendor: Vendor, fake_clock: FakeClock
) -> None:
    mine = budget_of("https://shared.test", "token-1", fake_clock, changes_apart=1.0)
    assert budget_of("https://shared.test", "token-1", fake_clock) is mine
    assert budget_of("https://shared.test", "token-2", fake_clock) is not mine
    assert budget_of("https://other.test", "token-1", fake_clock) is not mine
    assert mine.state().name == "shared.test"


async def test_it_says_who_has_spent_what(vendor: Vendor, budget: Budget) -> None:
    vendor.left["core"] = 900
    async with asking(vendor, budget) as ask:
        await ask(urgency=REFRESH)
        await ask(urgency=REFRESH)
        await ask(urgency=None)
        await ask(urgency=None, method="POST")
    state = budget.state().buckets["core"]
    assert dict(state.spent) == {ACT: 1, READ: 1, REFRESH: 2}
    assert (state.limit, state.remaining, state.resets_at) == (1_000, 896, vendor.resets)
