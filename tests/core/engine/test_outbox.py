"""The outbox keeps messages in order, and a receipt that only goes forward."""

import re
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ao_core.engine.outbox import HELD, LIMIT, clean, enveloped, settled
from ao_core.errors import AoError, BadRequest, Conflict, WrongState
from ao_core.ids import SessionId
from ao_core.model.event import EventKind, MessageMoved
from ao_core.store.contract import Put
from ao_core.store.records import (
    COUNTER,
    MESSAGE,
    SETTLED,
    WITHDRAWN,
    Counter,
    Delivery,
    Message,
)
from books import Books, a_session, opened_books, over

D = Delivery
SESSION = a_session()
ID = SESSION.id


@pytest.fixture
async def books(tmp_path: Path) -> AsyncGenerator[Books]:
    async with opened_books(tmp_path) as books:
        await books.keep(SESSION, a_session("app-2"))
        yield books


async def queued(books: Books, text: str = "go on", highest: D = D.ACCEPTED) -> Message:
    message = books.outbox.compose(SESSION, text, "lead", highest=highest)
    return await books.outbox.queue(SESSION, message)


async def kept(books: Books, state: D, highest: D = D.ACCEPTED) -> Message:
    """A message that has come as far as this."""
    message = replace(books.outbox.compose(SESSION, "x", "lead"), state=state, highest=highest)
    await books.records.create(MESSAGE, message.id, message)
    return message


# -- what may be sent -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "\n\n", "\r\n", "\x1b", "\x00\x07\x9b"])
async def test_an_empty_message_is_refused(books: Books, text: str) -> None:
    with pytest.raises(BadRequest, match="empty"):
        books.outbox.compose(SESSION, text, "lead")


async def test_a_message_that_is_too_long_is_refused(books: Books) -> None:
    assert books.outbox.compose(SESSION, "x" * LIMIT, "lead").body == "x" * LIMIT
    with pytest.raises(BadRequest) as refused:
        books.outbox.compose(SESSION, "x" * (LIMIT + 1), "lead")
    assert refused.value.hint


async def test_nothing_is_sent_to_a_session_that_has_ended(books: Books) -> None:
    with pytest.raises(WrongState) as refused:
        books.outbox.compose(over(SESSION), "x", "lead")
    assert refused.value.hint == "`restore` brings it back."


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    left = clean(text)
    assert all(letter in "\n\t" or letter >= " " for letter in left)
    assert not set(left) & {chr(code) for code in range(0x7F, 0xA0)}
    assert clean(left) == left


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126) | st.sampled_from("é→\t")))
def test_what_a_terminal_does_not_obey_is_kept(text: str) -> None:
    assert clean(text) == text


def test_escape_sequences_and_line_ends_are_made_harmless() -> None:
    assert clean("a\r\nb\rc\n\x1b[201~\x9b31md\x7f") == "a\nb\nc\n[201~31md"


@pytest.mark.parametrize("body", ["!rm", "/clear", "#x", "back\\", "see @file", "a\nb", "[ao] x"])
async def test_the_envelope_takes_the_power_from_both_ends(books: Books, body: str) -> None:
    message = books.outbox.compose(SESSION, body, "lead")
    first, last = f"[{message.token}] ", f" [/{message.token}]"
    assert enveloped(message) == first + body + last


async def test_a_token_cannot_be_guessed(books: Books) -> None:
    made = [books.outbox.compose(SESSION, "same", "lead", id="msg-1-a") for _ in range(200)]
    tokens = {message.token for message in made}
    assert len(tokens) == 200
    assert all(re.fullmatch("ao[0-9a-f]{12,}", token) for token in tokens)
    for place in range(2, 14):
        assert len({token[place] for token in tokens}) > 8


# -- the queue ------------------------------------------------------------------------------------


async def test_messages_wait_in_the_order_they_came(books: Books) -> None:
    texts = [f"message {number}" for number in range(50)]
    for text in texts:
        await queued(books, text)
    assert [message.body for message in books.outbox.waiting(ID)] == texts
    again = await books.reopened()
    assert [message.body for message in again.outbox.waiting(ID)] == texts
    assert again.outbox.waiting(SessionId("app-2")) == []


async def test_what_belongs_to_a_message_is_written_with_it_or_not_at_all(books: Books) -> None:
    message = books.outbox.compose(SESSION, "x", "lead")
    beside = Put(COUNTER, "c", Counter("c", 1), 0)
    await books.outbox.queue(SESSION, message, [beside])
    assert await books.store.read(COUNTER, "c") is not None
    other = books.outbox.compose(SESSION, "y", "lead")
    with pytest.raises(Conflict):
        await books.outbox.queue(SESSION, other, [beside])
    assert [one.id for one in books.outbox.waiting(ID)] == [message.id]
    assert len(await books.journal(EventKind.MESSAGE_QUEUED)) == 1


