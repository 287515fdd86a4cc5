"""Messages to workers: durable, in order, each with a receipt that says how far it came.

The receipt is committed around each step, and the runtime keeps its own mark of the step it took:
after a crash the two together say whether a message was pasted and whether it was submitted. What
they cannot say is `uncertain`, and never typed again.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import anyio

from ao_core.clock import Clock
from ao_core.engine.holds import hold
from ao_core.engine.origins import first_line, harmless, seal
from ao_core.engine.records import Records, Step
from ao_core.errors import AoError, BadRequest, WrongState
from ao_core.ids import SessionId, new_id, new_token
from ao_core.model.event import EventKind, MessageMoved, NewEvent
from ao_core.model.session import Session, is_terminal
from ao_core.store.contract import Change, Put
from ao_core.store.records import MESSAGE, SETTLED, WITHDRAWN, Delivery, Message, Mode

LIMIT = 100_000
HELD = "it waits for a permission"  # what it waits for is somebody's answer
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_EVENT = {
    Delivery.QUEUED: EventKind.MESSAGE_QUEUED,
    Delivery.TYPED: EventKind.MESSAGE_TYPED,
    Delivery.SUBMITTED: EventKind.MESSAGE_SUBMITTED,
    Delivery.ACCEPTED: EventKind.MESSAGE_ACCEPTED,
    Delivery.UNCERTAIN: EventKind.MESSAGE_UNCERTAIN,
    Delivery.FAILED: EventKind.MESSAGE_FAILED,
    Delivery.EXPIRED: EventKind.MESSAGE_EXPIRED,
    Delivery.CANCELLED: EventKind.MESSAGE_CANCELLED,
}
_STORED = "it is in the outbox"
_LATE = "its time ran out before it could be delivered"
_ORDER = [
    Delivery.QUEUED, Delivery.PASTING, Delivery.TYPED,
    Delivery.SUBMITTED, Delivery.UNCERTAIN, Delivery.ACCEPTED,
]  # fmt: skip


def clean(text: str) -> str:
    """The text without anything a terminal would obey."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip("\n")


def enveloped(message: Message) -> str:
    """The text as it is typed. The token proves it arrived, and keeps a leading `!` or `/` and a
    trailing `\\` or `@file` from meaning anything to the agent. A command is to mean something.
    """
    if message.mode is Mode.COMMAND:
        return message.body
    return f"[{message.token}] {introduced(message, message.body)} [/{message.token}]"


def introduced(message: Message, text: str) -> str:
    """The text after the line that says who it is from, where the message is sealed."""
    return f"{first_line(message)}\n{text}" if message.seal else text


def settled(message: Message) -> bool:
    """Whether its receipt can go no further."""
    unproven = message.state is Delivery.SUBMITTED and message.highest is not Delivery.ACCEPTED
    return message.state in SETTLED or unproven


