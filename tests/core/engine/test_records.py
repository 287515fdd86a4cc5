"""Records in memory are what the store has, and nobody's change is lost."""

from contextlib import aclosing
from dataclasses import replace

import anyio
import anyio.lowlevel
import pytest

from ao_core.engine.records import Step
from ao_core.errors import Conflict, Unknown
from ao_core.ids import SessionId
from ao_core.model.event import EventKind, NewEvent, Said
from ao_core.model.session import Session
from ao_core.store.contract import Drop, Put
from ao_core.store.records import COUNTER, MESSAGE, SESSION, Counter, Message
from books import START, Books, a_session, books_on, said, together

ID = SessionId("app-1")


def longer(session: Session) -> Step:
    return Step(replace(session, commits=(*session.commits, "c")))


async def title_in_store(books: Books) -> str:
    row = await books.store.read(SESSION, ID)
    assert row is not None
    return row.value.title


async def test_what_is_loaded_is_what_was_written(books: Books) -> None:
    await books.change(ID, lambda now: replace(now, title="new"))
    again = await books.reopened()
    assert again.records.session(ID) == books.records.session(ID)
    assert again.records.session(ID).title == "new"
    assert again.records.revision(SESSION, ID) == books.records.revision(SESSION, ID) > 0
    assert again.records.head == books.records.head


async def test_changes_at_the_same_time_are_all_applied(books: Books) -> None:
    jobs = [lambda: books.records.update(SESSION, ID, longer) for _ in range(20)]
    assert not [one for one in await together(jobs) if isinstance(one, Exception)]
    assert len(books.records.session(ID).commits) == 20
    row = await books.store.read(SESSION, ID)
    assert row is not None
    assert row.value == books.records.session(ID)
    assert row.revision == books.records.revision(SESSION, ID)


async def test_a_change_by_somebody_else_is_seen_and_built_upon(books: Books) -> None:
    other = await books_on(books.store, books.clock)
    await other.change(ID, lambda now: replace(now, title="theirs"))
    after = await books.records.update(SESSION, ID, longer)
    assert (after.title, after.commits) == ("theirs", ("c",))
    assert await title_in_store(books) == "theirs"


async def test_a_step_is_taken_again_on_what_it_finds_and_told_once(books: Books) -> None:
    other = await books_on(books.store, books.clock)
    await other.change(ID, lambda now: replace(now, title="theirs"))
    seen: list[str] = []

    def step(now: Session) -> Step:
        seen.append(now.title)
        return Step(replace(now, title="ours"), (said("done"),))

    await books.records.update(SESSION, ID, step)
    assert seen == ["a task", "theirs"]
    assert len(await books.journal()) == 1


async def test_a_change_that_is_none_writes_nothing(books: Books) -> None:
    revision = books.records.revision(SESSION, ID)
    await books.records.update(SESSION, ID, lambda _: None)
    await books.records.update(SESSION, ID, Step)
    assert books.records.revision(SESSION, ID) == revision
    assert await books.journal() == []


async def test_an_event_or_a_neighbour_alone_is_written_too(books: Books) -> None:
    beside = Put(COUNTER, "c", Counter("c", 1), 0)
    await books.records.update(SESSION, ID, lambda now: Step(now, (said("x"),)))
    await books.records.update(SESSION, ID, lambda now: Step(now, (), (beside,)))
    assert len(await books.journal()) == 1
    assert await books.store.read(COUNTER, "c") is not None


async def test_a_change_that_can_never_be_made_ends_in_a_conflict(books: Books) -> None:
    await books.records.commit([Put(COUNTER, "c", Counter("c", 1), 0)])
    beside = Put(COUNTER, "c", Counter("c", 2), 0)
    with pytest.raises(Conflict):
        await books.records.update(SESSION, ID, lambda now: Step(now, (), (beside,)))


async def test_what_is_not_there_is_said_to_be_unknown(books: Books) -> None:
    assert books.records.find(SESSION, "app-9") is None
    with pytest.raises(Unknown):
        books.records.session("app-9")
    with pytest.raises(Unknown):
        await books.records.update(SESSION, "app-9", longer)