@pytest.mark.parametrize("state", D)
@pytest.mark.parametrize("highest", [D.TYPED, D.SUBMITTED, D.ACCEPTED])
async def test_a_message_waits_until_its_receipt_is_the_best_it_can_be(
    books: Books, state: D, highest: D
) -> None:
    message = await kept(books, state, highest)
    ended = state in SETTLED
    best = state is D.SUBMITTED and highest is not D.ACCEPTED
    assert settled(message) is (ended or best)
    assert books.outbox.waiting(ID) == ([] if ended or best else [message])


# -- receipts -------------------------------------------------------------------------------------

ENDS = {D.SUBMITTED, D.ACCEPTED, D.UNCERTAIN, D.FAILED}
FORWARD = {
    D.QUEUED: {D.PASTING, D.TYPED, *ENDS, *WITHDRAWN},
    D.PASTING: {D.QUEUED, D.TYPED, *ENDS},
    D.TYPED: ENDS,
    D.SUBMITTED: {D.ACCEPTED, D.UNCERTAIN, D.FAILED},
    D.UNCERTAIN: {D.ACCEPTED},
    D.ACCEPTED: set[D](),
    D.FAILED: set[D](),
    D.EXPIRED: set[D](),
    D.CANCELLED: set[D](),
}


@pytest.mark.parametrize("before", D)
async def test_a_receipt_goes_forward_only(books: Books, before: D) -> None:
    for after in D:
        message = await kept(books, before)
        moved = await books.outbox.move(message, after, evidence="seen", reason="why")
        assert moved.state is (after if after in FORWARD[before] else before)
        assert moved == books.records.find(MESSAGE, message.id)
    told = {event.kind for event in await books.journal()}
    assert told == {f"message.{after}" for after in FORWARD[before] - {D.PASTING}}


async def test_a_receipt_says_why_and_when(books: Books) -> None:
    message = await queued(books)
    await books.outbox.move(message, D.SUBMITTED, evidence="its keys were pressed")
    failed = await books.outbox.move(message, D.FAILED, reason="it has ended")
    assert (failed.reason, failed.evidence) == ("it has ended", "its keys were pressed")
    assert failed.moved_at == books.clock.now()
    bodies = [event.body for event in await books.journal()]
    assert bodies[-1] == MessageMoved(message.id, "its keys were pressed", "it has ended")


async def test_a_reason_may_change_while_it_is_held_and_is_told_once(books: Books) -> None:
    message = await queued(books)
    for _ in range(3):
        message = await books.outbox.move(message, D.QUEUED, reason="a dialog is open")
    assert message.reason == "a dialog is open"
    assert len(await books.journal()) == 1
    assert (await books.outbox.move(message, D.PASTING)).reason is None


@pytest.mark.parametrize("state", [D.PASTING, D.TYPED, D.SUBMITTED, D.UNCERTAIN])
async def test_the_agents_own_word_settles_its_message_and_no_other(books: Books, state: D) -> None:
    message, other = await kept(books, state), await kept(books, state)
    await books.outbox.accepted(SessionId("app-2"), message.token, "a hook")
    await books.outbox.accepted(ID, "aowrong", "a hook")
    assert books.records.find(MESSAGE, message.id) == message
    await books.outbox.accepted(ID, message.token, "a hook")
    found = books.records.find(MESSAGE, message.id)
    assert found is not None
    assert (found.state, found.evidence) == (D.ACCEPTED, "a hook")
    assert books.records.find(MESSAGE, other.id) == other


async def test_what_failed_is_not_accepted_afterwards(books: Books) -> None:
    message = await kept(books, D.FAILED)
    await books.outbox.accepted(ID, message.token, "a hook")
    assert books.records.find(MESSAGE, message.id) == message


# -- waiting for a receipt ------------------------------------------------------------------------


async def test_waiting_ends_as_soon_as_the_receipt_is_good_enough(books: Books) -> None:
    message = await queued(books)
    seen: list[D] = []
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for state, enough in ((D.TYPED, D.TYPED), (D.FAILED, D.ACCEPTED)):
                tasks.start_soon(books.outbox.move, message, state)
                seen.append((await books.outbox.until(message.id, 60, enough)).state)
    assert seen == [D.TYPED, D.FAILED]


async def test_waiting_gives_what_there_is_when_time_is_up(books: Books) -> None:
    message = await queued(books)
    assert await books.outbox.until(message.id, 0, D.SUBMITTED) == message
    assert await books.outbox.until(message.id, 0.01, D.SUBMITTED) == message


async def test_nobody_waits_for_what_is_behind_a_message_that_waits_for_an_answer(
    books: Books,
) -> None:
    first, second = await queued(books), await queued(books)
    await books.outbox.move(first, D.QUEUED, reason=HELD)
    with anyio.fail_after(10):
        assert await books.outbox.until(second.id, 60, D.SUBMITTED) == second


async def test_a_message_that_is_gone_is_not_waited_for(books: Books) -> None:
    with pytest.raises(AoError):
        await books.outbox.until("msg-0-gone", 60, D.SUBMITTED)
