"""Holds sessions to their budgets, wakes those whose quota is back, and sees to it that what is
paused stands still.

Everything is decided from the records, as often as they change and as time goes by; what is decided
is committed with what it was read from. So an engine that was killed is no special case.
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime

import anyio

from ao_core.engine.budget_rules import (
    NEAR,
    Finding,
    Stand,
    counted,
    counting,
    judge,
    silent,
    spending,
    together,
)
from ao_core.engine.engine import Engine
from ao_core.engine.keys import Ticket
from ao_core.engine.launching import launch_of
from ao_core.engine.pausing import (
    CEILING,
    ENGINE,
    brake_of,
    braked,
    break_off,
    pausing,
    reached,
    resume,
)
from ao_core.engine.records import Step
from ao_core.engine.timekeeping import reckon
from ao_core.errors import AoError, Unknown
from ao_core.ids import SessionId
from ao_core.model.budget import Budget, Part, Spent
from ao_core.model.event import EventKind, NewEvent
from ao_core.model.pause import Brake
from ao_core.model.session import Drive, Session, SessionState, is_terminal, worked
from ao_core.slots.agent import Conversable
from ao_core.store.contract import Put
from ao_core.store.records import BRAKE, SESSION

_log = logging.getLogger(__name__)
_TICK = 5.0
_SHORTEST = 0.05
_K = EventKind
_WAKES = frozenset({
    _K.SESSION_SPAWNED, _K.SESSION_RESTORED, _K.SESSION_WORKING, _K.SESSION_IDLE,
    _K.SESSION_NEEDS_INPUT, _K.SESSION_STUCK, _K.SESSION_PAUSED,
})  # fmt: skip
_RESTS = frozenset({_K.SESSION_IDLE, _K.SESSION_NEEDS_INPUT, _K.SESSION_STUCK})
_RESTING = (SessionState.IDLE, SessionState.NEEDS_INPUT, SessionState.STUCK)
_WRITTEN = 3 * _TICK
_TOLD = {
    Stand.NEAR: _K.BUDGET_NEAR,
    Stand.REACHED: _K.BUDGET_REACHED,
    Stand.UNKNOWN: _K.BUDGET_UNKNOWN,
}
_WHOSE = "all workers together: "


async def unlimited() -> Budget:
    """No ceiling."""
    return Budget()


class Budgets:
    """Looks at the sessions; `ceiling` tells what all together may use."""

    def __init__(
        self, engine: Engine, ceiling: Callable[[], Awaitable[Budget]] = unlimited
    ) -> None:
        self._engine, self._ceiling = engine, ceiling
        self._woken = anyio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        self._engine.ceiling = await self._ceiling()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._follow)
            while True:
                await self._safely(self.look, "the budgets")
                await self._rest()

    async def _follow(self) -> None:
        records = self._engine.records
        async with aclosing(records.follow(records.head)) as journal:
            async for event in journal:
                if event.session is not None and event.kind in _WAKES:
                    id = SessionId(event.session)
                    if event.kind in _RESTS:
                        await self._safely(lambda id=id: self._ask(id), id)
                    await self._safely(lambda id=id: self.look_at(id), id)
                    self._hurry(id)

    async def _rest(self) -> None:
        """Until something is due, or may be sooner than was thought."""
        self._woken = anyio.Event()
        async with anyio.create_task_group() as tasks:

            async def ring() -> None:
                await self._engine.clock.sleep(self._pause())
                tasks.cancel_scope.cancel()

            tasks.start_soon(ring)
            await self._woken.wait()
            tasks.cancel_scope.cancel()

    async def _safely(self, work: Callable[[], Awaitable[None]], whose: str) -> None:
        try:
            await self._engine.patiently(work, f"{whose} is looked at")
        except Unknown:  # forgotten meanwhile
            return
        except Exception:  # one session's trouble must not end the engine
            _log.exception("could not look at %s", whose)

    def _hurry(self, id: SessionId) -> None:
        session = self._engine.records.find(SESSION, id)
        if session is not None and due_in(session, self._engine.clock.now()) is not None:
            self._woken.set()

    def _pause(self) -> float:
        """Until the next look, which is where something is due."""
        now = self._engine.clock.now()
        due = [at for one in self._engine.live() if (at := due_in(one, now)) is not None]
        return max(_SHORTEST, min([_TICK, *due]))

    # -- one look --------------------------------------------------------------------------------

    async def look(self) -> None:
        """At everybody, and at all together."""
        live = self._engine.live()
        if not live:
            return
        self._engine.ceiling = await self._ceiling()
        for session in live:
            await self._safely(lambda id=session.id: self.look_at(id), session.id)
        await self._together()

    async def look_at(self, id: SessionId) -> None:
        """At one session."""
        session, now = self._engine.session(id), self._engine.clock.now()
        if _counts_more(session.budget.over(self._engine.ceiling)) or _ends_turn(session, now):
            await self._ask(id)
        await self._weigh(id)
        await self._wake(id)
        await self._brake(id)
        await break_off(self._engine, id)

    async def _weigh(self, id: SessionId) -> None:
        at = self._engine.clock.now()
        await reckon(self._engine)  # up to then: what is skipped from here on comes after it
        session = self._engine.session(id)
        if session.budget.parts and not _stays(session, at):
            await self._engine.records.update(SESSION, id, lambda now: weighed(now, at))

    async def _wake(self, id: SessionId) -> None:
        """Its quota is back."""
        session = self._engine.session(id)
        until = session.paused.until if session.paused and not is_terminal(session) else None
        if until is None or until > self._engine.clock.now():
            return
        try:
            await resume(self._engine, id, ENGINE, Ticket())
        except AoError as exc:  # it has used up its budget as well: that is looked at, too
            _log.info("%s does not go on by itself: %s", id, exc.message)

    async def _brake(self, id: SessionId) -> None:
        """One whose start was under way when the brake was put on."""
        brake, session = brake_of(self._engine), self._engine.session(id)
        if brake is None or session.created_at <= brake.at or session.paused is not None:
            return
        await self._engine.records.update(SESSION, id, lambda now: braked(self._engine, now))

    async def _together(self) -> None:
        """The ceiling."""
        engine, at = self._engine, self._engine.clock.now()
        await reckon(engine)
        known = engine.records.find(BRAKE, CEILING)
        told = known.told if known else ()
        every = counting(engine.records.all(SESSION), at)
        quiet = frozenset(part for one in every for part in silent(one, at))
        verdict = judge(engine.ceiling, together(every, at), told, silent=quiet)
        if verdict.told != told:
            revision = engine.records.revision(BRAKE, CEILING)
            put = Put(BRAKE, CEILING, Brake(at, ENGINE, verdict.told), revision)
            events = [_event(one) for one in verdict.news]
            await engine.records.commit([put], events)
        if not verdict.reached:
            return
        wish = reached(verdict, at, _WHOSE)
        for session in engine.live():
            await engine.records.update(SESSION, session.id, lambda now: pausing(now, wish))
            await break_off(engine, session.id)

    # -- what an agent has used that does not tell by protocol -------------------------------------

    async def _ask(self, id: SessionId) -> None:
        """By its own log, where it keeps one."""
        engine, session = self._engine, self._engine.session(id)
        if is_terminal(session) or not session.path:
            return
        agent, project = await engine.agent_of(session), await engine.project_of(session)
        if not by_log(session, agent):
            return
        try:
            info = await agent.info(launch_of(engine, project, session))
        except AoError as exc:
            _log.info("what %s has used is not known: %s", id, exc.message)
            return
        if info is not None:
            news = info.usage
            await engine.records.update(SESSION, id, lambda now: Step(counted(now, news)))


def by_log(session: Session, agent: object) -> bool:
    """Whether it is the agent's own log that tells what was used."""
    told = isinstance(agent, Conversable) and agent.counts
    return session.drive is Drive.TERMINAL or not told


