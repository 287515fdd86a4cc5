"""What every store must do with the journal."""

from collections.abc import Sequence

import anyio
import pytest

from ao_core.errors import Pruned
from ao_core.model.event import Event, Priority
from ao_core.store.contract import Store
from ao_core.testing.clock import FakeClock
from ao_core.testing.store_kit import (
    DEADLINE,
    MANY,
    Opened,
    StoreFixtures,
    counted,
    first,
    journal,
    present,
    said,
    text,
)


async def _say(store: Store, text: str) -> None:
    await store.commit([], [said(text)])


class JournalContract(StoreFixtures):
    """Every line is seen once and in order, by however many and from wherever."""

    async def test_a_line_says_when_and_about_whom(self, opened: Opened, clock: FakeClock) -> None:
        async with opened() as store:
            await clock.advance(90)
            (line,) = (await store.commit([], [said("hello", "app-1")])).events
            assert [e async for e in store.follow(0, live=False)] == [line]
        assert (line.at, line.session, line.project) == (clock.now(), "app-1", "app")
        assert line.priority is Priority.INFO

    async def test_the_head_is_the_last_line(self, opened: Opened) -> None:
        async with opened() as store:
            assert store.head == 0
            assert await journal(store) == []
            lines = (await store.commit([], [said("a"), said("b")])).events
            assert store.head == lines[-1].seq > lines[0].seq > 0

    async def test_the_journal_is_read_from_any_line_on(self, opened: Opened) -> None:
        async with opened() as store:
            lines = (await store.commit([], [said(str(n)) for n in range(MANY)])).events
            assert await journal(store, lines[99].seq) == [str(n) for n in range(100, MANY)]
            assert await journal(store, store.head) == []
            assert await journal(store, store.head + 10) == []

    async def test_a_follower_waits_for_the_next_line(self, opened: Opened) -> None:
        async with opened() as store:
            await store.commit([], [said("old")])
            events = store.follow(0)
            assert [text(e) for e in await first(1, events)] == ["old"]
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_say, store, "new")
                assert [text(e) for e in await first(1, events)] == ["new"]

    async def test_every_follower_sees_every_line_once(self, opened: Opened) -> None:
        seen: list[Sequence[Event]] = []

        async def write(name: str) -> None:
            for n in range(40):
                await store.commit([], [said(f"{name}{n}/{part}") for part in range(3)])

        async def follow(after: int) -> None:
            seen.append(await first(480 - after, store.follow(after)))

        async with opened() as store:
            async with anyio.create_task_group() as tasks:
                for name in "abcd":
                    tasks.start_soon(write, name)
                for _ in range(3):
                    tasks.start_soon(follow, store.head)
                await first(100, store.follow(0))
                tasks.start_soon(follow, store.head)  # late, while lines are coming
            whole = [e async for e in store.follow(0, live=False)]
        assert len({e.seq for e in whole}) == 480
        assert [e.seq for e in whole] == sorted(e.seq for e in whole)
        assert all(whole[-len(lines) :] == lines for lines in seen)
        assert len(seen) == 4

    async def test_a_slow_follower_holds_up_nobody(self, opened: Opened) -> None:
        async with opened() as store:
            await store.commit([], [said("0")])
            slow = store.follow(0)
            await anext(slow)
            with anyio.fail_after(DEADLINE):
                for n in range(1, MANY):
                    await store.commit([], [said(str(n))])
            assert [text(e) for e in await first(MANY - 1, slow)] == [
                str(n) for n in range(1, MANY)
            ]

    async def test_pruned_lines_are_gone_and_numbers_go_on(self, opened: Opened) -> None:
        async with opened() as store:
            assert (store.first, await store.prune(10)) == (1, 0)
            lines = (await store.commit([counted("a", 1)], [said(n) for n in "abcd"])).events
            assert await store.prune(lines[2].seq) == 2
            assert await store.prune(lines[2].seq) == 0
            assert (store.first, store.head) == (lines[2].seq, lines[3].seq)
            assert await journal(store) == ["c", "d"]
            assert await journal(store, lines[1].seq) == ["c", "d"]
            assert (await present(store, "a")).value.value == 1
        async with opened() as store:
            assert (store.first, store.head) == (lines[2].seq, lines[3].seq)
            (line,) = (await store.commit([], [said("e")])).events
            assert line.seq > lines[3].seq
            assert await journal(store) == ["c", "d", "e"]

    async def test_a_journal_pruned_to_the_end_goes_on(self, opened: Opened) -> None:
        async with opened() as store:
            lines = (await store.commit([], [said(n) for n in "ab"])).events
            assert await store.prune(lines[1].seq + 10) == 2
        async with opened() as store:
            assert (store.first, store.head) == (lines[1].seq + 1, lines[1].seq)
            assert await journal(store) == []
            (line,) = (await store.commit([], [said("c")])).events
            assert line.seq > lines[1].seq
            assert [text(e) for e in await first(1, store.follow(lines[1].seq))] == ["c"]

    async def test_a_reader_who_would_miss_a_pruned_line_is_told(self, opened: Opened) -> None:
        async with opened() as store:
            lines = (await store.commit([], [said(str(n)) for n in range(MANY)])).events
            slow = store.follow(0)
            await anext(slow)
            await store.prune(lines[-2].seq)
            assert await journal(store, lines[-3].seq) == [str(MANY - 2), str(MANY - 1)]
            with pytest.raises(Pruned) as refused:
                await journal(store, lines[0].seq)
            assert refused.value.hint
            with pytest.raises(Pruned):
                await first(MANY, slow)

    async def test_a_follower_ends_with_its_store(self, opened: Opened) -> None:
        seen: list[str] = []
        arrived = anyio.Event()

        async def follow(store: Store) -> None:
            async for event in store.follow(0):
                seen.append(text(event))
                arrived.set()

        with anyio.fail_after(DEADLINE):
            async with anyio.create_task_group() as tasks, opened() as store:
                tasks.start_soon(follow, store)
                await store.commit([], [said("last")])
                await arrived.wait()
        assert seen == ["last"]
