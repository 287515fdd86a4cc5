"""Carries one session's messages to an agent that is driven by protocol, one after the other.

A message is handed over once its agent rests. Whether it was, the conversation's log says, so that
a crash at any point leaves no doubt and nothing is said twice. One that is about to be handed over
is noted as such first: from then on nobody takes it back, and it cannot expire.
"""

import anyio

from ao_core.drive.ledger import Turn
from ao_core.engine.conversation import Conversation
from ao_core.engine.engine import Engine
from ao_core.engine.holds import hold
from ao_core.engine.outbox import HELD, enveloped, introduced
from ao_core.errors import AoError, StoreUnavailable, WrongState
from ao_core.ids import SessionId
from ao_core.model.session import is_terminal
from ao_core.store.records import MESSAGE, Delivery, Message, Mode

_SIGILS = ("/", "!", "#", "@")
_UNSAID = (Delivery.QUEUED, Delivery.PASTING)
_STOP_DEADLINE = 10.0
_TURN = "a turn is under way"
_NOT_MEANWHILE = "a turn is under way, and by protocol nothing is said meanwhile"
_STOPPED = "the turn under way was cancelled"
_STUBBORN = "the turn under way was cancelled, but its agent has not ended it"


class Herald:
    """One session's deliveries."""

    def __init__(self, engine: Engine, session: SessionId) -> None:
        self._engine, self._session = engine, session
        self._tried: set[str] = set()  # messages that may have been handed over

    @property
    def _conversation(self) -> Conversation:
        return self._engine.conversations.live(self._session)

    async def run(self) -> None:
        """Deliver what is queued, then stop. Whoever queues more, or begins, starts it again."""
        if not self._begun():
            return
        while waiting := self._engine.outbox.waiting(self._session):
            for message in waiting:
                await self._deliver(message)

    def _begun(self) -> bool:
        """Whether there is somebody to talk to, or never will be."""
        known = self._engine.conversations.of(self._session)
        fresh = known is not None and not known.over
        return fresh or is_terminal(self._engine.session(self._session))

    async def _deliver(self, message: Message) -> None:
        try:
            await self._carry(message)
        except StoreUnavailable:  # it is said nowhere yet, or the log says that it was
            raise
        except AoError as exc:
            await self._lost(message, exc)

    async def _carry(self, message: Message) -> None:
        while True:
            while self._is_unsaid(message):
                self._living()
                await self._say(message, self._conversation)
            await self._heard(message, self._conversation)
            if not self._is_unsaid(message):
                return

    async def _say(self, message: Message, on: Conversation) -> None:
        await self._free(message, on)
        self._living()
        message = await self._engine.outbox.move(message, Delivery.PASTING)
        if message.state is not Delivery.PASTING:
            return  # taken back, too late or held; or an engine before this one handed it over
        self._tried.add(message.id)
        if await on.prompt(_spoken(message), message.id):
            await on.until(lambda: self._moved(message, on))
        else:
            await on.further()
        self._returned(message)

    # -- what it waits for -----------------------------------------------------------------------

    async def _free(self, message: Message, on: Conversation) -> None:
        """Wait until it can be said, or need not be any more."""
        await on.until(lambda: True if on.live or on.over else None)
        while self._is_unsaid(message):
            if why := self._held():
                await self._waits(message, why)
                await self._engine.records.until(lambda: self._further(message) or None)
            elif self._is_to_stop(on):
                await self._stop(on)
            elif await self._rests(message, on):
                return

    async def _rests(self, message: Message, on: Conversation) -> bool:
        """Until its agent rests; false if there is something else to see to before."""
        turn, why = on.ledger.turn, self._why(message, on.ledger.turn)
        if why is not None:
            await self._waits(message, why)
        rested: list[AoError | None] = []
        async with anyio.create_task_group() as tasks:

            async def rest() -> None:
                try:
                    rested.append(await on.rested())
                except AoError as exc:
                    rested.append(exc)
                tasks.cancel_scope.cancel()

            tasks.start_soon(rest)
            await self._engine.records.until(
                lambda: self._is_called_away(message, on) or self._why(message, turn) != why or None
            )
            tasks.cancel_scope.cancel()
        if rested and rested[0] is not None:
            raise rested[0]
        return bool(rested)

    def _is_called_away(self, message: Message, on: Conversation) -> bool:
        return bool(self._held()) or self._is_to_stop(on) or not self._is_unsaid(message)

    def _further(self, message: Message) -> bool:
        return not (self._held() and self._is_unsaid(message))

    def _why(self, message: Message, turn: Turn | None) -> str | None:
        if turn is None:
            return None
        if self._engine.permissions.pending(self._session):
            return HELD
        if turn.cancelled:
            return _STUBBORN
        return _NOT_MEANWHILE if message.mode is Mode.NOW else _TURN

    async def _waits(self, message: Message, why: str) -> None:
        await self._engine.outbox.move(message, self._known(message).state, reason=why)

    def _held(self) -> str | None:
        session = self._engine.session(self._session)
        return None if is_terminal(session) else hold(session)

    def _is_unsaid(self, message: Message) -> bool:
        return self._known(message).state in _UNSAID

    # -- the turn under way ----------------------------------------------------------------------

    def _is_to_stop(self, on: Conversation) -> bool:
        """Whether the turn is to be ended for a message, behind which others may wait."""
        turn = on.ledger.turn
        wanted = self._interruption() is not None and not on.over
        return wanted and turn is not None and not turn.cancelled

    def _interruption(self) -> Message | None:
        waiting = self._engine.outbox.waiting(self._session)
        wanted = (one for one in waiting if one.mode is Mode.INTERRUPT and one.state in _UNSAID)
        return next(wanted, None)

    async def _stop(self, on: Conversation) -> None:
        """Cancel the turn, once: the log says whether that was done. It has a moment to end."""
        turn = on.ledger.turn
        try:
            await on.cancel()
        except WrongState:  # it ended by itself meanwhile
            return
        if (message := self._interruption()) is not None:
            await self._engine.outbox.ended(message, _STOPPED)
        with anyio.move_on_after(_STOP_DEADLINE):
            await on.until(lambda: True if on.over or on.ledger.turn is not turn else None)

    # -- and what became of it -------------------------------------------------------------------

    async def _heard(self, message: Message, on: Conversation) -> None:
        await on.until(lambda: self._taken(message, on))
        self._returned(message)

    def _returned(self, message: Message) -> None:
        """Where its agent has refused it for now, it has not been said."""
        if self._known(message).state is Delivery.QUEUED:
            self._tried.discard(message.id)

    def _known(self, message: Message) -> Message:
        return self._engine.records.find(MESSAGE, message.id) or message

    def _living(self) -> None:
        if is_terminal(self._engine.session(self._session)):
            raise WrongState(f"{self._session} has ended.", hint="`restore` brings it back.")

    def _moved(self, message: Message, on: Conversation) -> bool | None:
        """Whether it was seen to be handed over, even if it came back, or never will be."""
        return True if on.over or self._known(message).state is not Delivery.PASTING else None

    def _taken(self, message: Message, on: Conversation) -> bool | None:
        if self._known(message).state is not Delivery.SUBMITTED:
            return True
        if on.over:
            self._living()
            raise WrongState("The agent's conversation is over.", hint="`restore` brings it back.")
        return None

    async def _lost(self, message: Message, exc: AoError) -> None:
        """Nothing said: failed. Said, with no sign of the agent: uncertain."""
        now = self._known(message)
        unsaid = now.state is Delivery.QUEUED and message.id not in self._tried
        end = Delivery.FAILED if unsaid else Delivery.UNCERTAIN
        await self._engine.outbox.move(now, end, reason=exc.message)


def _spoken(message: Message) -> str:
    """The text as it is said; a token takes the power from what may be a command of the agent's,
    unless that is what it is sent as.
    """
    sigil = message.body.lstrip().startswith(_SIGILS)
    return enveloped(message) if sigil else introduced(message, message.body)
