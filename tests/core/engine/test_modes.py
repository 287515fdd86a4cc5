"""How a message goes about the turn under way, and what keeps it from being typed."""

import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from ao_core.engine import courier as courier_module
from ao_core.engine.courier import Courier
from ao_core.engine.holds import STARTING, why
from ao_core.engine.outbox import enveloped
from ao_core.engine.records import Step
from ao_core.errors import WrongState
from ao_core.model.event import EventKind
from ao_core.model.pause import Paused, PauseReason
from ao_core.model.session import RuntimeFacts, RuntimeHandle, SessionReason, SessionState
from ao_core.plugin import Scope
from ao_core.slots.agent import Composer
from ao_core.slots.runtime import Attended
from ao_core.store.records import MESSAGE, PERMISSION, Delivery, Message, Mode, Permission
from books import START, Books, a_session, clock_of, opened_books, over
from terminal_double import DIALOG, INTERRUPT, WORKING, Terminal, TerminalDouble

D = Delivery
SESSION = a_session()
ID = SESSION.id
COMPOSER = Composer(
    dialogs=(DIALOG,), interrupt=INTERRUPT, working=(WORKING,), now=("Tab",),
    draft=r"> \S[^\n]*\Z",
)  # fmt: skip


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_module, "_GLANCE", 0.001)
    monkeypatch.setattr(courier_module, "_STOP_DEADLINE", 0.1)


@pytest.fixture
async def books(tmp_path: Path) -> AsyncGenerator[Books]:
    async with opened_books(tmp_path) as books:
        await books.keep(SESSION)
        yield books


@pytest.fixture
def runtime(tmp_path: Path) -> TerminalDouble:
    return TerminalDouble(Scope(tmp_path))


@pytest.fixture
def terminal(runtime: TerminalDouble) -> Terminal:
    return runtime.at(ID)


async def queued(
    books: Books, text: str = "go on", mode: Mode = Mode.WHEN_IDLE, expires: float | None = None
) -> Message:
    message = books.outbox.compose(SESSION, text, "lead", mode=mode, expires=expires)
    return await books.outbox.queue(SESSION, message)


async def carry_while(
    books: Books, runtime: TerminalDouble, then: Callable[[], Any], composer: Composer = COMPOSER
) -> None:
    """Deliver, and do something meanwhile."""
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Courier(books.records, books.outbox, ID, runtime, composer).run)
            await then()


async def carry(books: Books, runtime: TerminalDouble, composer: Composer = COMPOSER) -> None:
    await carry_while(books, runtime, anyio.lowlevel.checkpoint, composer)


def now(books: Books, message: Message) -> Message:
    found = books.records.find(MESSAGE, message.id)
    assert found is not None
    return found


async def waits(books: Books, message: Message, reason: str) -> None:
    await books.records.until(lambda: True if now(books, message).reason == reason else None)


# -- interrupt ------------------------------------------------------------------------------------


