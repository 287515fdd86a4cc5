"""What every store must do. Inherit `StoreContract`, and `SharedStoreContract` if it may be opened
more than once at a time, and provide the fixture `make`. `store_machine` has the state machine."""

import pytest

from ao_core.errors import Conflict
from ao_core.store.contract import Lease
from ao_core.testing.clock import FakeClock
from ao_core.testing.store_journal import JournalContract
from ao_core.testing.store_kit import (
    Opened,
    StoreFixtures,
    counted,
    counters,
    journal,
    present,
    said,
)
from ao_core.testing.store_records import RecordContract


class LeaseContract(StoreFixtures):
    """A lease has one holder; its token grows for ever."""

    async def test_a_valid_lease_is_renewed(self, opened: Opened, clock: FakeClock) -> None:
        async with opened() as store:
            lease = await store.lease("k", 10)
            await clock.advance(9)
            renewed = await store.lease("k", 10)
        assert renewed == Lease("k", lease.token, lease.expires + 9)
        assert renewed.expires == clock.now().timestamp() + 10

    async def test_the_token_of_a_lease_taken_anew_is_greater(
        self, opened: Opened, clock: FakeClock
    ) -> None:
        tokens: list[int] = []
        for _ in range(3):
            async with opened() as store:
                tokens.append((await store.lease("k", 10)).token)
                await clock.advance(10)
                tokens.append((await store.lease("k", 10)).token)
        assert tokens == sorted(set(tokens))

    async def test_a_fenced_commit_needs_a_valid_lease(
        self, opened: Opened, clock: FakeClock
    ) -> None:
        async with opened() as store:
            fence = await store.lease("k", 10)
            await store.commit([counted("a", 1)], [said("a")], fence=fence)
            await clock.advance(9)
            await store.lease("k", 10)
            await clock.advance(9)
            await store.commit([counted("b", 1)], [said("b")], fence=fence)
            await clock.advance(1)
            stale = (fence, Lease("other", fence.token, fence.expires + 100))
            for lease in stale:
                with pytest.raises(Conflict):
                    await store.commit([counted("c", 1)], [said("c")], fence=lease)
            assert await journal(store) == ["a", "b"]
            assert await counters(store) == [("a", 1), ("b", 1)]


class StoreContract(RecordContract, JournalContract, LeaseContract):
    """The contract of `Store`."""


class SharedStoreContract(StoreFixtures):
    """The contract of a store that may be opened more than once at a time."""

    async def test_a_lease_has_one_holder(self, opened: Opened, clock: FakeClock) -> None:
        async with opened() as one, opened() as other:
            held = await one.lease("k", 10)
            with pytest.raises(Conflict):
                await other.lease("k", 10)
            await other.lease("another", 10)
            await clock.advance(10)
            taken = await other.lease("k", 10)
            assert taken.token > held.token
            with pytest.raises(Conflict):
                await one.lease("k", 10)
            with pytest.raises(Conflict):
                await one.commit([counted("a", 1)], fence=held)
            await other.commit([counted("a", 2)], fence=taken)

    async def test_a_closed_store_gives_its_leases_back(self, opened: Opened) -> None:
        async with opened() as one:
            async with opened() as other:
                held = await other.lease("k", 1000)
            assert (await one.lease("k", 10)).token > held.token

    async def test_handles_see_each_others_records(self, opened: Opened) -> None:
        async with opened() as one, opened() as other:
            (old,) = (await one.commit([counted("a", 1)])).revisions
            await other.commit([counted("a", 2, old)])
            with pytest.raises(Conflict):
                await one.commit([counted("a", 3, old)])
            assert (await present(one, "a")).value.value == 2
