"""Workers ask before they act: the policy answers what it can, a lead or a person the rest."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from ao_core.clock import Clock
from ao_core.engine import policy
from ao_core.engine.moves import asking, moved
from ao_core.engine.policy import Verdict, Wish
from ao_core.engine.records import Records, Step
from ao_core.errors import Conflict, Unknown, WrongState
from ao_core.ids import SessionId
from ao_core.model.event import EventKind, NewEvent, PermissionMoved
from ao_core.model.session import Session, SessionReason, SessionState, is_terminal
from ao_core.redact import visible
from ao_core.store.contract import Change, Put
from ao_core.store.records import PERMISSION, SESSION, Decision, Permission

_SHOWN, _HEAD, _TAIL = 2_000, 1_400, 500
_CLOSED = 1_000  # ends that are remembered
_AT_THE_KEYBOARD = "answered at the keyboard"


class Permissions:
    """The book of permission requests."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records, self._clock = records, clock
        self._closed: deque[str] = deque(maxlen=_CLOSED)

    async def ask(
        self, session: Session, id: str, wish: Wish, shown: str, commands: Sequence[Sequence[str]]
    ) -> Permission:
        """Put a request down, answered at once where the policy can. The same id asks once."""
        known = self._records.find(PERMISSION, id)
        if known is not None:
            return known
        ruling = policy.judge(wish, Path(session.path), session.permissions, commands)
        now = self._clock.now()
        asked = Permission(id, session.id, visible(wish.tool, 100), _shown(shown), now)
        if ruling.verdict is Verdict.ASK:
            await self._wait(asked)
            return self._records.find(PERMISSION, id) or asked
        decision = Decision.ALLOW if ruling.verdict is Verdict.ALLOW else Decision.DENY
        ruled = replace(asked, decision=decision, by="policy", reason=ruling.rule, ended_at=now)
        event = self._event(ruled, EventKind.PERMISSION_ANSWERED)
        try:
            await self._records.commit([Put(PERMISSION, id, ruled, 0)], [event])
        except Conflict:  # asked twice at once
            return self._records.find(PERMISSION, id) or ruled
        return ruled

    async def claim(self, session: Session, id: str, tool: str, shown: str) -> bool:
        """A dialog that its worker only tells of: nobody waits but the keyboard.

        False when the request is known, and over: then there is no dialog any more.
        """
        known = self._records.find(PERMISSION, id)
        if known is not None:
            return known.ended_at is None
        now = self._clock.now()
        await self._wait(Permission(id, session.id, visible(tool, 100), _shown(shown), now))
        return True

    async def _wait(self, asked: Permission) -> None:
        """The session waits for somebody's answer from here on."""

        def waiting(session: Session) -> Step | None:
            if self._records.find(PERMISSION, asked.id) is not None:
                return None
            if is_terminal(session):
                raise WrongState(f"{session.id} has ended.", hint="`restore` brings it back.")
            after, moves = asking(session, asked.tool, asked.asked_at)
            told = self._event(asked, EventKind.PERMISSION_ASKED)
            return Step(after, (told, *moves), (Put(PERMISSION, asked.id, asked, 0),))

        await self._records.update(SESSION, asked.session, waiting)
        if asked.id in self._closed:  # its end was told of before it was heard of
            await self._expire(asked, _AT_THE_KEYBOARD)
            await self._records.update(SESSION, asked.session, self._going_on)

    async def decided(self, id: str) -> Permission:
        """Wait until somebody answered."""

        def ended() -> Permission | None:
            asked = self._records.find(PERMISSION, id)
            if asked is None:
                raise Unknown("There is no such permission request.")
            return asked if asked.ended_at else None

        return await self._records.until(ended)

    def pending(self, session: SessionId) -> list[Permission]:
        """What a session waits for, oldest first."""
        mine = self._records.of_session(PERMISSION, session)
        return [asked for asked in mine if asked.ended_at is None]

    def choose(self, session: SessionId, request: str | None) -> Permission:
        """The request that is meant: the one named, or the only one."""
        pending = self.pending(session)
        if request is not None:
            pending = [asked for asked in pending if asked.id == request]
        if not pending:
            raise Unknown(
                f"{session} waits for no such permission.", hint="`show` tells what it does."
            )
        if len(pending) > 1:
            raise WrongState(
                f"{session} waits for {len(pending)} permissions.",
                hint="Name one: " + ", ".join(asked.id for asked in pending),
            )
        return pending[0]

    async def answer(
        self, asked: Permission, decision: Decision, by: str, *, beside: Sequence[Change] = ()
    ) -> Permission:
        """Somebody answers; the session needs nobody any more, unless it asks for more."""
        answered = await self._end(asked, decision, by, None, beside)
        await self._records.update(SESSION, asked.session, self._going_on)
        return answered

    def _going_on(self, session: Session) -> Step | None:
        waits = session.facts.reason is SessionReason.AWAITING_PERMISSION
        if not waits or self.pending(session.id):
            return None
        why = SessionReason.TASK_IN_PROGRESS
        return Step(*moved(session, SessionState.WORKING, why, self._clock.now()))

    async def ended(self, session: SessionId, id: str, at: datetime) -> None:
        """The dialog was closed at the keyboard: the one named, else those open by then."""
        self._closed.append(id)
        for asked in self.pending(session):
            named = asked.id == id
            if named or (asked.asked_at <= at and not self._records.find(PERMISSION, id)):
                await self._expire(asked, _AT_THE_KEYBOARD)

    async def expire(self, session: SessionId, why: str) -> None:
        """Nobody waits any more: the worker ended."""
        for asked in self.pending(session):
            await self._expire(asked, why)

    async def _expire(self, asked: Permission, why: str) -> None:
        await self._records.update(PERMISSION, asked.id, lambda now: self._expired(now, why))

    def _expired(self, asked: Permission, why: str) -> Step | None:
        if asked.ended_at is not None:
            return None
        after = replace(asked, ended_at=self._clock.now(), expired=True, reason=why)
        return Step(after, (self._event(after, EventKind.PERMISSION_EXPIRED),))

    async def _end(
        self, asked: Permission, decision: Decision, by: str, reason: str | None,
        beside: Sequence[Change] = (),
    ) -> Permission:  # fmt: skip
        def ended(now: Permission) -> Step | None:
            if now.ended_at is not None:
                return None
            after = replace(
                now, decision=decision, by=by, reason=reason, ended_at=self._clock.now()
            )
            return Step(after, (self._event(after, EventKind.PERMISSION_ANSWERED),), tuple(beside))

        return await self._records.update(PERMISSION, asked.id, ended)

    def _event(self, asked: Permission, kind: EventKind) -> NewEvent:
        session = self._records.session(asked.session)
        body = PermissionMoved(asked.id, asked.tool, asked.arguments, asked.decision, asked.by)
        return NewEvent(kind, body, session.project, session.id)


def _shown(text: str) -> str:
    """What is asked for, as it may be shown: of a long one the end, too, and that there is more."""
    plain = visible(text, len(text))
    if len(plain) <= _SHOWN:
        return plain
    left = len(plain) - _HEAD - _TAIL
    return f"{plain[:_HEAD]}\n[... {left} characters are left out here ...]\n{plain[-_TAIL:]}"
