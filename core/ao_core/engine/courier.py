"""Carries one session's messages to its agent, one after the other.

A step is only taken where the runtime itself checks, in the same breath, that the agent lives and
that no dialog holds the keyboard. What cannot be typed now waits and says why.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import anyio

from ao_core.engine.outbox import Outbox, enveloped
from ao_core.engine.records import Records
from ao_core.errors import AoError, WrongState
from ao_core.ids import SessionId
from ao_core.model.session import RuntimeHandle, Session, SessionState, is_terminal
from ao_core.slots.agent import Composer
from ao_core.slots.runtime import Runtime, Typable
from ao_core.store.records import MESSAGE, PERMISSION, Delivery, Message

_ECHO_DEADLINE = 30.0
_PROOF_DEADLINE = 30.0
_FIRST_LOOK, _LAST_LOOK = 0.004, 0.5
_PATIENCE = 1.0
_PRESSES = 3


@dataclass(frozen=True, slots=True)
class Keyboard:
    """What is needed to type to one session."""

    screen: Typable
    handle: RuntimeHandle
    composer: Composer


class Courier:
    """One session's deliveries."""

    def __init__(
        self, records: Records, outbox: Outbox, session: SessionId,
        runtime: Runtime[Any], composer: Composer,
    ) -> None:  # fmt: skip
        self._records, self._outbox, self._session = records, outbox, session
        self._runtime, self._composer = runtime, composer

    async def run(self) -> None:
        """Deliver what is queued, then stop. Whoever queues more starts it again."""
        while waiting := self._outbox.waiting(self._session):
            for message in waiting:
                await self._deliver(message)

    async def _deliver(self, message: Message) -> None:
        try:
            await self._carry(message)
        except AoError as exc:
            await self._lost(message, exc)

    async def _lost(self, message: Message, exc: AoError) -> None:
        """The way to the agent broke. Nothing typed: failed. Perhaps typed: uncertain."""
        now = self._records.find(MESSAGE, message.id) or message
        typed = now.state not in (Delivery.QUEUED, Delivery.PASTING)
        end = Delivery.UNCERTAIN if typed else Delivery.FAILED
        await self._outbox.move(now, end, reason=exc.message)

    async def _carry(self, message: Message) -> None:
        keyboard = await self._keyboard()
        message = await self._recovered(message, keyboard)
        if message.state is Delivery.QUEUED:
            _tell_apart(message, keyboard.composer)
            message = await self._paste(message, keyboard)
        if message.state is Delivery.PASTING:
            message = await self._see(message, keyboard)
        if message.state is Delivery.TYPED:
            message = await self._submit(message, keyboard)
        if message.state is Delivery.SUBMITTED:
            await self._prove(message, keyboard)

    async def _keyboard(self) -> Keyboard:
        session = await self._records.until(self._ready)
        if is_terminal(session) or session.run.handle is None:
            raise WrongState(f"{self._session} has ended.", hint="`restore` brings it back.")
        if not isinstance(self._runtime, Typable):
            raise WrongState(f"Nothing can be typed to runtime {self._runtime.name}.")
        return Keyboard(cast("Typable", self._runtime), session.run.handle, self._composer)

    def _ready(self) -> Session | None:
        session = self._records.session(self._session)
        starting = session.facts.state is SessionState.NOT_STARTED
        return None if starting and session.run.handle is None else session

    # -- after a crash ---------------------------------------------------------------------------

    async def _recovered(self, message: Message, keyboard: Keyboard) -> Message:
        """What the runtime's own marks say about a step that was under way."""
        if message.state is Delivery.PASTING:
            marks = await keyboard.screen.marks(keyboard.handle)
            if marks.submitted == message.id:
                return await self._moved(message, Delivery.SUBMITTED, "the runtime's mark")
            if marks.pasted != message.id:
                return await self._moved(message, Delivery.QUEUED)
        if message.state is Delivery.TYPED:
            marks = await keyboard.screen.marks(keyboard.handle)
            if marks.submitted == message.id:
                return await self._moved(message, Delivery.SUBMITTED, "the runtime's mark")
        return message

    async def _moved(
        self, message: Message, state: Delivery, evidence: str | None = None,
        reason: str | None = None,
    ) -> Message:  # fmt: skip
        return await self._outbox.move(message, state, evidence=evidence, reason=reason)

    # -- the steps -------------------------------------------------------------------------------

    async def _paste(self, message: Message, keyboard: Keyboard) -> Message:
        while True:
            message = await self._unhindered(message)
            message = await self._moved(message, Delivery.PASTING)
            done = await keyboard.screen.paste(
                keyboard.handle, enveloped(message),
                mark=message.id, refuse=keyboard.composer.dialogs,
            )  # fmt: skip
            if done:
                return message
            message = await self._moved(message, Delivery.QUEUED, reason="a dialog is open")
            await self._alive(keyboard)
            await self._no_dialog(keyboard)

    async def _unhindered(self, message: Message) -> Message:
        """Wait while the worker asks for a permission: a message must not answer it."""
        if self._asking():
            message = await self._moved(
                message, Delivery.QUEUED, reason="it waits for a permission"
            )
            await self._records.until(lambda: None if self._asking() else True)
        if is_terminal(self._records.session(self._session)):
            raise WrongState(f"{self._session} has ended.", hint="`restore` brings it back.")
        return message

    def _asking(self) -> bool:
        if is_terminal(self._records.session(self._session)):
            return False
        mine = self._records.of_session(PERMISSION, self._session)
        return any(asked.ended_at is None for asked in mine)

    async def _no_dialog(self, keyboard: Keyboard) -> None:
        async for _ in _looks():
            if not await keyboard.screen.shows(keyboard.handle, keyboard.composer.dialogs):
                return
            await self._alive(keyboard)

    async def _alive(self, keyboard: Keyboard) -> None:
        if not await self._runtime.alive(keyboard.handle):
            raise WrongState(f"{self._session} has ended.", hint="`restore` brings it back.")

    def _echo(self, message: Message, keyboard: Keyboard) -> tuple[str, ...]:
        return (f"[{message.token}]", f"[/{message.token}]", *keyboard.composer.folded)

    async def _see(self, message: Message, keyboard: Keyboard) -> Message:
        """Wait for the echo. A dialog may hide it; then it is back when the dialog has gone."""
        async with _patience(_ECHO_DEADLINE) as late:
            async for _ in _looks():
                if await keyboard.screen.shows(keyboard.handle, self._echo(message, keyboard)):
                    return await self._moved(message, Delivery.TYPED, "its echo was seen")
                await self._alive(keyboard)
                if late():
                    break
        return await self._moved(
            message, Delivery.UNCERTAIN, reason="it was typed, but the agent never showed it"
        )

    async def _submit(self, message: Message, keyboard: Keyboard) -> Message:
        async for _ in _looks():
            pressed = await keyboard.screen.submit(
                keyboard.handle, keyboard.composer.submit, mark=message.id,
                expect=self._echo(message, keyboard), refuse=keyboard.composer.dialogs,
            )  # fmt: skip
            if pressed:
                break
            await self._alive(keyboard)
            await self._no_dialog(keyboard)
        return await self._moved(message, Delivery.SUBMITTED, "its keys were pressed")

    async def _prove(self, message: Message, keyboard: Keyboard) -> None:
        """Wait for the agent's own word, where it gives one. An Enter it ignored is repeated."""
        if keyboard.composer.best is not Delivery.ACCEPTED:
            return
        for press in range(_PRESSES):
            with anyio.move_on_after(_PATIENCE * 2**press):
                await self._records.until(lambda: self._taken(message))
                return
            await self._again(message, keyboard)
        with anyio.move_on_after(_PROOF_DEADLINE):
            await self._records.until(lambda: self._taken(message))
            return
        await self._moved(message, Delivery.UNCERTAIN, reason="submitted, but never acknowledged")

    def _taken(self, message: Message) -> bool | None:
        if is_terminal(self._records.session(self._session)):
            return True
        now = self._records.find(MESSAGE, message.id)
        return True if now is None or now.state is not Delivery.SUBMITTED else None

    async def _again(self, message: Message, keyboard: Keyboard) -> None:
        await keyboard.screen.submit(
            keyboard.handle, keyboard.composer.submit, mark=message.id,
            expect=self._echo(message, keyboard), refuse=keyboard.composer.dialogs,
        )  # fmt: skip


def _tell_apart(message: Message, composer: Composer) -> None:
    """A draft that shows what a dialog shows could not be told from one."""
    if any(text in message.body for text in composer.dialogs):
        raise WrongState(
            "The message holds a text that the agent's own dialogs show.",
            hint="Say it in other words.",
        )


async def _looks() -> AsyncIterator[int]:
    """Look again, soon at first, then less often: a screen cannot tell us that it changed."""
    pause, count = _FIRST_LOOK, 0
    while True:
        yield count
        await anyio.sleep(pause)
        pause, count = min(pause * 1.6, _LAST_LOOK), count + 1


@asynccontextmanager
async def _patience(seconds: float) -> AsyncGenerator[Callable[[], bool]]:
    end = anyio.current_time() + seconds
    yield lambda: anyio.current_time() > end