async def test_the_turn_is_ended_once_before_anything_is_typed(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    terminal.busy = True
    message = await queued(books, mode=Mode.INTERRUPT)
    await carry(books, runtime)
    assert (terminal.interruptions, terminal.wronged) == (1, [])
    assert terminal.received == [enveloped(message)]
    proof = "the turn under way was interrupted; its keys were pressed"
    assert now(books, message).evidence == proof


async def test_a_turn_is_ended_that_hides_the_composer(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    terminal.busy = True
    message = await queued(books, mode=Mode.INTERRUPT)
    ready = rf"\A(?:(?!{re.escape(WORKING)})[\s\S])*\Z"
    await carry(books, runtime, replace(COMPOSER, ready=ready))
    assert (terminal.interruptions, terminal.received) == (1, [enveloped(message)])


async def test_where_no_turn_is_under_way_the_key_is_not_pressed(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    message = await queued(books, mode=Mode.INTERRUPT)
    await carry(books, runtime)
    assert (terminal.interruptions, terminal.received) == (0, [enveloped(message)])
    assert (now(books, message).evidence or "").startswith("no turn was under way; ")


async def test_a_turn_that_does_not_end_is_not_waited_for_for_ever(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    terminal.busy = terminal.stubborn = True
    message = await queued(books, mode=Mode.INTERRUPT)
    await carry(books, runtime)
    assert (terminal.interruptions, terminal.received) == (1, [enveloped(message)])
    assert "is not over" in (now(books, message).evidence or "")


async def test_a_dialog_is_not_interrupted(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    terminal.busy, terminal.dialog = True, DIALOG
    message = await queued(books, mode=Mode.INTERRUPT)

    async def shut() -> None:
        await waits(books, message, "a dialog is open")
        assert terminal.interruptions == 0
        terminal.dialog = None

    await carry_while(books, runtime, shut)
    assert (terminal.interruptions, terminal.wronged) == (1, [])


async def test_an_interruption_overtakes_nothing(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    terminal.busy = True
    first, second = await queued(books, "first"), await queued(books, "no", Mode.INTERRUPT)
    await carry(books, runtime)
    assert terminal.received == [enveloped(first), enveloped(second)]


# -- now, and commands ----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [Mode.NOW, Mode.WHEN_IDLE])
@pytest.mark.parametrize("busy", [True, False])
async def test_now_goes_to_the_turn_under_way_where_the_agent_takes_it(
    books: Books, runtime: TerminalDouble, terminal: Terminal, mode: Mode, *, busy: bool
) -> None:
    terminal.busy = busy
    message = await queued(books, mode=mode)
    await carry(books, runtime)
    during = busy and mode is Mode.NOW
    assert terminal.keys == [("Tab",) if during else ("Enter",)]
    told = "its keys were pressed" + " while a turn was under way" * during
    assert now(books, message).evidence == told


async def test_a_command_is_typed_as_it_is_once_the_turn_is_over(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    terminal.busy = True
    message = await queued(books, "/compact", Mode.COMMAND)

    async def rest() -> None:
        await waits(books, message, "a turn is under way")
        assert terminal.pasted == []
        terminal.busy = False

    await carry_while(books, runtime, rest)
    assert terminal.received == ["/compact"]
    assert now(books, message).state is D.SUBMITTED


# -- what is in the way ---------------------------------------------------------------------------


class Watched(TerminalDouble, Attended):
    """A terminal that a person has open."""

    async def attended(self, handle: RuntimeHandle) -> bool:
        return True


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (TerminalDouble, "a draft that is not finished stands in its composer"),
        (Watched, "somebody is typing"),
    ],
)
async def test_what_somebody_has_half_typed_is_let_be(
    books: Books, tmp_path: Path, kind: type[TerminalDouble], reason: str
) -> None:
    runtime = kind(Scope(tmp_path))
    terminal = runtime.at(ID)
    terminal.draft = "half a sen"
    message = await queued(books)

    async def finish() -> None:
        await waits(books, message, reason)
        assert terminal.pasted == []
        terminal.draft = ""

    await carry_while(books, runtime, finish)
    assert terminal.received == [enveloped(message)]


async def test_while_a_turn_hides_the_composer_it_is_the_turn_that_is_waited_for(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    terminal.busy = True
    message = await queued(books)

    async def finish() -> None:
        await waits(books, message, "a turn is under way")
        assert terminal.pasted == []
        terminal.busy = False

    composer = replace(COMPOSER, ready=rf"\A(?!.*{WORKING})", working=(WORKING,))
    await carry_while(books, runtime, finish, composer)
    assert terminal.received == [enveloped(message)]


async def test_nothing_is_typed_before_there_is_a_composer(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    terminal.torn = True
    message = await queued(books)

    async def finish() -> None:
        await waits(books, message, "its composer is not there yet")
        assert terminal.pasted == []
        terminal.torn = False

    await carry_while(books, runtime, finish, replace(COMPOSER, ready=r"(?m)^> "))
    assert terminal.received == [enveloped(message)]


async def test_a_permission_that_is_asked_at_the_last_moment_is_the_reason(
    books: Books, runtime: TerminalDouble, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.dialog = DIALOG
    message, move = await queued(books), books.outbox.move

    async def moved(*args: Any, **more: Any) -> Message:
        after = await move(*args, **more)
        if more.get("reason") == "a dialog is open":
            asked = Permission("p1", ID, "bash", "rm", START)
            await books.records.create(PERMISSION, "p1", asked)
        return after

    async def answer() -> None:
        await waits(books, message, "it waits for a permission")
        terminal.dialog = None

        def answered(asked: Permission) -> Step:
            return Step(replace(asked, ended_at=START))

        await books.records.update(PERMISSION, "p1", answered)

    monkeypatch.setattr(books.outbox, "move", moved)
    await carry_while(books, runtime, answer)
    assert terminal.received == [enveloped(message)]


async def test_nothing_is_typed_to_a_session_that_is_held(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    paused = Paused(PauseReason.ASKED, START, "lead")
    await books.change(ID, lambda now: replace(now, paused=paused))
    message = await queued(books)
    assert (why(books.records, message) or "").startswith("the session is paused")

    async def resume() -> None:
        await books.records.until(lambda: now(books, message).reason)
        assert terminal.pasted == []
        await books.change(ID, lambda now: replace(now, paused=None))

    await carry_while(books, runtime, resume)
    assert terminal.received == [enveloped(message)]


async def test_a_pause_that_comes_at_the_last_moment_is_kept(
    books: Books, runtime: TerminalDouble
) -> None:
    message = await queued(books)
    paused = Paused(PauseReason.ASKED, START, "lead")
    await books.change(ID, lambda now: replace(now, paused=paused))
    assert (await books.outbox.move(message, D.PASTING)).state is D.QUEUED


async def test_why_a_message_waits_is_said(books: Books) -> None:
    first, second = await queued(books, "first"), await queued(books, "second")
    assert why(books.records, first) is None
    assert why(books.records, second) == f"{first.id} comes before it"
    await books.outbox.move(first, D.QUEUED, reason="a dialog is open")
    assert why(books.records, now(books, first)) == "a dialog is open"
    starting = a_session(
        state=SessionState.NOT_STARTED, reason=SessionReason.SPAWN_REQUESTED, run=RuntimeFacts()
    )
    await books.keep(starting)
    assert why(books.records, first) == STARTING
    await books.keep(over(SESSION))
    assert why(books.records, second) == "its agent has ended"


# -- taken back, and too late ---------------------------------------------------------------------


async def test_what_is_taken_back_is_never_typed_and_the_next_one_is(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    terminal.dialog = DIALOG
    first, second = await queued(books, "first"), await queued(books, "second")

    async def take_back() -> None:
        await waits(books, first, "a dialog is open")
        await books.outbox.cancel(first.id)
        await waits(books, second, "a dialog is open")
        terminal.dialog = None

    await carry_while(books, runtime, take_back)
    assert terminal.received == [enveloped(second)]
    assert now(books, first).state is D.CANCELLED


async def test_what_is_being_typed_is_not_taken_back(books: Books) -> None:
    message = await queued(books)
    await books.outbox.move(message, D.PASTING)
    with pytest.raises(WrongState, match="already"):
        await books.outbox.cancel(message.id)
    assert now(books, message).state is D.PASTING


async def test_what_is_too_late_is_never_typed(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    message, other = await queued(books, expires=60), await queued(books, "other")
    assert books.outbox.next_expiry() == START + timedelta(seconds=60)
    await clock_of(books).advance(60)
    await carry(books, runtime)
    assert terminal.received == [enveloped(other)]
    assert now(books, message).state is D.EXPIRED
    assert len(await books.journal(EventKind.MESSAGE_EXPIRED)) == 1


async def test_what_is_held_until_it_is_too_late_is_given_up(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    terminal.dialog = DIALOG
    message = await queued(books, expires=60)

    async def expire() -> None:
        await waits(books, message, "a dialog is open")
        assert await books.outbox.expire() is not None
        await clock_of(books).advance(61)
        assert await books.outbox.expire() is None

    await carry_while(books, runtime, expire)
    assert (terminal.received, now(books, message).state) == ([], D.EXPIRED)
    assert terminal.interruptions == 0


async def test_the_next_engine_knows_when_a_message_is_too_late(books: Books) -> None:
    message = await queued(books, expires=60)
    again = await books.reopened()
    await clock_of(books).advance(61)
    assert again.outbox.next_expiry() == START + timedelta(seconds=60)
    await again.outbox.expire()
    assert now(again, message).state is D.EXPIRED