def weighed(session: Session, at: datetime) -> Step | None:
    """What a session's budget leads to."""
    if _stays(session, at):
        return None
    used, quiet = spending(session, at), silent(session, at)
    verdict = judge(session.budget, used, session.told_of, silent=quiet)
    if verdict.told == session.told_of and not verdict.reached:
        return None
    told = replace(session, told_of=verdict.told)
    events = tuple(_event(one, session) for one in verdict.news)
    step = pausing(told, reached(verdict, at)) if verdict.reached else None
    return replace(step, events=(*events, *step.events)) if step else Step(told, events)


def _stays(session: Session, at: datetime) -> bool:
    """Whether it does not go on now, whatever its budget is."""
    until = session.paused.until if session.paused else None
    return is_terminal(session) or (session.paused is not None and (until is None or at < until))


def _event(one: Finding, session: Session | None = None) -> NewEvent:
    body = Spent(one.part, one.used, one.limit, all_sessions=session is None)
    if session is None:
        return NewEvent(_TOLD[one.stand], body)
    return NewEvent(_TOLD[one.stand], body, session.project, session.id)


def _counts_more(budget: Budget) -> bool:
    return budget.tokens is not None or budget.cost is not None


def _ends_turn(session: Session, now: datetime) -> bool:
    """Whether its turn has only just ended: what it used may be written after that was told."""
    rested = (now - session.facts.since).total_seconds()
    return session.facts.state in _RESTING and rested < _WRITTEN


def due_in(session: Session, now: datetime) -> float | None:
    """Seconds until something follows for it from the time alone."""
    if session.paused is not None:
        until = session.paused.until
        left = (until - now).total_seconds() if until else 0.0
        return left if left > 0 else None  # what is overdue is kept back: it is looked at in turn
    minutes, done = session.budget.of(Part.MINUTES), worked(session, now)
    if minutes is None:
        return None
    left = [minutes * 60 * share - done for share in (NEAR, 1)]
    return min((one for one in left if one > 0), default=None)


async def untold(engine: Engine, session: Session) -> tuple[str, ...]:
    """Which parts of its budget, and of the ceiling for all, cannot be held, in words."""
    told = {Part.MINUTES, *(await engine.agent_of(session)).tells(session.drive)}
    how = "in a terminal" if session.drive is Drive.TERMINAL else "by protocol"
    limited = {"the budget": session.budget, "the ceiling for all workers": engine.ceiling}
    return tuple(
        f"agent {session.agent} does not tell its {part} {how}: that part of {what} is not held"
        for what, budget in limited.items()
        for part in budget.parts
        if part not in told
    )
