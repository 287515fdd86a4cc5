"""The courier types to a living agent, once, or says why it did not."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import pytest

from ao_core.engine import courier as courier_module
from ao_core.engine.courier import Courier
from ao_core.engine.outbox import enveloped
from ao_core.errors import TimedOut
from ao_core.model.event import EventKind, MessageMoved
from ao_core.model.session import RuntimeFacts, RuntimeState, SessionReason, SessionState
from ao_core.plugin import Scope
from ao_core.slots.agent import Composer
from ao_core.store.contract import Put
from ao_core.store.records import MESSAGE, PERMISSION, Delivery, Message, Permission
from books import Books, a_session, opened_books, over
from terminal_double import DIALOG, FOLDED, WORKING, Terminal, TerminalDouble

D = Delivery
SESSION = a_session()
ID = SESSION.id
SUBMITS = Composer(dialogs=(DIALOG,), folded=(FOLDED,), best=D.SUBMITTED)
ACCEPTS = replace(SUBMITS, best=D.ACCEPTED)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A courier of little patience."""
    monkeypatch.setattr(courier_module, "_ECHO_DEADLINE", 0.1)
    monkeypatch.setattr(courier_module, "_PROOF_DEADLINE", 0.05)
    monkeypatch.setattr(courier_module, "_PRESS_AGAIN", 0.01)
    monkeypatch.setattr(courier_module, "_GLANCE", 0.001)


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


async def queued(books: Books, text: str = "go on", highest: D = D.SUBMITTED) -> Message:
    message = books.outbox.compose(SESSION, text, "lead", highest=highest)
    return await books.outbox.queue(SESSION, message)


async def kept(books: Books, state: D, highest: D = D.SUBMITTED) -> Message:
    message = books.outbox.compose(SESSION, "go on", "lead", highest=highest)
    message = replace(message, state=state)
    await books.records.create(MESSAGE, message.id, message)
    return message


async def carry(books: Books, runtime: TerminalDouble, composer: Composer = SUBMITS) -> None:
    """Deliver everything that waits."""
    with anyio.fail_after(10):
        await Courier(books.records, books.outbox, ID, runtime, composer).run()


async def carry_while(
    books: Books, runtime: TerminalDouble, then: Callable[[], Any], composer: Composer = SUBMITS
) -> None:
    """Deliver, and do something meanwhile."""
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(carry, books, runtime, composer)
            await then()


def now(books: Books, message: Message) -> Message:
    found = books.records.find(MESSAGE, message.id)
    assert found is not None
    return found


async def until(books: Books, message: Message, state: D, reason: str | None = None) -> None:
    def reached() -> bool | None:
        found = now(books, message)
        return True if (found.state, found.reason) == (state, reason) else None

    await books.records.until(reached)


async def receipts(books: Books, message: Message) -> list[str]:
    """What the journal tells of a message."""
    events = [event for event in await books.journal() if isinstance(event.body, MessageMoved)]
    return [
        event.kind.removeprefix("message.")
        for event in events
        if isinstance(event.body, MessageMoved) and event.body.message == message.id
    ]


def on_step(
    runtime: TerminalDouble, place: str, act: Callable[[Terminal], Any], nth: int = 1
) -> None:
    """Do something to the terminal when the courier comes to this place for the nth time."""
    seen: list[str] = []

    async def step(at: str) -> None:
        seen.append(at)
        if at == place and seen.count(place) == nth:
            act(runtime.at(ID))

    runtime.step = step


def shut(terminal: Terminal) -> None:
    terminal.dialog = None


def ask(terminal: Terminal) -> None:
    terminal.dialog = DIALOG


def die(terminal: Terminal) -> None:
    terminal.state = RuntimeState.EXITED


# -- the plain way


