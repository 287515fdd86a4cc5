"""How a message to an agent that is driven by protocol goes about the turn under way."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from ao_core.drive import messages
from ao_core.drive.opening import Opening
from ao_core.engine import herald as herald_module
from ao_core.engine.conversation import Conversation, Held
from ao_core.engine.herald import Herald
from ao_core.errors import WrongState
from ao_core.ids import SessionId
from ao_core.model.pause import Paused, PauseReason
from ao_core.model.session import Drive, RuntimeHandle
from ao_core.store.records import MESSAGE, Delivery, Message, Mode
from bare_engine import an_engine
from books import START, Books, a_session, clock_of, opened_books
from line_double import Agent, LinesDouble

D = Delivery
ID = SessionId("app-1")
PAUSED = Paused(PauseReason.ASKED, START, "lead")


@dataclass(slots=True)
class Slow(Agent):
    """Ends a turn when the test says so, cancelled or not."""

    asks: bool = False
    turn: int | None = None
    spent: str = ""  # why it refuses whatever it is told
    heard: list[str] = field(default_factory=list[str])

    def _answer(self, said: dict[str, Any]) -> None:
        if said.get("method") == "session/prompt" and self.spent:
            self._say(messages.refusal(said["id"], -32000, self.spent))
        elif said.get("method") == "session/prompt":
            self.turn = said["id"]
            self.prompts.append(said["params"]["prompt"][0]["text"])
            self._say(messages.notice("session/update", {"update": {}}))
        elif said.get("method") == "session/cancel":
            self.cancels += 1
        else:
            Agent._answer(self, said)

    def finish(self, stop: str = "end_turn") -> None:
        """Its turn is over."""
        assert self.turn is not None
        turn, self.turn = self.turn, None
        self._say(messages.result(turn, {"stopReason": stop}))


@dataclass(slots=True)
class Desk:
    """One agent in the midst of a turn, and whoever tells it things."""

    books: Books
    agent: Slow

    async def send(self, text: str, mode: Mode = Mode.WHEN_IDLE, **more: Any) -> Message:
        outbox = self.books.outbox
        session = self.books.records.session(ID)
        composed = outbox.compose(session, text, "lead", highest=D.ACCEPTED, mode=mode, **more)
        return await outbox.queue(session, composed)

    def now(self, message: Message) -> Message:
        found = self.books.records.find(MESSAGE, message.id)
        assert found is not None
        return found

    async def reaches(self, message: Message, state: D) -> Message:
        def reached() -> bool | None:
            return True if self.now(message).state is state else None

        await self.books.records.until(reached)
        return self.now(message)

    async def waits(self, message: Message, reason: str) -> None:
        def waiting() -> bool | None:
            return True if reason in (self.now(message).reason or "") else None

        await self.books.records.until(waiting)

    async def quiet(self) -> None:
        await anyio.wait_all_tasks_blocked()


async def nothing(place: str) -> None:
    await anyio.lowlevel.checkpoint()


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(herald_module, "_STOP_DEADLINE", 0.05)


@asynccontextmanager
async def at_work(folder: Path) -> AsyncGenerator[Desk]:
    """An agent that works on `first`, and a herald for what is sent to it."""
    async with opened_books(folder) as books:
        await books.keep(a_session(drive=Drive.PROTOCOL, generation=1))
        desk = Desk(books, Slow())
        engine = an_engine(books)
        handle = RuntimeHandle(ID, "double")
        held = Held(ID, 1, LinesDouble(desk.agent, nothing), handle, Opening(Path("/w")))
        talk = Conversation(engine, held)
        engine.conversations._known[ID] = talk  # pyright: ignore[reportPrivateUsage]

        async def deliver() -> None:
            while True:
                await books.records.until(lambda: books.outbox.waiting(ID) or None)
                await Herald(engine, ID).run()

        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(talk.run)
                tasks.start_soon(deliver)
                await desk.reaches(await desk.send("first"), D.ACCEPTED)
                yield desk
                tasks.cancel_scope.cancel()


async def test_a_turn_is_cancelled_once_however_long_it_takes_to_end(tmp_path: Path) -> None:
    async with at_work(tmp_path) as desk:
        message = await desk.send("no, this", Mode.INTERRUPT)
        await desk.waits(message, "its agent has not ended it")
        for text in ("a line", "another"):
            await desk.books.say(text)
            await desk.quiet()
        assert (desk.agent.cancels, desk.agent.prompts) == (1, ["first"])
        desk.agent.finish("cancelled")
        after = await desk.reaches(message, D.ACCEPTED)
        assert (desk.agent.cancels, desk.agent.prompts[-1]) == (1, "no, this")
        assert (after.evidence or "").startswith("the turn under way was cancelled; ")


async def test_an_interruption_ends_the_turn_others_wait_for_and_overtakes_none(
    tmp_path: Path,
) -> None:
    async with at_work(tmp_path) as desk:
        before = await desk.send("second")
        await desk.waits(before, "a turn is under way")
        message = await desk.send("no, this", Mode.INTERRUPT)
        await desk.waits(before, "its agent has not ended it")
        assert desk.agent.cancels == 1
        desk.agent.finish("cancelled")
        await desk.reaches(before, D.ACCEPTED)
        await desk.waits(message, "its agent has not ended it")
        desk.agent.finish("cancelled")
        await desk.reaches(message, D.ACCEPTED)
        assert desk.agent.prompts == ["first", "second", "no, this"]
        assert desk.agent.cancels == 2


async def test_now_says_that_it_cannot_be(tmp_path: Path) -> None:
    async with at_work(tmp_path) as desk:
        message = await desk.send("look here", Mode.NOW)
        await desk.waits(message, "by protocol nothing is said meanwhile")
        assert desk.agent.cancels == 0
        desk.agent.finish()
        await desk.reaches(message, D.ACCEPTED)


async def test_a_command_is_said_as_it_is_and_nothing_else_is(tmp_path: Path) -> None:
    async with at_work(tmp_path) as desk:
        desk.agent.finish()
        command = await desk.reaches(await desk.send("/turns", Mode.COMMAND), D.ACCEPTED)
        desk.agent.finish()
        text = await desk.reaches(await desk.send("/turns"), D.ACCEPTED)
        assert desk.agent.prompts[1:] == ["/turns", f"[{text.token}] /turns [/{text.token}]"]
        assert command.token not in desk.agent.prompts[1]


async def test_nothing_is_said_while_a_session_is_held(tmp_path: Path) -> None:
    async with at_work(tmp_path) as desk:
        await desk.books.change(ID, lambda now: replace(now, paused=PAUSED))
        message = await desk.send("second")
        await desk.waits(message, "the session is paused")
        desk.agent.finish()
        await desk.quiet()
        assert (desk.now(message).state, desk.agent.prompts) == (D.QUEUED, ["first"])
        await desk.books.change(ID, lambda now: replace(now, paused=None))
        await desk.reaches(message, D.ACCEPTED)


async def test_a_pause_during_the_turn_holds_what_already_waits(tmp_path: Path) -> None:
    async with at_work(tmp_path) as desk:
        message = await desk.send("second")
        await desk.waits(message, "a turn is under way")
        await desk.books.change(ID, lambda now: replace(now, paused=PAUSED))
        await desk.waits(message, "the session is paused")
        desk.agent.finish()
        await desk.quiet()
        assert desk.agent.prompts == ["first"]


async def test_what_is_taken_back_or_too_late_is_not_said_and_the_next_is(tmp_path: Path) -> None:
    async with at_work(tmp_path) as desk:
        back = await desk.send("back")
        late, last = await desk.send("late", expires=60), await desk.send("last")
        await desk.waits(back, "a turn is under way")
        await desk.books.outbox.cancel(back.id)
        await desk.waits(late, "a turn is under way")
        await clock_of(desk.books).advance(61)
        desk.agent.finish()
        await desk.reaches(last, D.ACCEPTED)
        assert desk.agent.prompts == ["first", "last"]
        assert (desk.now(back).state, desk.now(late).state) == (D.CANCELLED, D.EXPIRED)
        with pytest.raises(WrongState):
            await desk.books.outbox.cancel(last.id)


async def test_what_is_refused_for_a_quota_waits_for_it_in_its_place(tmp_path: Path) -> None:
    async with at_work(tmp_path) as desk:
        desk.agent.spent = "You've hit your usage limit. Try again in 2 hours."
        message, later = await desk.send("second"), await desk.send("third")
        desk.agent.finish()
        await desk.waits(message, "the session is paused: quota until")
        await desk.quiet()
        assert desk.now(message).state is D.QUEUED
        paused = desk.books.records.session(ID).paused
        assert paused is not None
        assert (paused.why, paused.interrupted) == (PauseReason.QUOTA, False)

        desk.agent.spent = ""
        await desk.books.change(ID, lambda now: replace(now, paused=None))
        await desk.reaches(message, D.ACCEPTED)
        desk.agent.finish()
        await desk.reaches(later, D.ACCEPTED)
        assert desk.agent.prompts == ["first", "second", "third"]


async def test_what_is_refused_for_anything_else_has_failed(tmp_path: Path) -> None:
    async with at_work(tmp_path) as desk:
        desk.agent.finish()
        desk.agent.spent = "I do not like it."
        message = await desk.reaches(await desk.send("second"), D.FAILED)
        assert message.reason == "I do not like it."
        assert desk.books.records.session(ID).paused is None