class Outbox:
    """The book of messages. `token` gives a worker's token, by which its messages are sealed."""

    def __init__(
        self, records: Records, clock: Clock, token: Callable[[Session], str] | None = None
    ) -> None:
        self._records, self._clock, self._token = records, clock, token
        self._limited: set[str] | None = None  # those that are too late one day

    def compose(
        self, session: Session, text: str, origin: str, *,
        highest: Delivery = Delivery.SUBMITTED, id: str | None = None,
        mode: Mode = Mode.WHEN_IDLE, expires: float | None = None, introduced: bool = True,
    ) -> Message:  # fmt: skip
        """A message ready to be queued, or the reason why it cannot be one. After `expires` seconds
        it is delivered no more; the task itself is not `introduced`.
        """
        body = clean(text) if mode is Mode.COMMAND else harmless(clean(text))
        if not body:
            raise BadRequest("The message is empty.", hint="Say what the worker should do.")
        if len(body) > LIMIT:
            raise BadRequest(
                f"The message has {len(body)} characters; {LIMIT} are possible.",
                hint="Put long text into a file of the repository and name it.",
            )
        if is_terminal(session):
            raise WrongState(
                f"{session.id} has ended; nothing can be sent to it.",
                hint="`restore` brings it back.",
            )
        now, id = self._clock.now(), id or new_id("msg")
        sealed = self._token is not None and introduced and mode is not Mode.COMMAND
        return Message(
            id, session.id, body, origin, f"ao{new_token(6)}", now,
            generation=session.generation, highest=highest, evidence=_STORED, mode=mode,
            seal=seal(self._token(session), id, origin, body) if self._token and sealed else "",
            expires_at=None if expires is None else now + timedelta(seconds=expires),
        )  # fmt: skip

    async def queue(
        self, session: Session, message: Message, beside: Sequence[Change] = ()
    ) -> Message:
        """Hand a message in. It is safe from here on."""
        put, event = self.queueing(session, message)
        await self._records.commit([put, *beside], [event])
        return message

    def queueing(self, session: Session, message: Message) -> tuple[Change, NewEvent]:
        """What hands a message in, to be committed with what belongs to it."""
        if message.expires_at and self._limited is not None:
            self._limited.add(message.id)
        body = MessageMoved(message.id)
        event = NewEvent(EventKind.MESSAGE_QUEUED, body, session.project, session.id)
        return Put(MESSAGE, message.id, message, 0), event

    def waiting(self, session: SessionId) -> list[Message]:
        """What is not settled yet, in order."""
        mine = self._records.of_session(MESSAGE, session)
        return [message for message in mine if not settled(message)]

    async def move(
        self,
        message: Message,
        state: Delivery,
        *,
        evidence: str | None = None,
        reason: str | None = None,
    ) -> Message:
        """Take a receipt on; it never goes back, but for a paste that did not happen."""
        return await self.move_by_id(message.id, state, evidence=evidence, reason=reason)

    async def move_by_id(
        self, id: str, state: Delivery, *, evidence: str | None = None, reason: str | None = None
    ) -> Message:
        """The same, by its id."""

        def step(now: Message) -> Step | None:
            return self._moved(now, state, evidence, reason)

        return await self._records.update(MESSAGE, id, step)

    def _moved(
        self, now: Message, state: Delivery, evidence: str | None, reason: str | None
    ) -> Step | None:
        if now.state is state and now.reason == reason:
            return None
        if now.state in SETTLED and not _better(now.state, state):
            return None
        if state in WITHDRAWN and now.state is not Delivery.QUEUED:
            return None
        if state is Delivery.PASTING and now.state is Delivery.QUEUED:
            if self._is_late(now):
                state, reason = Delivery.EXPIRED, _LATE
            elif hold(self._records.session(now.session)):
                return None
        if _ORDER_OF.get(state, 99) < _ORDER_OF.get(now.state, 0) and not _unpasted(now, state):
            return None
        after = replace(
            now, state=state, moved_at=self._clock.now(),
            evidence=_proof(now, evidence), reason=reason,
        )  # fmt: skip
        return Step(after, self._events(now, after))

    def _is_late(self, message: Message) -> bool:
        due = self._due(message)
        return due is not None and due <= self._clock.now()

    def _due(self, message: Message) -> datetime | None:
        """When it is too late, of the time in which it could have been delivered."""
        if message.expires_at is None:
            return None
        since, now = message.created_at, self._clock.now()
        return self._clock.course.due(since, message.expires_at - since, now)

    async def ended(self, message: Message, what: str) -> Message:
        """Note what became of the turn that it was to end; that is done once."""

        def step(now: Message) -> Step | None:
            return None if now.ended else Step(replace(now, ended=what))

        return await self._records.update(MESSAGE, message.id, step)

    async def read(self, message: Message, states: Collection[Delivery], evidence: str) -> Message:
        """Its worker has it by another way, unless it is on its way at this moment."""

        def step(now: Message) -> Step | None:
            fit = now.state in states
            return self._moved(now, Delivery.ACCEPTED, evidence, None) if fit else None

        return await self._records.update(MESSAGE, message.id, step)

    async def cancel(self, id: str) -> Message:
        """Take a message back, as long as nothing of it has been delivered."""
        after = await self.move_by_id(id, Delivery.CANCELLED, reason="it was taken back")
        if after.state is not Delivery.CANCELLED:
            raise WrongState(
                f"{id} is {after.state} already; it cannot be taken back.",
                hint="`send` with mode interrupt ends the turn it began.",
            )
        return after

    async def expire(self) -> datetime | None:
        """Give up what is too late to be delivered; when to look again, if there is more."""
        waiting = self._expiring()
        for message in waiting:
            if self._is_late(message):
                await self.move(message, Delivery.EXPIRED, reason=_LATE)
        return self.next_expiry()

    def next_expiry(self) -> datetime | None:
        """When the first of those that wait is too late."""
        return min((due for one in self._expiring() if (due := self._due(one))), default=None)

    def _expiring(self) -> list[Message]:
        if self._limited is None:
            every = self._records.all(MESSAGE)
            self._limited = {one.id for one in every if one.expires_at and not settled(one)}
        found = [self._records.find(MESSAGE, id) for id in self._limited]
        self._limited -= {one.id for one in found if one and one.state is not Delivery.QUEUED}
        return [one for one in found if one and one.state is Delivery.QUEUED]

    def _events(self, before: Message, after: Message) -> tuple[NewEvent, ...]:
        kind = _EVENT.get(after.state)
        if kind is None or before.state is after.state:
            return ()
        body = MessageMoved(after.id, after.evidence, after.reason)
        session = self._records.session(after.session)
        return (NewEvent(kind, body, session.project, session.id),)

    async def accepted(self, session: SessionId, token: str, evidence: str) -> None:
        """The agent itself says it has the message."""
        for message in self._records.of_session(MESSAGE, session):
            if message.token == token:
                await self.move(message, Delivery.ACCEPTED, evidence=evidence)

    def accepting(
        self, session: SessionId, tokens: Collection[str], evidence: str
    ) -> tuple[list[Change], list[NewEvent]]:
        """What notes that the agent has these messages, to be committed with what it does now."""
        changes: list[Change] = []
        events: list[NewEvent] = []
        for message in self._records.of_session(MESSAGE, session):
            taken = self._moved(message, Delivery.ACCEPTED, evidence, None)
            if message.token in tokens and taken is not None:
                revision = self._records.revision(MESSAGE, message.id)
                changes.append(Put(MESSAGE, message.id, taken.value, revision))
                events += taken.events
        return changes, events

    def moving(
        self, id: str, state: Delivery, *, evidence: str | None = None, reason: str | None = None
    ) -> tuple[list[Change], list[NewEvent]]:
        """What takes one receipt on, to be committed with what is known by it."""
        message = self._records.find(MESSAGE, id)
        taken = self._moved(message, state, evidence, reason) if message else None
        if taken is None:
            return [], []
        put = Put(MESSAGE, id, taken.value, self._records.revision(MESSAGE, id))
        return [put], list(taken.events)

    def returning(self, id: str, reason: str) -> tuple[list[Change], list[NewEvent]]:
        """What puts a message back that its agent has refused for now: it waits, in its place."""
        now = self._records.find(MESSAGE, id)
        if now is None or now.state not in (Delivery.PASTING, Delivery.SUBMITTED):
            return [], []
        after = replace(
            now, state=Delivery.QUEUED, moved_at=self._clock.now(), evidence=_STORED, reason=reason
        )
        if after.expires_at and self._limited is not None:
            self._limited.add(id)
        put = Put(MESSAGE, id, after, self._records.revision(MESSAGE, id))
        return [put], list(self._events(now, after))

    async def until(self, id: str, deadline: float, enough: Delivery) -> Message:
        """Wait until the receipt is settled or good enough, or nothing moves until somebody answers
        the worker; at most so long, then as it stands.
        """

        def done() -> Message | None:
            message = self._records.find(MESSAGE, id)
            if message is None:
                raise AoError("The message is gone.")
            good = settled(message) or _ORDER_OF[message.state] >= _ORDER_OF[enough]
            return message if good or self._held(message) else None

        with anyio.move_on_after(deadline):
            return await self._records.until(done)
        found = self._records.find(MESSAGE, id)
        assert found is not None  # noqa: S101 - messages are never dropped while awaited
        return found

    def _held(self, message: Message) -> bool:
        """Whether it, or what it waits behind, waits for somebody's answer."""
        if hold(self._records.session(message.session)) or message.reason == HELD:
            return True
        before = self.waiting(message.session) if message.mode is Mode.WHEN_IDLE else []
        return any(one.reason == HELD and one.id < message.id for one in before)


_ORDER_OF = {state: place for place, state in enumerate(_ORDER)}


def _proof(now: Message, evidence: str | None) -> str | None:
    if evidence is None:
        return now.evidence
    return f"{now.ended}; {evidence}" if now.ended else evidence


def _better(now: Delivery, state: Delivery) -> bool:
    return now is Delivery.UNCERTAIN and state is Delivery.ACCEPTED


def _unpasted(now: Message, state: Delivery) -> bool:
    return now.state is Delivery.PASTING and state is Delivery.QUEUED
