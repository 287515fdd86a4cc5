"""Workers ask before they act: the policy answers what it can, a lead or a person the rest."""

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from ao_core.clock import Clock
from ao_core.engine import policy
from ao_core.engine.moves import asking, moved
from ao_core.engine.policy import Ruling, Wish
from ao_core.engine.precedents import is_plain, mark_of, precedent, ruling, setting
from ao_core.engine.records import Records, Step
from ao_core.engine.rules import decide
from ao_core.engine.terms import Terms
from ao_core.errors import BadRequest, Conflict, Unknown, WrongState
from ao_core.ids import SessionId
from ao_core.model.event import EventKind, NewEvent, PermissionMoved
from ao_core.model.kinds import WITHOUT_COMMANDS, kind_of
from ao_core.model.rule import Patience, Verdict
from ao_core.model.session import Session, SessionReason, SessionState, is_terminal
from ao_core.redact import visible
from ao_core.store.contract import Change, Put
from ao_core.store.records import PERMISSION, SESSION, Decision, Permission

_SHOWN, _HEAD, _TAIL = 2_000, 1_400, 500
_CLOSED = 1_000  # ends that are remembered
POLICY, TIMEOUT = "policy", "timeout"  # who answers where nobody does
_AT_THE_KEYBOARD = "answered at the keyboard"


