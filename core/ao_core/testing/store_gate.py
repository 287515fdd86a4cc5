"""What a store must do when a commit is cancelled while its thread writes. Inherit `GateContract`
and provide the fixtures `make` and `gate`."""

import asyncio
import threading

import anyio.lowlevel
import anyio.to_thread
import pytest

from ao_core.testing.store_kit import Opened, StoreFixtures, commit, counters, first, journal


class Gate:
    """Holds the thread that writes where it calls `hold`, from the first time on or later."""

    def __init__(self) -> None:
        self.passing = 0
        self._begun, self._go_on = threading.Event(), threading.Event()

    async def reached(self) -> None:
        """Wait until the thread is held."""
        assert await anyio.to_thread.run_sync(self._begun.wait, 5)

    def open(self) -> None:
        """Let it go on."""
        self._go_on.set()

    def hold(self) -> None:
        """Wait here, in the thread."""
        self.passing -= 1
        if self.passing < 0:
            self._begun.set()
            assert self._go_on.wait(5)


async def cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task as asyncio itself does."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class GateContract(StoreFixtures):
    """A commit happens whole or not at all, whoever is cancelled."""

    async def test_a_follower_learns_of_a_commit_whose_task_was_cancelled(
        self, opened: Opened, gate: Gate
    ) -> None:
        async with opened() as store:
            task = asyncio.create_task(commit(store, "a"))
            await gate.reached()
            await cancelled(task)
            assert store.head == 0
            assert await counters(store) == []
            gate.open()
            assert [event.seq for event in await first(1, store.follow(0))] == [1]
            await commit(store, "b")
            assert await journal(store) == ["a", "b"]

    async def test_a_commit_cancelled_before_its_turn_never_happens(
        self, opened: Opened, gate: Gate
    ) -> None:
        async with opened() as store:
            begun = asyncio.create_task(commit(store, "first"))
            await gate.reached()
            second = asyncio.create_task(commit(store, "second"))
            await anyio.lowlevel.checkpoint()
            await cancelled(second)
            gate.open()
            await begun
            await commit(store, "third")
            assert await journal(store) == ["first", "third"]