async def test_nothing_is_made_twice_or_half(books: Books) -> None:
    new = a_session("app-3")
    with pytest.raises(Conflict):
        await books.records.create(SESSION, ID, a_session())
    taken = Put(SESSION, ID, a_session(), 0)
    event = NewEvent(EventKind.SESSION_REPORTED, Said("x"), "app", ID)
    with pytest.raises(Conflict):
        await books.records.create(SESSION, new.id, new, event, beside=[taken])
    assert books.records.find(SESSION, new.id) is None
    assert await books.store.read(SESSION, new.id) is None
    assert await books.journal() == []


async def test_what_is_dropped_is_gone_from_memory(books: Books) -> None:
    await books.records.commit([Drop(SESSION, ID, books.records.revision(SESSION, ID))])
    assert books.records.find(SESSION, ID) is None
    await books.records.create(SESSION, ID, a_session())
    assert books.records.session(ID) == a_session()


async def test_whoever_waits_is_woken_by_the_change(books: Books) -> None:
    async def change() -> None:
        await anyio.wait_all_tasks_blocked()
        await books.change("app-2", lambda now: replace(now, title="other"))
        await books.change(ID, lambda now: replace(now, title="new"))

    def ready() -> str | None:
        title = books.records.session(ID).title
        return title if title == "new" else None

    waiting = [lambda: books.records.until(ready) for _ in range(3)]
    assert await together([change, *waiting]) == [None, "new", "new", "new"]


async def test_what_is_true_already_is_not_waited_for(books: Books) -> None:
    with anyio.fail_after(5):
        assert await books.records.until(lambda: 0) == 0


async def test_a_change_is_remembered_even_if_its_maker_is_cancelled(books: Books) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await books.change(ID, lambda now: replace(now, title="new"))
    assert books.records.session(ID).title == await title_in_store(books) == "new"


async def test_the_head_is_never_ahead_of_what_is_remembered(books: Books) -> None:
    """Else somebody could look, find nothing, and then wait for what is past."""
    seen: list[tuple[int, int]] = []

    async def write() -> None:
        for number in range(30):
            await books.change(ID, lambda now, text=str(number): replace(now, title=text))
            await books.say(str(number))

    async def told() -> None:
        def grow(now: Session) -> Step:
            return Step(replace(now, commits=(*now.commits, "c")), (said("grown"),))

        for _ in range(30):
            await books.records.update(SESSION, SessionId("app-2"), grow)

    async def watch() -> None:
        while books.records.head < 60:
            grown = len(books.records.session("app-2").commits)
            seen.append((books.records.head, grown))
            await anyio.lowlevel.checkpoint()

    await together([write, told, watch])
    numbers = [event.seq for event in await books.journal() if event.body == Said("grown")]
    for head, grown in seen:
        assert grown >= len([number for number in numbers if number <= head])


async def test_records_of_a_session_come_in_order(books: Books) -> None:
    for id in ("msg-2", "msg-1", "msg-3"):
        session = SessionId("app-2") if id == "msg-3" else ID
        await books.records.create(MESSAGE, id, Message(id, session, "x", "lead", "t", START))
    assert [one.id for one in books.records.of_session(MESSAGE, ID)] == ["msg-1", "msg-2"]


async def test_whoever_hears_of_a_change_finds_it_in_memory(books: Books) -> None:
    def grow(now: Session) -> Step:
        return Step(replace(now, commits=(*now.commits, "c")), (said("grown"),))

    async def writes() -> None:
        for _ in range(20):
            await books.records.update(SESSION, ID, grow)

    async def hears() -> list[bool]:
        found: list[bool] = []
        async with aclosing(books.records.follow(0)) as journal:
            async for event in journal:
                found.append(len(books.records.session(ID).commits) >= event.seq)
                if event.seq == 20:
                    break
        return found

    heard, _ = await together([hears, writes])
    assert heard == [True] * 20