class Permissions:
    """The book of permission requests."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records, self._clock = records, clock
        self._closed: deque[str] = deque(maxlen=_CLOSED)

    async def ask(
        self, session: Session, id: str, wish: Wish, shown: str, terms: Terms
    ) -> Permission:
        """Put a request down, answered at once where the policy can. The same id asks once."""
        known = self._records.find(PERMISSION, id)
        if known is not None:
            return self._again(known, wish.tool, shown)
        asked = self._new(session, id, wish, shown, terms)
        ruling, by = self._ruled(session, asked, wish, terms)
        if ruling.verdict is Verdict.ASK:
            open = replace(asked, reason=ruling.rule, plain=asked.plain and not ruling.stands)
            await self._wait(open)
            return self._records.find(PERMISSION, id) or open
        decision = Decision.ALLOW if ruling.verdict is Verdict.ALLOW else Decision.DENY
        return await self._answered(replace(asked, decision=decision, by=by, reason=ruling.rule))

    async def _answered(self, ruled: Permission) -> Permission:
        """Put down a request that is answered already."""
        ruled = replace(ruled, ended_at=ruled.asked_at, patience=None)
        event = self._event(ruled, EventKind.PERMISSION_ANSWERED)
        try:
            await self._records.commit([Put(PERMISSION, ruled.id, ruled, 0)], [event])
        except Conflict:  # asked twice at once
            return self._records.find(PERMISSION, ruled.id) or ruled
        return ruled

    def _again(self, known: Permission, tool: str, shown: str) -> Permission:
        """What was asked before; a yes to it is none to anything else of the same name."""
        if known.decision is Decision.ALLOW and not self.is_for(known, tool, shown):
            raise BadRequest(
                "This request was made before, about something else.", hint="Use a new id."
            )
        return known

    def _new(self, session: Session, id: str, wish: Wish, shown: str, terms: Terms) -> Permission:
        now = self._clock.now()
        left = terms.timeout.total_seconds() if terms.timeout else None
        return Permission(
            id, session.id, visible(wish.tool, 100), _shown(shown), now,
            mark=mark_of(wish, shown, session.path), plain=is_plain(wish),
            patience=None if left is None else Patience(left, now, left),
        )  # fmt: skip

    def _ruled(
        self, session: Session, asked: Permission, wish: Wish, terms: Terms
    ) -> tuple[Ruling, str]:
        """A rule that stands, what was answered before, any other rule, the shipped policy."""
        place, now = Path(session.path), self._records.session(session.id)
        rule = None if wish.own else decide(terms.rules, wish, place)
        if rule is not None and rule.stands:
            return rule, POLICY
        if (before := precedent(now, asked.mark)) is not None:
            return ruling(before), before.by
        shipped = rule or policy.judge(wish, place, session.permissions, terms.commands)
        return shipped, POLICY

    async def claim(self, session: Session, id: str, tool: str, shown: str, terms: Terms) -> bool:
        """A dialog that its worker only tells of: nobody waits but the keyboard.

        False when the request is known, and over: then there is no dialog any more.
        """
        known = self._records.find(PERMISSION, id)
        if known is not None:
            return known.ended_at is None
        await self._wait(self._new(session, id, _seen(visible(tool, 100), shown), shown, terms))
        return True

    def forbidden(self, asked: Permission, terms: Terms) -> tuple[Ruling, str] | None:
        """What denies a dialog that is open, and is known by its screen; and who has said so."""
        wish = _seen(asked.tool, asked.arguments)
        session = self._records.session(asked.session)
        found = self._ruled(session, asked, wish, terms)
        return found if found[0].verdict is Verdict.DENY else None

    async def _wait(self, asked: Permission) -> None:
        """The session waits for somebody's answer from here on."""
        if asked.id in self._closed:  # its turn may be over by now: it is moved no more
            return await self._note_closed(asked)

        def waiting(session: Session) -> Step | None:
            if self._records.find(PERMISSION, asked.id) is not None:
                return None
            if is_terminal(session):
                raise WrongState(f"{session.id} has ended.", hint="`restore` brings it back.")
            after, moves = asking(session, asked.tool, asked.asked_at)
            told = self._event(asked, EventKind.PERMISSION_ASKED)
            return Step(after, (told, *moves), (Put(PERMISSION, asked.id, asked, 0),))

        await self._records.update(SESSION, asked.session, waiting)
        if asked.id in self._closed:  # in this very moment
            await self._expire(asked, _AT_THE_KEYBOARD)
            await self._records.update(SESSION, asked.session, self._going_on)

    async def _note_closed(self, asked: Permission) -> None:
        """A request whose end was told of before it was heard of."""
        after = replace(asked, ended_at=asked.asked_at, expired=True, reason=_AT_THE_KEYBOARD)
        told = (
            self._event(asked, EventKind.PERMISSION_ASKED),
            self._event(after, EventKind.PERMISSION_EXPIRED),
        )
        with suppress(Conflict):  # asked twice at once
            await self._records.commit([Put(PERMISSION, asked.id, after, 0)], list(told))

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

    def timed(self) -> list[Permission]:
        """Every request that is waited for, and not for ever."""
        every = self._records.all(PERMISSION)
        return [one for one in every if one.ended_at is None and one.patience is not None]

    async def count(self, asked: Permission, patience: Patience) -> Permission:
        """Note how long it may still wait."""

        def counted(now: Permission) -> Step | None:
            return None if now.ended_at else Step(replace(now, patience=patience))

        return await self._records.update(PERMISSION, asked.id, counted)

    def find(self, id: str) -> Permission | None:
        """One request, whether it is over or not."""
        return self._records.find(PERMISSION, id)

    def is_for(self, asked: Permission, tool: str, shown: str) -> bool:
        """Whether a request is about the same."""
        return (asked.tool, asked.arguments) == (visible(tool, 100), _shown(shown))

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
        self, asked: Permission, decision: Decision, by: str, *, beside: Sequence[Change] = (),
        always: bool = False, reason: str | None = None,
    ) -> Permission:  # fmt: skip
        """Somebody answers; the session needs nobody any more, unless it asks for more."""
        said = replace(asked, decision=decision, by=by, reason=reason, always=always)
        answered = await self._end(said, beside)
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

    async def lapse(self, session: SessionId, at: datetime) -> None:
        """A turn has ended: what it asked before is asked no more. Somebody broke it off."""
        for asked in self.pending(session):
            if asked.asked_at <= at:
                await self._expire(asked, _AT_THE_KEYBOARD)

    async def closed(self, session: SessionId, at: datetime) -> None:
        """No dialog is open any more, and nothing else tells what became of it."""
        await self.lapse(session, at)
        await self._records.update(SESSION, session, self._going_on)

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

    async def _end(self, said: Permission, beside: Sequence[Change]) -> Permission:
        def ended(now: Permission) -> Step | None:
            if now.ended_at is not None:
                return None
            after = replace(
                now, decision=said.decision, by=said.by, reason=said.reason, always=said.always,
                ended_at=self._clock.now(),
            )  # fmt: skip
            event = self._event(after, EventKind.PERMISSION_ANSWERED)
            return Step(after, (event,), (*beside, *self._kept(after)))

        return await self._records.update(PERMISSION, said.id, ended)

    def _kept(self, answered: Permission) -> Sequence[Change]:
        """What is answered for always is so from this very step on."""
        if not answered.always or answered.ended_at is None:
            return ()
        session = self._records.session(answered.session)
        after = setting(session, answered, answered.by or "", answered.ended_at)
        return (Put(SESSION, session.id, after, self._records.revision(SESSION, session.id)),)

    def _event(self, asked: Permission, kind: EventKind) -> NewEvent:
        session = self._records.session(asked.session)
        body = PermissionMoved(
            asked.id, asked.tool, asked.arguments, asked.decision, asked.by, asked.reason,
            asked.always or None,
        )  # fmt: skip
        return NewEvent(kind, body, session.project, session.id)


def _seen(tool: str, shown: str) -> Wish:
    """A wish as far as a screen shows it: there may be more to it."""
    runs = kind_of(tool) not in WITHOUT_COMMANDS
    return Wish(tool, clear=False, line=shown if runs else None)


def _shown(text: str) -> str:
    """What is asked for, as it may be shown: of a long one the end, too, and that there is more."""
    plain = visible(text, len(text))
    if len(plain) <= _SHOWN:
        return plain
    left = len(plain) - _HEAD - _TAIL
    return f"{plain[:_HEAD]}\n[... {left} characters are left out here ...]\n{plain[-_TAIL:]}"
