"""Carries one session's messages to an agent that is driven by protocol, one after the other.

A message is handed over once its agent rests. Whether it was, the conversation's log says, so that
a crash at any point leaves no doubt and nothing is said twice.
"""

from ao_core.engine.conversation import Conversation
from ao_core.engine.engine import Engine
from ao_core.engine.outbox import enveloped
from ao_core.errors import AoError, StoreUnavailable, WrongState
from ao_core.ids import SessionId
from ao_core.model.session import is_terminal
from ao_core.store.records import MESSAGE, Delivery, Message

_SIGILS = ("/", "!", "#", "@")


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
        while self._known(message).state is Delivery.QUEUED:
            self._living()
            await self._say(message, self._conversation)
        await self._heard(message, self._conversation)

    async def _say(self, message: Message, on: Conversation) -> None:
        if on.ledger.turn is not None:
            asks = self._engine.permissions.pending(self._session)
            why = "it waits for a permission" if asks else "a turn is under way"
            await self._engine.outbox.move(message, Delivery.QUEUED, reason=why)
        await on.rested()
        self._living()
        if self._known(message).state is not Delivery.QUEUED:
            return  # an engine before this one handed it over, as the log has told meanwhile
        self._tried.add(message.id)
        if await on.prompt(_spoken(message), message.id):
            await on.until(lambda: self._moved(message, on))
        else:
            await on.further()

    async def _heard(self, message: Message, on: Conversation) -> None:
        await on.until(lambda: self._taken(message, on))

    def _known(self, message: Message) -> Message:
        return self._engine.records.find(MESSAGE, message.id) or message

    def _living(self) -> None:
        if is_terminal(self._engine.session(self._session)):
            raise WrongState(f"{self._session} has ended.", hint="`restore` brings it back.")

    def _moved(self, message: Message, on: Conversation) -> bool | None:
        """Whether it was seen to be handed over, or never will be."""
        return True if on.over or self._known(message).state is not Delivery.QUEUED else None

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
    """The text as it is said; a token takes the power from what may be a command of the agent's."""
    sigil = message.body.lstrip().startswith(_SIGILS)
    return enveloped(message) if sigil else message.body
