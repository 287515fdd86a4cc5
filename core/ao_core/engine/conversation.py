"""One agent driven by protocol, live: its line is read, its state kept, its requests answered.

Everything that is done follows from the ledger, which follows from the log. So an engine that was
killed is no special case: the next one reads the log, and goes on where the lines end.
"""

import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup

from ao_core.drive import messages
from ao_core.drive.asking import about, outcome, wish_of
from ao_core.drive.facts import Asked, Fact, Refused, ends_turn, judged
from ao_core.drive.ledger import PERMISSION, Ledger, Turn, noted, recalled, splitters
from ao_core.drive.messages import LINE_LIMIT, Message, parse
from ao_core.drive.opening import Opening, is_open, next_request, prompt
from ao_core.drive.refusals import unopened
from ao_core.engine.engine import Engine
from ao_core.engine.hearing import hear, stir
from ao_core.engine.terms import terms_of
from ao_core.engine.timekeeping import reckon
from ao_core.errors import (
    AoError,
    PluginError,
    StoreUnavailable,
    TimedOut,
    Unavailable,
    WrongState,
)
from ao_core.ids import SessionId
from ao_core.model.session import RuntimeHandle, Session, is_terminal
from ao_core.news import News
from ao_core.slots.runtime import Direction, Line, Piped
from ao_core.store.records import Permission

_log = logging.getLogger(__name__)
_AGAIN, _LONGEST = 0.5, 30.0
_STIRS = 5.0
_MARK_EVERY = 1 << 20
_NOTE_LIMIT = 1 << 20
_BY_HAND = "Start it by hand to see what it wants, or use `drive: terminal`."
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Held:
    """Where the agent is, in which of its session's lives, and how its conversation is opened."""

    session: SessionId
    generation: int
    runtime: Piped
    handle: RuntimeHandle
    opening: Opening
    trouble: Callable[[str], str | None] = lambda said: None