async def test_a_message_is_pasted_once_and_submitted_once(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    message = await queued(books)
    await carry(books, runtime)
    assert terminal.pasted == terminal.received == [enveloped(message)]
    assert (now(books, message).state, terminal.presses) == (D.SUBMITTED, 1)
    assert await receipts(books, message) == ["queued", "typed", "submitted"]
    assert now(books, message).evidence == "its keys were pressed"


async def test_messages_are_delivered_in_order_and_each_by_itself(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    messages = [await queued(books, f"number {number}") for number in range(5)]
    await carry(books, runtime)
    assert terminal.received == [enveloped(message) for message in messages]
    assert [len(text.split("[/")) for text in terminal.received] == [2] * 5


async def test_a_long_paste_that_the_agent_folds_is_recognised(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    terminal.folds = True
    message = await queued(books, "long\n" * 500)
    await carry(books, runtime)
    assert now(books, message).state is D.SUBMITTED
    assert terminal.received == [enveloped(message)]


async def test_nothing_to_deliver_touches_nothing(books: Books, runtime: TerminalDouble) -> None:
    for state in (D.ACCEPTED, D.UNCERTAIN, D.FAILED, D.SUBMITTED):
        await kept(books, state)
    await carry(books, runtime)
    assert runtime.terminals == {}


async def test_the_agents_own_word_makes_it_accepted(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    message = await queued(books, highest=D.ACCEPTED)

    async def hook() -> None:
        await until(books, message, D.SUBMITTED)
        await books.outbox.accepted(ID, message.token, "the agent's hook")

    await carry_while(books, runtime, hook, ACCEPTS)
    assert await receipts(books, message) == ["queued", "typed", "submitted", "accepted"]
    assert terminal.received == [enveloped(message)]


async def test_an_agent_that_cannot_prove_more_is_not_waited_for(
    books: Books, runtime: TerminalDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier_module, "_PROOF_DEADLINE", 60)
    monkeypatch.setattr(courier_module, "_PRESS_AGAIN", 60)
    messages = [await queued(books, highest=highest) for highest in (D.TYPED, D.SUBMITTED)]
    await carry(books, runtime, ACCEPTS)
    assert [now(books, message).state for message in messages] == [D.SUBMITTED] * 2


async def test_a_receipt_that_the_agent_can_no_longer_give_does_not_spin(
    books: Books, runtime: TerminalDouble
) -> None:
    message = await queued(books, highest=D.ACCEPTED)
    await carry(books, runtime, SUBMITS)
    assert now(books, message).state is D.UNCERTAIN


async def test_a_session_that_starts_is_waited_for(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    starting = a_session(
        state=SessionState.NOT_STARTED, reason=SessionReason.SPAWN_REQUESTED, run=RuntimeFacts()
    )
    await books.keep(starting)
    message = await queued(books)

    async def start() -> None:
        await anyio.wait_all_tasks_blocked()
        assert terminal.pasted == []
        await books.keep(SESSION)

    await carry_while(books, runtime, start)
    assert now(books, message).state is D.SUBMITTED


# -- Enter that was ignored


@pytest.mark.parametrize("deaf_to", [1, 2, 3])
async def test_an_enter_that_is_ignored_is_repeated(
    books: Books, runtime: TerminalDouble, terminal: Terminal, deaf_to: int
) -> None:
    terminal.deaf_to = deaf_to
    message = await queued(books, highest=D.ACCEPTED)

    async def hook() -> None:
        await terminal.heard.wait()
        await books.outbox.accepted(ID, message.token, "the agent's hook")

    await carry_while(books, runtime, hook, ACCEPTS)
    assert now(books, message).state is D.ACCEPTED
    assert terminal.received == terminal.pasted == [enveloped(message)]
    assert terminal.presses >= deaf_to + 1


async def test_enter_is_pressed_once_where_it_is_proven_at_once(
    books: Books, runtime: TerminalDouble, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier_module, "_PRESS_AGAIN", 5)
    message = await queued(books, highest=D.ACCEPTED)

    async def hook() -> None:
        await terminal.heard.wait()
        await books.outbox.accepted(ID, message.token, "the agent's hook")

    await carry_while(books, runtime, hook, ACCEPTS)
    assert terminal.presses == 1


async def test_what_is_never_acknowledged_is_uncertain_and_not_typed_again(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    message = await queued(books, highest=D.ACCEPTED)
    await carry(books, runtime, ACCEPTS)
    assert now(books, message).reason == "submitted, but never acknowledged"
    assert await receipts(books, message) == ["queued", "typed", "submitted", "uncertain"]
    assert terminal.pasted == terminal.received == [enveloped(message)]
    assert terminal.presses <= 4


# -- dialogs and permissions


async def test_a_dialog_holds_a_message_with_the_reason_and_lets_it_go_once(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    terminal.dialog = DIALOG
    message = await queued(books)

    async def person() -> None:
        await until(books, message, D.QUEUED, "a dialog is open")
        assert (terminal.pasted, terminal.presses) == ([], 0)
        shut(terminal)

    await carry_while(books, runtime, person)
    assert now(books, message).state is D.SUBMITTED
    assert now(books, message).reason is None
    assert terminal.pasted == terminal.received == [enveloped(message)]
    assert terminal.wronged == []


async def test_a_dialog_in_the_way_of_enter_is_waited_for_however_long(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    on_step(runtime, "pasted", ask)
    message = await queued(books)

    async def person() -> None:
        await until(books, message, D.PASTING)
        with anyio.move_on_after(0.3):  # longer than the echo is waited for
            await until(books, message, D.UNCERTAIN, "never")
        assert now(books, message).state is D.PASTING
        shut(terminal)

    await carry_while(books, runtime, person)
    assert now(books, message).state is D.SUBMITTED
    assert (terminal.received, terminal.wronged) == ([enveloped(message)], [])


async def test_a_dialog_that_opens_just_before_enter_gets_no_enter(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    on_step(runtime, "submit", ask)
    message = await queued(books)

    async def person() -> None:
        await until(books, message, D.TYPED)
        await anyio.wait_all_tasks_blocked()
        shut(terminal)

    await carry_while(books, runtime, person)
    assert (terminal.received, terminal.wronged) == ([enveloped(message)], [])


@pytest.mark.parametrize("place", ["start", "submit"])
async def test_a_permission_that_is_asked_for_holds_a_message(
    books: Books, runtime: TerminalDouble, terminal: Terminal, place: str
) -> None:
    asked = Permission("p1", ID, "bash", "rm", SESSION.created_at)
    message = await queued(books) if place == "start" else await kept(books, D.TYPED)
    if place == "submit":
        terminal.paste(enveloped(message), message.id)
    await books.records.create(PERMISSION, "p1", asked)

    async def lead() -> None:
        await until(books, message, message.state, "it waits for a permission")
        assert (terminal.received, terminal.presses) == ([], 0)
        ended = replace(asked, ended_at=SESSION.created_at)
        revision = books.records.revision(PERMISSION, "p1")
        await books.records.commit([Put(PERMISSION, "p1", ended, revision)])

    await carry_while(books, runtime, lead)
    assert now(books, message).state is D.SUBMITTED
    assert terminal.received == [enveloped(message)]


async def test_a_message_that_looks_like_a_dialog_is_refused(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    message = await queued(books, f"it said: {DIALOG}")
    await carry(books, runtime)
    assert now(books, message).state is D.FAILED
    assert terminal.pasted == []


# -- ends


@pytest.mark.parametrize("state", [RuntimeState.EXITED, RuntimeState.MISSING])
async def test_nothing_is_typed_to_the_dead(
    books: Books, runtime: TerminalDouble, terminal: Terminal, state: RuntimeState
) -> None:
    terminal.state = state
    messages = [await queued(books) for _ in range(2)]
    await carry(books, runtime)
    for message in messages:
        assert (now(books, message).state, now(books, message).reason) == (
            D.FAILED, f"{ID} has ended.",
        )  # fmt: skip
        assert await receipts(books, message) == ["queued", "failed"]
    assert (terminal.pasted, terminal.wronged) == ([], [])


async def test_a_session_known_to_have_ended_is_not_even_looked_at(
    books: Books, runtime: TerminalDouble
) -> None:
    message = await queued(books)
    await books.keep(over(SESSION))
    await carry(books, runtime)
    assert now(books, message).state is D.FAILED
    assert runtime.terminals == {}


@pytest.mark.parametrize(
    ("place", "end"),
    [("paste", D.FAILED), ("pasted", D.FAILED), ("submit", D.UNCERTAIN)],
)
async def test_an_agent_that_dies_meanwhile_gets_no_more(
    books: Books, runtime: TerminalDouble, terminal: Terminal, place: str, end: D
) -> None:
    on_step(runtime, place, die)
    terminal.blind = place == "pasted"
    message = await queued(books)
    await carry(books, runtime)
    assert (now(books, message).state, now(books, message).reason) == (end, f"{ID} has ended.")
    assert (terminal.received, terminal.wronged) == ([], [])


async def test_a_session_that_ends_after_enter_leaves_it_uncertain(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    message = await queued(books, highest=D.ACCEPTED)

    async def end() -> None:
        await until(books, message, D.SUBMITTED)
        await books.keep(over(SESSION))

    await carry_while(books, runtime, end, ACCEPTS)
    assert now(books, message).state is D.UNCERTAIN
    assert terminal.received == [enveloped(message)]


async def test_a_session_that_ends_while_it_asks_fails_its_messages(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    await books.records.create(
        PERMISSION, "p1", Permission("p1", ID, "bash", "rm", SESSION.created_at)
    )
    message = await queued(books)

    async def end() -> None:
        await until(books, message, D.QUEUED, "it waits for a permission")
        await books.keep(over(SESSION))

    await carry_while(books, runtime, end)
    assert (now(books, message).state, terminal.pasted) == (D.FAILED, [])


async def test_a_look_that_fails_is_not_a_death(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    terminal.state, terminal.dialog = RuntimeState.PROBE_FAILED, DIALOG
    on_step(runtime, "shows", shut, nth=3)
    message = await queued(books)
    await carry(books, runtime)
    assert now(books, message).state is D.SUBMITTED
    assert terminal.received == [enveloped(message)]


# -- what cannot be known


async def test_an_echo_that_never_shows_is_uncertain_and_the_next_one_goes_on(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    terminal.blind = True
    message = await queued(books)
    await carry(books, runtime)
    assert now(books, message).reason == "it was typed, but the agent never showed it"
    assert (now(books, message).state, terminal.presses) == (D.UNCERTAIN, 0)
    other = await queued(books)
    terminal.blind = False
    await carry(books, runtime)
    assert now(books, other).state is D.SUBMITTED
    assert terminal.received == [enveloped(other)]


async def test_what_a_person_has_begun_to_type_is_left_alone(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    await kept(books, D.UNCERTAIN)
    terminal.draft = "a person was here "
    message = await queued(books)
    await carry(books, runtime)
    assert terminal.received == [f"a person was here {enveloped(message)}"]


async def test_a_dialog_that_a_frame_half_drawn_does_not_show_gets_nothing(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    """Two frames of three are torn: of what was there, nothing is to be seen."""
    terminal.dialog = DIALOG
    frames, many = count(), anyio.Event()

    async def tear(place: str) -> None:
        frame = next(frames)
        terminal.torn = frame % 3 != 0
        if frame > 16:
            many.set()

    runtime.step = tear
    message = await queued(books)

    async def person() -> None:
        await until(books, message, D.QUEUED, "a dialog is open")
        await many.wait()
        assert terminal.pasted == []
        shut(terminal)

    await carry_while(books, runtime, person)
    assert (terminal.received, terminal.wronged) == ([enveloped(message)], [])


@pytest.mark.parametrize("nth", range(2, 5))
async def test_a_dialog_that_the_paste_raised_is_given_time_to_show(
    books: Books, runtime: TerminalDouble, terminal: Terminal, nth: int
) -> None:
    """The echo is seen first, and the dialog some looks later."""

    async def raised(place: str) -> None:
        seen.append(place)
        if terminal.pasted and not terminal.received and seen[-nth:] == ["shows"] * nth:
            terminal.dialog = DIALOG if not asked else terminal.dialog
            asked.append(DIALOG)

    seen: list[str] = []
    asked: list[str] = []
    runtime.step = raised
    message = await queued(books)

    async def person() -> None:
        await until(books, message, D.TYPED, "a dialog is open")
        shut(terminal)

    await carry_while(books, runtime, person)
    assert (terminal.received, terminal.wronged) == ([enveloped(message)], [])


async def test_a_draft_that_somebody_cleared_is_uncertain_and_not_typed_again(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    def clear(terminal: Terminal) -> None:
        terminal.draft = ""

    on_step(runtime, "submit", clear)
    message = await queued(books)
    await carry(books, runtime)
    assert now(books, message).reason == "it was typed, but is no longer to be seen"
    assert (terminal.received, len(terminal.pasted)) == ([], 1)


async def test_a_message_typed_into_a_terminal_that_is_gone_is_uncertain(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    message = await kept(books, D.TYPED)
    await carry(books, runtime)
    assert now(books, message).state is D.UNCERTAIN
    assert terminal.pasted == []


@pytest.mark.parametrize(("place", "end"), [("paste", D.UNCERTAIN), ("submit", D.UNCERTAIN)])
async def test_a_runtime_that_does_not_answer_leaves_it_uncertain(
    books: Books, runtime: TerminalDouble, terminal: Terminal, place: str, end: D
) -> None:
    def hang(_: Terminal) -> None:
        raise TimedOut("tmux did not answer")

    on_step(runtime, place, hang)
    message = await queued(books)
    await carry(books, runtime)
    assert (now(books, message).state, now(books, message).reason) == (end, "tmux did not answer")
    assert EventKind.MESSAGE_UNCERTAIN in [event.kind for event in await books.journal()]
    assert len(terminal.pasted) <= 1


async def test_nothing_is_typed_before_the_composer_is_there(
    books: Books, runtime: TerminalDouble, terminal: Terminal
) -> None:
    """What is typed while an agent starts is lost, or goes to whatever starts it."""
    message = await queued(books)

    async def person() -> None:
        await until(books, message, D.QUEUED, "its composer is not there yet")
        assert terminal.pasted == []
        terminal.busy = True  # now it shows something

    await carry_while(books, runtime, person, replace(SUBMITS, ready=WORKING))
    assert terminal.received == [enveloped(message)]
