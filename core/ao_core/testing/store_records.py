"""What every store must do with records."""

from datetime import UTC, datetime, timedelta

import anyio
import anyio.lowlevel
import pytest

from ao_core.errors import Conflict, StoreError, StoreUnavailable
from ao_core.ids import SessionId
from ao_core.store.contract import Drop, Put, Row
from ao_core.store.records import COUNTER, CURSOR, MESSAGE, Counter, Cursor, Message
from ao_core.testing.store_kit import (
    MANY,
    Opened,
    StoreFixtures,
    counted,
    counters,
    journal,
    present,
    said,
    text,
)


class RecordContract(StoreFixtures):
    """Compare-and-set, all or nothing, and everything comes back as it was."""

    async def test_a_record_is_read_back_as_it_was_written(self, opened: Opened) -> None:
        at = datetime(2026, 3, 1, 12, 30, 0, 123456, tzinfo=UTC)
        message = Message("msg-1", SessionId("app-1"), "hello", "lead", "t", at)
        async with opened() as store:
            made = await store.commit([Put(MESSAGE, message.id, message, 0)])
            row = await store.read(MESSAGE, message.id)
        assert row == Row(message.id, message, made.revisions[0])
        assert row is not None
        assert row.value.created_at.utcoffset() == timedelta(0)

    async def test_what_is_not_there_is_none(self, opened: Opened) -> None:
        async with opened() as store:
            await store.commit([counted("a", 1)])
            assert await store.read(COUNTER, "b") is None
            assert await store.read(CURSOR, "a") is None

    async def test_a_record_is_made_only_once(self, opened: Opened) -> None:
        async with opened() as store:
            await store.commit([counted("a", 1)])
            with pytest.raises(Conflict) as refused:
                await store.commit([counted("a", 2)])
            assert refused.value.hint
            assert await counters(store) == [("a", 1)]

    async def test_a_change_based_on_an_old_revision_is_refused(self, opened: Opened) -> None:
        async with opened() as store:
            old = (await store.commit([counted("a", 1)])).revisions[0]
            new = (await store.commit([counted("a", 2, old)])).revisions[0]
            for change in (counted("a", 3, old), Drop(COUNTER, "a", old)):
                with pytest.raises(Conflict):
                    await store.commit([change])
            assert await present(store, "a") == Row("a", Counter("a", 2), new)

    async def test_a_change_to_what_is_not_there_is_refused(self, opened: Opened) -> None:
        async with opened() as store:
            for change in (counted("a", 1, 1), Drop(COUNTER, "a", 1), Drop(COUNTER, "a", 0)):
                with pytest.raises(Conflict):
                    await store.commit([change])
            assert await counters(store) == []

    async def test_the_revision_of_a_dropped_record_never_comes_back(self, opened: Opened) -> None:
        async with opened() as store:
            old = (await store.commit([counted("a", 1)])).revisions[0]
            assert (await store.commit([Drop(COUNTER, "a", old)])).revisions == (0,)
            assert await store.read(COUNTER, "a") is None
        async with opened() as store:
            new = (await store.commit([counted("a", 2)])).revisions[0]
            assert new != old
            with pytest.raises(Conflict):
                await store.commit([counted("a", 3, old)])

    async def test_a_commit_makes_all_of_its_changes(self, opened: Opened) -> None:
        async with opened() as store:
            (old,) = (await store.commit([counted("gone", 1)])).revisions
            made = await store.commit(
                [counted("b", 2), Drop(COUNTER, "gone", old), counted("a", 1)],
                [said("one"), said("two")],
            )
            assert await counters(store) == [("a", 1), ("b", 2)]
            assert made.revisions == (
                (await present(store, "b")).revision,
                0,
                (await present(store, "a")).revision,
            )
            assert [text(event) for event in made.events] == ["one", "two"]
            assert await journal(store) == ["one", "two"]

    @pytest.mark.parametrize("place", [0, 1, 2])
    async def test_a_refused_commit_leaves_nothing(self, opened: Opened, place: int) -> None:
        async with opened() as store:
            (kept,) = (await store.commit([counted("kept", 1)], [said("kept")])).revisions
            changes: list[Put[Counter] | Drop] = [counted("new", 1), Drop(COUNTER, "kept", kept)]
            changes.insert(place, counted("missing", 1, 99))
            with pytest.raises(Conflict):
                await store.commit(changes, [said("lost")])
            assert await counters(store) == [("kept", 1)]
            assert await journal(store) == ["kept"]
            await store.commit([], [said("next")])
            assert await journal(store) == ["kept", "next"]

    async def test_one_commit_cannot_write_a_record_twice(self, opened: Opened) -> None:
        async with opened() as store:
            with pytest.raises(Conflict):
                await store.commit([counted("a", 1), counted("a", 2)])
            assert await counters(store) == []

    async def test_a_record_of_the_wrong_type_is_refused(self, opened: Opened) -> None:
        async with opened() as store:
            with pytest.raises(TypeError, match="counter holds Counter, not Cursor"):
                await store.commit([Put(COUNTER, "a", Cursor("a", 1), 0)])  # type: ignore[arg-type]

    async def test_records_are_scanned_by_id(self, opened: Opened) -> None:
        ids = ["b", "a/2", "a/10", "a", "A", "ab", "é", "𝄞", "a/\U0010ffff", "a/\U0010ffff1"]
        async with opened() as store:
            await store.commit([counted(id, 1) for id in ids])
            await store.commit([Put(CURSOR, "a/3", Cursor("a/3", 1), 0)])
            assert [id for id, _ in await counters(store)] == sorted(ids)
            for prefix in ("a", "a/", "a/\U0010ffff", "z", "A", "é"):
                expected = sorted(id for id in ids if id.startswith(prefix))
                assert [id for id, _ in await counters(store, prefix)] == expected

    @pytest.mark.parametrize("prefix", ["%", "_", "\\", "*", "[a]", "?", "'", '"', "a%", "a_"])
    async def test_a_prefix_is_no_pattern(self, opened: Opened, prefix: str) -> None:
        async with opened() as store:
            await store.commit([counted("abc", 1), counted(f"{prefix}/1", 2)])
            assert await counters(store, prefix) == [(f"{prefix}/1", 2)]

    async def test_a_long_scan_is_complete(self, opened: Opened) -> None:
        async with opened() as store:
            await store.commit([counted(f"a/{n:05}", n) for n in range(MANY)])
            await store.commit([counted("b", 0)])
            expected = [(f"a/{n:05}", n) for n in range(MANY)]
            assert await counters(store, "a/") == expected
            assert await counters(store) == [*expected, ("b", 0)]

    async def test_ids_that_begin_alike_are_all_scanned(self, opened: Opened) -> None:
        ids = ["!" * n for n in range(1, MANY // 2)]
        async with opened() as store:
            await store.commit([counted(id, 1) for id in ids])
            assert [id for id, _ in await counters(store)] == ids

    @pytest.mark.parametrize("value", ["", "\0", "a\r\nb\u2028", "🦉é\u202e", '{"a": "\\u0000'])
    async def test_text_comes_back_unchanged(self, opened: Opened, value: str) -> None:
        async with opened() as store:
            await store.commit([Put(COUNTER, "a", Counter(value, 1), 0)], [said(value)])
            assert (await present(store, "a")).value.name == value
            assert await journal(store) == [value]

    async def test_a_big_value_comes_back_unchanged(self, opened: Opened) -> None:
        value = "0123456789abcdeé\n" * 100_000
        async with opened() as store:
            await store.commit([Put(COUNTER, "a", Counter(value, 1), 0)], [said(value)])
            assert (await present(store, "a")).value.name == value
            assert await journal(store) == [value]

    async def test_broken_text_is_refused_and_nothing_is_left(self, opened: Opened) -> None:
        async with opened() as store:
            for change, event in (
                (counted("a", 1), said("\udc80")),
                (counted("a", 1), said("fine", "\udc80")),
                (counted("\udc80", 1), said("fine")),
            ):
                with pytest.raises(StoreError):
                    await store.commit([change], [event])
            with pytest.raises(StoreError):
                await store.read(COUNTER, "\udc80")
            assert await counters(store) == []
            assert await journal(store) == []

    async def test_everything_outlives_the_store(self, opened: Opened) -> None:
        async with opened() as store:
            made = await store.commit([counted("a", 1)], [said("one"), said("two")])
        async with opened() as store:
            assert store.head == made.events[-1].seq
            assert await present(store, "a") == Row("a", Counter("a", 1), made.revisions[0])
            assert [e async for e in store.follow(0, live=False)] == list(made.events)
            more = await store.commit([counted("a", 2, made.revisions[0])], [said("three")])
            assert more.events[0].seq > made.events[-1].seq
            assert more.revisions[0] != made.revisions[0]

    async def test_a_closed_store_says_so(self, opened: Opened) -> None:
        async with opened() as store:
            await store.commit([counted("a", 1)])
        with pytest.raises(StoreUnavailable):
            await store.commit([counted("b", 1)])
        with pytest.raises(StoreUnavailable):
            await store.read(COUNTER, "a")

    async def test_concurrent_commits_succeed_or_fail_alone(self, opened: Opened) -> None:
        refused: list[int] = []

        async def make(n: int) -> None:
            try:
                await store.commit([counted(f"{n // 2}", n)], [said(f"{n // 2}")])
            except Conflict:
                refused.append(n // 2)

        async with opened() as store:
            async with anyio.create_task_group() as tasks:
                for n in range(100):
                    tasks.start_soon(make, n)
            assert sorted(refused) == list(range(50))
            assert sorted(await journal(store)) == sorted(str(n) for n in range(50))
            assert len(await counters(store)) == 50

    @pytest.mark.parametrize("turns", range(12))
    async def test_a_cancelled_commit_happens_or_does_not(self, opened: Opened, turns: int) -> None:
        async with opened() as store:
            async with anyio.create_task_group() as tasks:
                for n in range(5):
                    tasks.start_soon(store.commit, [counted(f"{n}", n)], [said(f"{n}")])
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
            made = [id for id, _ in await counters(store)]
            assert sorted(await journal(store)) == made
            await store.commit([counted("after", 1)], [said("after")])
            assert (await journal(store))[-1] == "after"