class Conversation:
    """Runs until the agent has ended."""

    def __init__(self, engine: Engine, held: Held) -> None:
        self._engine, self._held = engine, held
        self.ledger = Ledger()
        self.over = False
        self._failure: AoError | None = None
        self._line: Line | None = None
        self._live = False
        self._lost = False
        self._no_room: StoreUnavailable | None = None  # for what is said, or amounts to
        self._waiting: set[str] = set()  # requests of the agent that are being answered
        self._stepped: set[str] = set()  # steps of the opening taken over this line
        self._stirred = 0.0
        self._marked = 0
        self._news = News()
        self._scope = anyio.CancelScope()

    def is_with(self, session: Session, handle: RuntimeHandle) -> bool:
        """Whether it goes on, with this very agent."""
        mine = self._held.generation == session.generation and self._held.handle == handle
        return mine and not self.over

    @property
    def live(self) -> bool:
        """Whether the log has been read: from then on, requests are answered."""
        return self._live

    # -- for others ------------------------------------------------------------------------------

    async def until(self, ready: Callable[[], T | None]) -> T:
        """Wait until `ready` gives something; looked at after each line."""
        return await self._news.until(ready)

    async def opened(self, deadline: float) -> Ledger:
        """Wait until prompts may be sent; raises what kept it from being opened."""
        try:
            with anyio.fail_after(deadline):
                return await self.until(self._opened)
        except TimeoutError as exc:
            what = f"The agent did not open a session within {deadline:g} s."
            raise PluginError(what, hint=_BY_HAND) from exc

    def close(self) -> None:
        """End it: another agent has taken its agent's place."""
        self._scope.cancel()

    def look(self) -> None:
        """Have whoever waits look again."""
        self._news.tell()

    def _opened(self) -> Ledger | None:
        if self._engine.is_ending(self._held.session):
            raise WrongState("It is being ended.", hint="`restore` brings it back.")
        if trouble := self._failure or self._no_room:
            raise trouble
        if self.over:
            raise PluginError("The agent ended before its session was open.", hint=_BY_HAND)
        return self.ledger if self._is_open() else None

    def _is_open(self) -> bool:
        return self._live and is_open(self.ledger, self._held.opening)

    async def rested(self) -> None:
        """Wait until no turn is under way and a prompt may be sent; raises if it has ended."""
        await self.until(self._rested)

    def _rested(self) -> bool | None:
        if self.over:
            raise WrongState("The agent's conversation is over.", hint="`restore` brings it back.")
        if self._failure is not None:
            raise self._failure
        return True if self._is_open() and self.ledger.turn is None else None

    async def prompt(self, text: str, message: str) -> bool:
        """Hand a prompt over, once. False if something else was said meanwhile: decide again."""
        params = prompt(self.ledger.native_id or "", text, message)
        return await self._tell(messages.request(self.ledger.next_id, "session/prompt", params))

    async def further(self) -> None:
        """After a refused write: wait a moment for the lines that were missed."""
        count = self.ledger.count
        with anyio.move_on_after(_AGAIN):
            await self.until(lambda: True if self.ledger.count != count or self.over else None)

    async def cancel(self) -> None:
        """Interrupt the turn under way, and no other; refused where nothing can be said now."""
        await self.until(lambda: True if self._line or self.over else None)
        if (turn := self.ledger.turn) is None:
            raise WrongState("No turn is under way.", hint="`send` begins one.")
        stop = messages.notice("session/cancel", {"sessionId": self.ledger.native_id})
        again = turn.cancelled
        while self._goes_on(turn):
            late = turn.cancelled and not again  # an engine before this one said it after all
            if late or await self._tell(stop, patient=False):
                asks = self._engine.permissions
                return await asks.expire(self._held.session, "the turn was cancelled")
            await self.further()

    def _goes_on(self, turn: Turn) -> bool:
        """Whether it may still be under way; while the lines are read again nobody knows."""
        now = self.ledger.turn
        read = self._line is None or (now is not None and now.message == turn.message)
        return read and not self.over

    async def drained(self) -> None:
        """Wait until all that an ended agent has said was taken in."""
        await self.until(lambda: True if self.over or self._lost else None)

    # -- the line --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read on, over another connection where one broke, until the agent has ended."""
        try:
            with self._scope:
                await self._read_on()
        finally:
            self.over, self._line = True, None
            self._news.tell()

    async def _read_on(self) -> None:
        pause = _AGAIN
        while not await self._read_to_the_end() and self._still(self._session):
            pause = _AGAIN if self._live else min(pause * 2, _LONGEST)
            self._engine.nudge(self._held.session)
            await anyio.sleep(pause)

    @property
    def _session(self) -> Session:
        return self._engine.session(self._held.session)

    def _still(self, session: Session) -> bool:
        """Whether the session's agent is the one that speaks here."""
        return session.generation == self._held.generation and not is_terminal(session)

    async def _read_to_the_end(self) -> bool:
        try:
            await self._connected()
        except Unavailable as exc:
            _log.warning("the line to %s broke: %s", self._held.session, exc.message)
            self._lost = True
            self._news.tell()
        except Exception:  # one agent's trouble must not end the engine
            _log.exception("the conversation with %s stumbled", self._held.session)
        else:
            return True
        return False

    async def _connected(self) -> None:
        async with self._held.runtime.line(self._held.handle) as line:
            self._live, self._lost = False, False
            self.ledger = recalled(line.note) if line.note else Ledger()
            self.ledger.counted = self._held.opening.counts
            self._marked = line.begins
            self._waiting.clear()
            self._stepped.clear()
            try:
                lost = await self._followed(line)
            finally:
                self._line = None
        if lost is not None:
            raise lost

    async def _followed(self, line: Line) -> Unavailable | None:
        """Read to the end; how the line was lost, if it was."""
        async with anyio.create_task_group() as tasks:
            try:
                await self._read(line, tasks)
            except Unavailable as exc:
                return exc
            finally:
                tasks.cancel_scope.cancel()
        return None

    async def _read(self, line: Line, tasks: TaskGroup) -> None:
        split = splitters(self.ledger, min(LINE_LIMIT, line.capacity // 4))
        if line.begins >= line.known:
            await self._go_live(line, tasks)
        async with aclosing(line.entries()) as entries:
            async for entry in entries:
                for raw in split[entry.direction].feed(entry.data):
                    await self._take(entry.direction, parse(raw), tasks)
                if not self._live and entry.end >= line.known:
                    await self._go_live(line, tasks)
                if all(one.empty for one in split.values()):
                    self.ledger.cut = split[Direction.SAID].dropping
                    await self._mark(line, entry.end)

    async def _mark(self, line: Line, end: int) -> None:
        """Now and then let the log forget what the ledger has taken in."""
        if end - self._marked < min(_MARK_EVERY, line.capacity // 4) or not self._live:
            return
        self._marked = end
        try:
            while len(note := noted(self.ledger)) > _NOTE_LIMIT and self.ledger.transcript.items:
                self.ledger.transcript.halve()
            if len(note) <= _NOTE_LIMIT:
                await self._with_room(lambda: line.mark(end, note))
        except AoError as exc:  # its log stays longer; the next mark comes soon
            _log.warning("the log of %s cannot be marked: %s", self._held.session, exc.message)

    async def _go_live(self, line: Line, tasks: TaskGroup) -> None:
        """The log has been read: from here on something can be said, and what waits is answered."""
        self._line, self._live = line, True
        for asked in list(self.ledger.asked.values()):
            self._answer_in(tasks, asked)
        await self._open()
        self._news.tell()

    async def _take(self, direction: Direction, message: Message, tasks: TaskGroup) -> None:
        held, take = self._held, self.ledger.take
        facts = [judged(fact, held.trouble) for fact in take(direction, message)]
        for fact in facts:
            if isinstance(fact, Refused):
                self._failure = unopened(fact, self.ledger, held.opening) or self._failure
        session = self._session
        if self.ledger.count > session.heard and self._still(session):
            await self._heard(facts, direction)
        if self._live:
            await self._act(facts, tasks)
        self._news.tell()

    async def _heard(self, facts: Sequence[Fact], direction: Direction) -> None:
        id, still = self._held.session, self._still
        if facts:
            await self._with_room(lambda: hear(self._engine, id, self.ledger, facts, still))
        elif direction is Direction.SAID and self.ledger.turn is not None:
            now = anyio.current_time()
            if now - self._stirred > _STIRS:
                self._stirred = now
                await self._with_room(lambda: stir(self._engine, id, self.ledger, still))

    # -- what follows ----------------------------------------------------------------------------

    async def _act(self, facts: Sequence[Fact], tasks: TaskGroup) -> None:
        for fact in facts:
            if isinstance(fact, Asked):
                self._answer_in(tasks, fact)
            elif ends_turn(fact):
                self._engine.pull_due(self._held.session)
                self._engine.deliver(self._held.session)
        await self._open()

    async def _open(self) -> None:
        step = next_request(self.ledger, self._held.opening)
        if step is None or step[0] in self._stepped or self._failure is not None:
            return
        self._stepped.add(step[0])
        if not await self._tell(messages.request(self.ledger.next_id, *step)):
            self._stepped.discard(step[0])

    def _answer_in(self, tasks: TaskGroup, asked: Asked) -> None:
        if asked.key not in self._waiting:
            self._waiting.add(asked.key)
            tasks.start_soon(self._answer, asked)

    async def _answer(self, asked: Asked) -> None:
        """Answer it, whatever the disk says meanwhile; its trouble is not the line's."""
        what = f"a request of {self._held.session} is answered"
        try:
            await self._engine.patiently(lambda: self._answer_once(asked), what)
        finally:
            self._waiting.discard(asked.key)

    async def _answer_once(self, asked: Asked) -> None:
        if asked.method != PERMISSION:
            why = f"{asked.method[:100]} is not offered"
            await self._tell_for(asked, messages.refusal(asked.id, messages.NO_METHOD, why))
            return
        decided = await self._permitted(asked)
        chosen = None if decided is None or decided.expired else decided.decision
        await self._tell_for(asked, messages.result(asked.id, outcome(asked.params, chosen)))

    async def _permitted(self, asked: Asked) -> Permission | None:
        """Ask the policy, or whoever leads; the same request asks only once, in any engine."""
        turn = self.ledger.turn
        if (turn is not None and turn.cancelled) or not self._still(self._session):
            return None
        permissions, session = self._engine.permissions, self._session
        id = f"{session.id}.{_name(self._held, asked)}"
        self._engine.listening.add(id)
        try:
            wish, shown = wish_of(asked.params), about(asked.params)
            await reckon(self._engine)
            await permissions.ask(session, id, wish, shown, await terms_of(self._engine, session))
            return await permissions.decided(id)
        except StoreUnavailable:
            raise
        except AoError as exc:  # it has ended meanwhile, say; whoever asks must not wait for ever
            _log.info("nobody is asked for %s: %s", self._held.session, exc.message)
            return None
        finally:
            self._engine.listening.discard(id)

    async def _tell_for(self, asked: Asked, data: bytes) -> None:
        """Answer, unless it has been answered."""
        await self._insist(data, lambda: asked.key in self.ledger.asked)

    async def _insist(self, data: bytes, wanted: Callable[[], bool]) -> None:
        """Say it for as long as it is called for; a refused write is looked at again."""
        while wanted() and not self.over and not await self._tell(data):
            await self.further()

    async def _tell(self, data: bytes, *, patient: bool = True) -> bool:
        if (line := self._line) is None:
            return False
        try:
            if not patient:
                return await line.write(data)
            done = await self._with_room(lambda: line.write(data), lambda: self._line is line)
            return done or False
        except (WrongState, Unavailable, TimedOut):
            return False  # or it was written after all: what is read next tells

    async def _with_room(
        self, work: Callable[[], Awaitable[T]], wanted: Callable[[], bool] = lambda: True
    ) -> T | None:
        """Do it, or do it again: nothing follows from what could not be written down."""
        while wanted():
            try:
                done = await work()
            except StoreUnavailable as exc:
                if self._no_room is None:
                    _log.warning("%s waits for room: %s", self._held.session, exc.message)
                self._no_room = exc
                self._news.tell()
                await anyio.sleep(_AGAIN)
            else:
                self._no_room = None
                return done
        return None


def _name(held: Held, asked: Asked) -> str:
    """The same for the same request, whichever engine reads of it."""
    place = f"{held.generation}/{held.handle.data}/{asked.line}/{asked.key}"
    return hashlib.sha256(place.encode()).hexdigest()[:16]
