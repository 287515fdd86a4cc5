"""The same key and arguments do the thing once."""

from datetime import timedelta

import pytest

from ao_core.engine.caller import Caller, Role
from ao_core.engine.keys import KEPT, Keys, Ticket
from ao_core.errors import BadRequest, Conflict
from ao_core.ids import SessionId
from ao_core.store.contract import Put
from ao_core.store.records import COUNTER, KEY, Counter
from ao_core.testing.clock import FakeClock
from books import Books, together

LEAD = Caller(Role.LEAD, "c1", client="editor")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def keys(books: Books, clock: FakeClock) -> Keys:
    return Keys(books.store, clock)


async def used(books: Books, keys: Keys, id: str = "k", subject: str = "app-7") -> Ticket:
    """A call under a key that did its thing and has not replied yet."""
    ticket = await keys.take(id, "spawn", "{}")
    await books.records.commit(ticket.used_for(subject))
    return ticket


async def test_a_call_that_is_repeated_finds_what_was_done_and_its_reply(
    books: Books, keys: Keys
) -> None:
    ticket = await used(books, keys)
    await keys.replied(ticket, "app-7", '{"session":"app-7"}')
    keys.release(ticket)
    again = await keys.take("k", "spawn", "{}")
    assert (again.subject, again.reply) == ("app-7", '{"session":"app-7"}')


async def test_the_same_key_with_other_arguments_is_refused(books: Books, keys: Keys) -> None:
    keys.release(await used(books, keys))
    for _ in range(2):
        with pytest.raises(BadRequest) as refused:
            await keys.take("k", "spawn", '{"issue":2}')
        assert refused.value.hint == "Use a new key."
    assert (await keys.take("k", "spawn", "{}")).subject == "app-7"


async def test_a_crash_after_the_act_is_known_by_its_subject(books: Books, keys: Keys) -> None:
    await used(books, keys)
    next_engine = Keys(books.store, books.clock)
    again = await next_engine.take("k", "spawn", "{}")
    assert (again.subject, again.reply) == ("app-7", None)


async def test_a_crash_before_the_act_leaves_the_key_unused(books: Books, keys: Keys) -> None:
    await keys.take("k", "spawn", "{}")
    again = await Keys(books.store, books.clock).take("k", "spawn", '{"other":1}')
    assert (again.subject, again.reply) == (None, None)


async def test_the_act_and_its_key_are_written_together_or_not_at_all(
    books: Books, keys: Keys
) -> None:
    await books.records.commit([Put(COUNTER, "c", Counter("c", 1), 0)])
    ticket = await keys.take("k", "spawn", "{}")
    with pytest.raises(Conflict):
        await books.records.commit(
            [Put(COUNTER, "c", Counter("c", 2), 0), *ticket.used_for("app-7")]
        )
    assert await books.store.read(KEY, "k") is None


async def test_of_calls_at_the_same_time_one_goes_on(books: Books, keys: Keys) -> None:
    results = await together([lambda: keys.take("k", "spawn", "{}") for _ in range(5)])
    tickets = [one for one in results if isinstance(one, Ticket)]
    assert len(tickets) == 1
    refused = [one for one in results if isinstance(one, Conflict)]
    assert [one.retryable for one in refused] == [True] * 4
    keys.release(tickets[0])
    assert isinstance(await keys.take("k", "spawn", "{}"), Ticket)


async def test_a_refusal_does_not_hold_the_key(books: Books, keys: Keys) -> None:
    keys.release(await used(books, keys))
    with pytest.raises(BadRequest):
        await keys.take("k", "spawn", "other")
    keys.release(await keys.take("k", "spawn", "{}"))


async def test_a_key_is_kept_for_seven_days(books: Books, keys: Keys, clock: FakeClock) -> None:
    keys.release(await used(books, keys))
    assert timedelta(days=7) == KEPT
    await clock.advance(KEPT.total_seconds() - 1)
    known = await keys.take("k", "spawn", "{}")
    assert known.subject == "app-7"
    keys.release(known)
    await clock.advance(1)
    fresh = await keys.take("k", "spawn", '{"other":1}')
    assert (fresh.subject, fresh.reply) == (None, None)
    await books.records.commit(fresh.used_for("app-8"))


async def test_a_key_belongs_to_its_caller_its_operation_and_its_project(keys: Keys) -> None:
    callers = [
        LEAD,
        Caller(Role.LEAD, "c1", client="terminal"),
        Caller(Role.PERSON, "c1", client="editor"),
        Caller(Role.WORKER, "c1", session=SessionId("app-1")),
        Caller(Role.WORKER, "c1", session=SessionId("app-2")),
    ]
    scopes = [keys.scope(caller, "spawn", "app", "k") for caller in callers]
    scopes += [
        keys.scope(LEAD, "send", "app", "k"),
        keys.scope(LEAD, "spawn", "web", "k"),
        keys.scope(LEAD, "spawn", "app", "k2"),
    ]
    assert len(set(scopes)) == len(scopes)
    other_connection = Caller(Role.LEAD, "c2", client="editor")
    assert keys.scope(other_connection, "spawn", "app", "k") == scopes[0]


async def test_a_keys_text_reaches_no_name(keys: Keys) -> None:
    scope = keys.scope(LEAD, "spawn", "app", "../../etc/passwd\n$(x)")
    assert scope.isalnum()


async def test_without_a_key_nothing_is_written(books: Books, keys: Keys) -> None:
    ticket = Ticket()
    assert ticket.used_for("app-7") == ()
    await keys.replied(ticket, "app-7", "{}")
    keys.release(ticket)
    assert [row async for row in books.store.scan(KEY)] == []


async def test_a_key_is_tied_to_one_thing_only(books: Books, keys: Keys) -> None:
    ticket = await used(books, keys)
    with pytest.raises(Conflict):
        await books.records.commit(ticket.used_for("app-8"))
    await keys.replied(ticket, "app-8", "{}")
    row = await books.store.read(KEY, "k")
    assert row is not None
    assert (row.value.subject, row.value.reply) == ("app-7", "{}")


async def test_keys_are_forgotten_after_seven_days(
    books: Books, keys: Keys, clock: FakeClock
) -> None:
    await used(books, keys, "old")
    await clock.advance(KEPT.total_seconds() - 60)
    await used(books, keys, "young", "app-8")
    await clock.advance(60)
    await keys.forget_old()
    assert [row.id async for row in books.store.scan(KEY)] == ["young"]
