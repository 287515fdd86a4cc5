"""Carries one session's messages to its agent, one after the other.

A step is only taken where the runtime itself checks, in the same breath, that the agent lives and
that no dialog holds the keyboard. What cannot be typed now waits and says why. An interrupt key is
pressed as a message is submitted, with a mark: so a crash never has it pressed twice.
"""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import anyio

from ao_core.engine.holds import hold
from ao_core.engine.outbox import HELD, Outbox, enveloped, settled
from ao_core.engine.records import Records
from ao_core.errors import AoError, StoreUnavailable, WrongState
from ao_core.ids import SessionId
from ao_core.model.session import GONE, RuntimeHandle, Session, SessionState, is_terminal
from ao_core.slots.agent import Composer
from ao_core.slots.runtime import Attended, Runtime, Typable
from ao_core.store.records import MESSAGE, PERMISSION, WITHDRAWN, Delivery, Message, Mode

_ECHO_DEADLINE = 30.0
_PROOF_DEADLINE = 30.0
_FIRST_LOOK, _LAST_LOOK = 0.004, 0.5
_PRESS_AGAIN = 1.0
_PRESSES = 3
_GLANCES, _GLANCE = 3, 0.006
_STOP_DEADLINE = 10.0
_DIALOG = "a dialog is open"
_TURN = "a turn is under way"
_DRAFT = "a draft that is not finished stands in its composer"
_TYPING = "somebody is typing"
_NOT_YET = "its composer is not there yet"
_PRESSED = "its keys were pressed"


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
        except StoreUnavailable:  # not the way to the agent is broken: it is taken up again
            raise
        except AoError as exc:
            await self._lost(message, exc)

    async def _lost(self, message: Message, exc: AoError) -> None:
        """The way to the agent broke. Nothing typed: failed. Perhaps typed: uncertain."""
        now = self._now(message)
        ended = now.state is Delivery.PASTING and isinstance(exc, WrongState)
        untyped = now.state is Delivery.QUEUED or ended
        end = Delivery.FAILED if untyped else Delivery.UNCERTAIN
        await self._outbox.move(now, end, reason=exc.message)

    async def _carry(self, message: Message) -> None:
        keyboard = await self._keyboard(message)
        message = await self._recovered(self._now(message), keyboard)
        if message.state is Delivery.QUEUED:
            _tell_apart(message, keyboard.composer)
            message = await self._having_ended_the_turn(message, keyboard)
            message = await self._paste(message, keyboard)
        if message.state is Delivery.PASTING:
            message = await self._see(message, keyboard)
        if message.state is Delivery.TYPED:
            message = await self._submit(message, keyboard)
        if message.state is Delivery.SUBMITTED:
            await self._prove(message, keyboard)

    async def _keyboard(self, message: Message) -> Keyboard:
        session = await self._records.until(lambda: self._ready(message))
        if is_terminal(session) or session.run.handle is None:
            raise WrongState(f"{self._session} has ended.", hint="`restore` brings it back.")
        if not isinstance(self._runtime, Typable):
            raise WrongState(f"Nothing can be typed to runtime {self._runtime.name}.")
        return Keyboard(cast("Typable", self._runtime), session.run.handle, self._composer)

    def _ready(self, message: Message) -> Session | None:
        session = self._records.session(self._session)
        starting = session.facts.state is SessionState.NOT_STARTED
        wanted = not self._withdrawn(message)
        return None if starting and session.run.handle is None and wanted else session

    # -- after a crash ---------------------------------------------------------------------------

    async def _recovered(self, message: Message, keyboard: Keyboard) -> Message:
        """What the runtime's own marks say about a step that was under way."""
        if message.state not in (Delivery.PASTING, Delivery.TYPED):
            return message
        marks = await keyboard.screen.marks(keyboard.handle)
        if marks.submitted == message.id:
            return await self._moved(message, Delivery.SUBMITTED, "the runtime's mark")
        if marks.pasted == message.id:
            return message
        if message.state is Delivery.PASTING:
            return await self._moved(message, Delivery.QUEUED)
        reason = "it was typed into a terminal that is gone"
        return await self._moved(message, Delivery.UNCERTAIN, reason=reason)

    async def _moved(
        self, message: Message, state: Delivery, evidence: str | None = None,
        reason: str | None = None,
    ) -> Message:  # fmt: skip
        return await self._outbox.move(message, state, evidence=evidence, reason=reason)

    # -- the steps -------------------------------------------------------------------------------

    async def _paste(self, message: Message, keyboard: Keyboard) -> Message:
        async for _ in _looks():
            await self._unhindered(message, keyboard)
            message = await self._moved(message, Delivery.PASTING)
            if message.state is Delivery.QUEUED:  # it is held, as of now
                continue
            if message.state is not Delivery.PASTING:
                break
            done = await keyboard.screen.paste(
                keyboard.handle, enveloped(message),
                mark=message.id, refuse=keyboard.composer.dialogs,
            )  # fmt: skip
            if done:
                break
            await self._alive(keyboard)
            message = await self._moved(message, Delivery.QUEUED, reason=_DIALOG)
        return message

    async def _emptied(self, message: Message, keyboard: Keyboard) -> None:
        """Take what is left of an `uncertain` message out of the composer: it must not go along."""
        left = await self._left(keyboard) if keyboard.composer.clear else None
        if left is None:
            return
        shown = self._echo(left, keyboard)
        for _ in range(_GLANCES):
            if not await keyboard.screen.press(
                keyboard.handle, keyboard.composer.clear, expect=shown
            ):
                break
            await anyio.sleep(_GLANCE)

    async def _left(self, keyboard: Keyboard) -> Message | None:
        """The message that was pasted last, if nobody knows what became of it."""
        mine = self._records.of_session(MESSAGE, self._session)
        doubtful = {one.id: one for one in mine if one.state is Delivery.UNCERTAIN}
        if not doubtful:
            return None
        marks = await keyboard.screen.marks(keyboard.handle)
        return doubtful.get(marks.pasted or "")

    # -- what may stand before the composer ------------------------------------------------------

    async def _unhindered(self, message: Message, keyboard: Keyboard) -> bool:
        """Wait while the worker asks, or a dialog is open: a message must not answer it.

        Tells whether anything was in the way.
        """
        hindered = False
        while why := await self._hindrance(message, keyboard):
            hindered = True
            await self._moved(message, self._now(message).state, reason=why)
            # what came meanwhile is another reason, and is to be told
            await self._records.until(lambda: None if self._held(message) == why else True)
            await self._free(message, keyboard)
        if is_terminal(self._records.session(self._session)):
            raise WrongState(f"{self._session} has ended.", hint="`restore` brings it back.")
        return hindered

    async def _hindrance(self, message: Message, keyboard: Keyboard) -> str | None:
        if self._withdrawn(message):
            return None
        if held := self._held(message):
            return held
        if await self._visible(keyboard, keyboard.composer.dialogs):
            return self._held(message) or _DIALOG
        if self._now(message).state is not Delivery.QUEUED:
            return self._held(message)
        return await self._occupied(message, keyboard) or self._held(message)

    async def _occupied(self, message: Message, keyboard: Keyboard) -> str | None:
        """What keeps a message from being typed that has not been yet."""
        composer = keyboard.composer
        if message.mode is Mode.COMMAND and await self._visible(keyboard, composer.working):
            return _TURN
        await self._emptied(message, keyboard)
        asked = composer.draft or composer.ready
        shown = await keyboard.screen.screen(keyboard.handle) if asked else ""
        ends = message.mode is Mode.INTERRUPT and not message.ended  # a turn, which may hide it
        if composer.ready and not ends and not re.search(composer.ready, shown):
            return _TURN if await self._visible(keyboard, composer.working) else _NOT_YET
        if not composer.draft or not re.search(composer.draft, shown):
            return None
        runtime = keyboard.screen
        if isinstance(runtime, Attended) and await runtime.attended(keyboard.handle):
            return _TYPING
        return _DRAFT

    def _held(self, message: Message) -> str | None:
        """What the records alone tell to be in the way."""
        session = self._records.session(self._session)
        if is_terminal(session) or self._withdrawn(message):
            return None
        return hold(session) or (HELD if self._asking() else None)

    def _withdrawn(self, message: Message) -> bool:
        return self._now(message).state in WITHDRAWN

    def _asking(self) -> bool:
        if is_terminal(self._records.session(self._session)):
            return False
        mine = self._records.of_session(PERMISSION, self._session)
        return any(asked.ended_at is None for asked in mine)

    async def _visible(self, keyboard: Keyboard, texts: Sequence[str]) -> bool:
        """Whether a dialog is open, say. One look is not enough: a frame that is half drawn shows
        none, and what a paste has raised is not yet drawn.
        """
        if not texts:
            return False
        for _ in range(_GLANCES):
            if await keyboard.screen.shows(keyboard.handle, texts):
                return True
            await anyio.sleep(_GLANCE)
        return False

    async def _free(self, message: Message, keyboard: Keyboard) -> None:
        """Wait until the screen shows nothing in the way, or the records tell of something."""
        async for _ in _looks():
            if self._held(message) or not await self._hindrance(message, keyboard):
                return
            await self._alive(keyboard)

    async def _alive(self, keyboard: Keyboard) -> None:
        """Raise if the agent has ended; a look that failed proves nothing."""
        seen = (await self._runtime.look([keyboard.handle])).get(keyboard.handle.id)
        if seen is not None and seen.state in GONE:
            raise WrongState(f"{self._session} has ended.", hint="`restore` brings it back.")

    # -- the turn under way ----------------------------------------------------------------------

    async def _having_ended_the_turn(self, message: Message, keyboard: Keyboard) -> Message:
        """The message, once the turn it is to interrupt is over, or was given its time to be."""
        if message.mode is not Mode.INTERRUPT or message.ended:
            return message
        mark, working = f"{message.id}.stop", keyboard.composer.working
        marks = await keyboard.screen.marks(keyboard.handle)
        if marks.submitted != mark and not await self._interrupt(message, keyboard, mark):
            return await self._outbox.ended(message, "no turn was under way")
        with anyio.move_on_after(_STOP_DEADLINE):
            async for _ in _looks():
                if not await self._visible(keyboard, working):
                    return await self._outbox.ended(message, "the turn under way was interrupted")
                await self._alive(keyboard)
        return await self._outbox.ended(message, "the turn was interrupted, but is not over")

    async def _interrupt(self, message: Message, keyboard: Keyboard, mark: str) -> bool:
        """Press what ends a turn, where the screen shows one; once."""
        composer = keyboard.composer
        for _ in range(_GLANCES):
            await self._unhindered(message, keyboard)
            if self._withdrawn(message):
                return False
            if await keyboard.screen.submit(
                keyboard.handle, composer.interrupt, mark=mark,
                expect=composer.working, refuse=composer.dialogs,
            ):  # fmt: skip
                return True
            await anyio.sleep(_GLANCE)
        return False

    # -- and after the paste ---------------------------------------------------------------------

    def _echo(self, message: Message, keyboard: Keyboard) -> tuple[str, ...]:
        if message.mode is Mode.COMMAND:
            return (message.body, *keyboard.composer.folded)
        return (f"[{message.token}]", f"[/{message.token}]", *keyboard.composer.folded)

    async def _see(self, message: Message, keyboard: Keyboard) -> Message:
        """Wait for the echo. A dialog may hide it; then it is back when the dialog has gone."""
        late = _patience()
        async for _ in _looks():
            if await keyboard.screen.shows(keyboard.handle, self._echo(message, keyboard)):
                return await self._moved(message, Delivery.TYPED, "its echo was seen")
            await self._alive(keyboard)
            if await self._unhindered(message, keyboard):
                late = _patience()
            elif late():
                break
        return await self._moved(
            message, Delivery.UNCERTAIN, reason="it was typed, but the agent never showed it"
        )

    async def _submit(self, message: Message, keyboard: Keyboard) -> Message:
        late = _patience()
        async for _ in _looks():
            if await self._unhindered(message, keyboard):
                late = _patience()
            message = self._now(message)
            if message.state is not Delivery.TYPED:
                return message
            during = await self._is_during(message, keyboard)
            if await self._press(message, keyboard, during=during):
                how = f"{_PRESSED} while a turn was under way" if during else _PRESSED
                return await self._moved(message, Delivery.SUBMITTED, how)
            await self._alive(keyboard)
            if late():
                break
        return await self._moved(
            message, Delivery.UNCERTAIN, reason="it was typed, but is no longer to be seen"
        )

    async def _is_during(self, message: Message, keyboard: Keyboard) -> bool:
        """Whether it goes to the turn under way."""
        now = message.mode is Mode.NOW
        return now and await self._visible(keyboard, keyboard.composer.working)

    async def _press(self, message: Message, keyboard: Keyboard, *, during: bool = False) -> bool:
        composer = keyboard.composer
        keys = (composer.now if during else ()) or composer.submit
        return await keyboard.screen.submit(
            keyboard.handle, keys, mark=message.id,
            expect=self._echo(message, keyboard), refuse=keyboard.composer.dialogs,
        )  # fmt: skip

    async def _prove(self, message: Message, keyboard: Keyboard) -> None:
        """Wait for the agent's own word, where it gives one. An Enter it ignored is repeated."""
        if settled(message):
            return
        for press in range(_PRESSES):
            with anyio.move_on_after(_PRESS_AGAIN * 2**press):
                await self._records.until(lambda: self._taken(message))
                return
            await self._unhindered(message, keyboard)
            if not self._taken(message):
                await self._press(message, keyboard)
        with anyio.move_on_after(_PROOF_DEADLINE):
            await self._records.until(lambda: self._taken(message))
            return
        await self._moved(message, Delivery.UNCERTAIN, reason="submitted, but never acknowledged")

    def _now(self, message: Message) -> Message:
        return self._records.find(MESSAGE, message.id) or message

    def _taken(self, message: Message) -> bool | None:
        if is_terminal(self._records.session(self._session)):
            return True
        now = self._records.find(MESSAGE, message.id)
        return True if now is None or now.state is not Delivery.SUBMITTED else None


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


def _patience() -> Callable[[], bool]:
    end = anyio.current_time() + _ECHO_DEADLINE
    return lambda: anyio.current_time() > end
