"""Pausing: a session is told nothing, and the turn it is in is broken off, until it is resumed.

That it is paused is committed first; all else follows from that, in this engine or in the next: the
outbox holds what is for it, and its turn is interrupted for as long as it is seen to be in one.
That it is resumed is committed together with the message to go on, so that it is told so once.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

import anyio

from ao_core.engine.budget_rules import Stand, Verdict, judge, said, spending, together, weigh
from ao_core.engine.engine import Engine
from ao_core.engine.keys import Ticket
from ao_core.engine.quota import exhausted, jitter
from ao_core.engine.records import Step
from ao_core.errors import AoError, Conflict, WrongState
from ao_core.ids import SessionId
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.budget import Budget
from ao_core.model.event import EventKind, NewEvent
from ao_core.model.pause import Brake, Halted, Paused, PauseReason
from ao_core.model.session import (
    Drive,
    Session,
    SessionState,
    is_in_turn,
    is_terminal,
    worked,
)
from ao_core.redact import visible
from ao_core.slots.runtime import Typable
from ao_core.store.contract import Change, Drop, Put
from ao_core.store.records import BRAKE, SESSION, Delivery

_log = logging.getLogger(__name__)
ALL, CEILING = "all", "ceiling"  # the two records of what holds for everybody
ENGINE = "engine"
_GO_ON = "You were interrupted. Go on with your task from where you stopped."
_EVERYBODY = "all workers are paused"
_PATIENCE = 8.0
_ATTEMPTS = 20
_WEIGHT = tuple(PauseReason)
_TIMED = (SessionState.WORKING, SessionState.DETECTING, SessionState.IDLE)
_QUIET = (ActivityState.BLOCKED, ActivityState.READY, ActivityState.IDLE)
_NO_KEY = "its agent has no key that interrupts it: the turn goes on until it ends"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one session. `problem`: why it was left as it is."""

    session: Session
    changed: bool
    problem: AoError | None = None


# -- what holds for all ----------------------------------------------------------------------------


def brake_of(engine: Engine) -> Brake | None:
    """The emergency brake, while it is on."""
    return engine.records.find(BRAKE, ALL)


def allow_start(engine: Engine) -> None:
    """Raise where no agent may be started now."""
    if (brake := brake_of(engine)) is not None:
        since = brake.at.isoformat(timespec="seconds")
        raise WrongState(
            f"All workers are paused, since {since} by {brake.by}: none is started.",
            hint="`resume` all of them first (`ao resume --all`).",
        )
    if over := ceiling_reached(engine):
        raise WrongState(
            f"The workers have used up what all together may use: {over}.",
            hint="Raise `budget` in the config.yaml of the home, or wait: it is counted by day.",
        )


def ceiling_reached(engine: Engine) -> str:
    """What all together have used up, in words; empty where there is room."""
    used = together(engine.records.all(SESSION), engine.clock.now())
    found = weigh(engine.ceiling, used)
    return said(one for one in found if one.stand is Stand.REACHED)


# -- to a standstill -------------------------------------------------------------------------------


def pausing(session: Session, wish: Paused) -> Step | None:
    """What pauses a session; None where it is paused already, for this or for a better reason."""
    known = session.paused
    if is_terminal(session):
        return None
    if known is not None:
        if _WEIGHT.index(known.why) <= _WEIGHT.index(wish.why):
            return None
        wish = replace(
            wish, since=known.since, interrupted=known.interrupted, tries=known.tries,
            tried_at=known.tried_at,
        )  # fmt: skip
    body = Halted(wish.why, wish.by, wish.note, wish.until)
    event = NewEvent(EventKind.SESSION_PAUSED, body, session.project, session.id)
    return Step(replace(session, paused=wish), (event,))


def braked(engine: Engine, session: Session) -> Step | None:
    """What pauses one that comes while all are paused."""
    if (brake := brake_of(engine)) is None:
        return None
    return pausing(session, Paused(PauseReason.ASKED, engine.clock.now(), brake.by, _EVERYBODY))


def by_words(
    before: Session, after: Session, at: datetime, *, interrupted: bool = True
) -> Step | None:
    """What follows where an agent has just said that its quota is used up."""
    heard = after.activity
    if heard is None or heard == before.activity or heard.state not in _QUIET:
        return None
    found = exhausted(heard.detail, at, prose=heard.state is not ActivityState.BLOCKED)
    if found is None:
        return None
    until = found.until + jitter(after.id) if found.until else None
    note = visible(heard.detail or "", 200)
    if heard.source is Source.SCREEN and note == after.exhausted:
        return None
    after = replace(after, exhausted=note)
    step = pausing(after, Paused(PauseReason.QUOTA, at, ENGINE, note, until, interrupted))
    if step is None:
        return None
    body = Halted(PauseReason.QUOTA, ENGINE, note, until)
    told = NewEvent(EventKind.QUOTA_EXHAUSTED, body, after.project, after.id)
    return replace(step, events=(*step.events, told))


async def pause(engine: Engine, id: SessionId, by: str, ticket: Ticket) -> Outcome:
    """Pause one session because somebody wants it."""
    if ticket.subject is not None:
        return Outcome(engine.session(id), changed=False)
    session = engine.session(id)
    if is_terminal(session):
        raise WrongState(f"{id} has ended.", hint="`restore` brings it back.")
    wish = Paused(PauseReason.ASKED, engine.clock.now(), by)
    taken: list[Step] = []

    def step(now: Session) -> Step | None:
        made, used = pausing(now, wish), tuple(ticket.used_for(id))
        taken[:] = [made] if made else []
        if made is None and not used:
            return None
        return replace(made or Step(now), beside=used)

    await engine.records.update(SESSION, id, step)
    await break_off(engine, id)
    return Outcome(engine.session(id), changed=bool(taken))


async def pause_all(engine: Engine, by: str, ticket: Ticket) -> list[Outcome]:
    """The emergency brake: one commit pauses all, and keeps new ones from being started."""
    if ticket.subject is not None:
        return [Outcome(one, changed=False) for one in engine.live()]
    changed = await _braked(engine, by, ticket)
    async with anyio.create_task_group() as tasks:
        for id in changed:
            tasks.start_soon(break_off, engine, id)
    return [Outcome(engine.session(one.id), one.id in changed) for one in engine.live()]


async def _braked(engine: Engine, by: str, ticket: Ticket) -> set[SessionId]:
    for _ in range(_ATTEMPTS):
        now = engine.clock.now()
        wish = Paused(PauseReason.ASKED, now, by, _EVERYBODY)
        steps = {one.id: step for one in engine.live() if (step := pausing(one, wish))}
        changes: list[Change] = [*ticket.used_for(ALL)]
        events = [event for step in steps.values() for event in step.events]
        if brake_of(engine) is None:
            changes.append(Put(BRAKE, ALL, Brake(now, by), 0))
            events.insert(0, NewEvent(EventKind.ENGINE_PAUSED, Halted(PauseReason.ASKED, by)))
        for id, step in steps.items():
            revision = engine.records.revision(SESSION, id)
            changes.append(Put(SESSION, id, step.value, revision))
        try:
            await engine.records.commit(changes, events)
        except Conflict:
            continue
        return set(steps)
    raise Conflict("The workers keep changing.", hint="Repeat the call.")


# -- and on ----------------------------------------------------------------------------------------


async def resume(
    engine: Engine, id: SessionId, by: str, ticket: Ticket, budget: Budget | None = None
) -> Outcome:
    """Let one session go on, perhaps with more to use."""
    session = engine.session(id)
    if ticket.subject is not None:
        return Outcome(session, changed=False)
    if is_terminal(session):
        raise WrongState(f"{id} has ended.", hint="`restore` brings it back.")
    allow_resume(engine, session, (budget or Budget()).over(session.budget))
    highest = await engine.best_receipt(session)
    was = session.paused is not None
    used = tuple(ticket.used_for(id))
    await engine.records.update(
        SESSION, id, lambda now: _resuming(engine, now, by, budget, highest, used)
    )
    engine.deliver(id)
    engine.nudge(id)
    return Outcome(engine.session(id), changed=was)


def allow_resume(engine: Engine, session: Session, budget: Budget) -> None:
    """Raise where a paused session may not go on: it would be paused again at once."""
    if session.paused is None:
        return
    verdict = judge(budget, spending(session, engine.clock.now()), ())
    if verdict.reached:
        raise WrongState(
            f"{session.id} has used up its budget: {said(verdict.reached)}.",
            hint="`restore` it with a larger `budget` (`ao resume --budget`), or `kill` it.",
        )
    if over := ceiling_reached(engine):
        raise WrongState(
            f"The workers have used up what all together may use: {over}.",
            hint="Raise `budget` in the config.yaml of the home, or `kill` it.",
        )


def _resuming(
    engine: Engine, session: Session, by: str, budget: Budget | None, highest: Delivery,
    used: Sequence[Change],
) -> Step | None:  # fmt: skip
    session = replace(session, budget=(budget or Budget()).over(session.budget))
    paused = session.paused
    if paused is None or is_terminal(session):
        return Step(session, beside=tuple(used))
    at = engine.clock.now()
    body = Halted(paused.why, by, paused.note)
    events = [NewEvent(EventKind.SESSION_RESUMED, body, session.project, session.id)]
    changes = list(used)
    if paused.interrupted:
        message = engine.outbox.compose(session, _GO_ON, ENGINE, highest=highest)
        change, queued = engine.outbox.queueing(session, message)
        changes.append(change)
        events.append(queued)
    return Step(going_on(session, at), tuple(events), tuple(changes))


def going_on(session: Session, at: datetime) -> Session:
    """Without its pause, in which it neither worked nor rested."""
    facts, seconds = session.facts, worked(session, at)
    if facts.state in _TIMED:
        facts = replace(facts, since=at, counted=None)
    return replace(session, paused=None, facts=facts, worked=seconds)


async def resume_all(engine: Engine, by: str, ticket: Ticket) -> list[Outcome]:
    """Take the brake off, and let everybody go on who may."""
    if ticket.subject is not None:
        return [Outcome(one, changed=False) for one in engine.live()]
    await _unbraked(engine, by)
    outcomes: list[Outcome] = []
    for session in [one for one in engine.live() if one.paused is not None]:
        try:
            outcomes.append(await resume(engine, session.id, by, Ticket()))
        except AoError as exc:
            outcomes.append(Outcome(engine.session(session.id), changed=False, problem=exc))
    if used := ticket.used_for(ALL):  # last: a call that was cut short is finished by the next
        await engine.records.commit(used)
    return outcomes


async def _unbraked(engine: Engine, by: str) -> None:
    if brake_of(engine) is not None:
        drop = Drop(BRAKE, ALL, engine.records.revision(BRAKE, ALL))
        event = NewEvent(EventKind.ENGINE_RESUMED, Halted(PauseReason.ASKED, by))
        await engine.records.commit([drop], [event])


# -- the turn under way ----------------------------------------------------------------------------


async def break_off(engine: Engine, id: SessionId) -> None:
    """Interrupt the turn a paused session is in. That it is tried is noted before."""
    session, at = engine.session(id), engine.clock.now()
    if session.paused is None or not _is_due(session, at):
        return
    mine: list[Step] = []

    def step(now: Session) -> Step | None:
        taken = _trying(now, at)
        mine[:] = [taken] if taken else []
        return taken

    session = await engine.records.update(SESSION, id, step)
    if not mine:  # somebody else is at it
        return
    try:
        with anyio.move_on_after(_PATIENCE):
            await (_cancel if session.drive is Drive.PROTOCOL else _press)(engine, session)
    except AoError as exc:  # it ended by itself, say; else it is tried again
        _log.info("the turn of %s was not broken off: %s", id, exc.message)


def _is_due(session: Session, at: datetime) -> bool:
    return session.paused is not None and is_in_turn(session, at) and session.paused.may_try(at)


def _trying(session: Session, at: datetime) -> Step | None:
    paused = session.paused
    if paused is None or not _is_due(session, at):
        return None
    tried = replace(paused, interrupted=True, tries=paused.tries + 1, tried_at=at)
    return Step(replace(session, paused=tried))


async def _cancel(engine: Engine, session: Session) -> None:
    await engine.conversations.live(session.id).cancel()


async def _press(engine: Engine, session: Session) -> None:
    runtime, agent = await engine.runtime_of(session), await engine.agent_of(session)
    composer, handle = agent.composer(), session.run.handle
    if handle is None or not isinstance(runtime, Typable):
        return
    if not composer.interrupt:
        await _noted(engine, session, _NO_KEY)
        return
    keyboard = cast("Typable", runtime)
    if await keyboard.press(handle, composer.interrupt, expect=composer.working):
        await engine.records.update(SESSION, session.id, lambda now: _pressed(engine, now))


async def _noted(engine: Engine, session: Session, note: str) -> None:
    """It was not interrupted, and never will be."""

    def step(now: Session) -> Step | None:
        if now.paused is None:
            return None
        return Step(replace(now, paused=replace(now.paused, interrupted=False, note=note)))

    await engine.records.update(SESSION, session.id, step)


def _pressed(engine: Engine, session: Session) -> Step | None:
    """Whether it works on, weaker evidence may tell from here on: few agents tell of this."""
    if session.paused is None or session.facts.state is not SessionState.WORKING:
        return None
    rests = Activity(ActivityState.READY, engine.clock.now(), Source.PROCESS)
    return Step(replace(session, activity=rests))


def reached(verdict: Verdict, at: datetime, whose: str = "") -> Paused:
    """The pause that a budget leads to."""
    return Paused(PauseReason.BUDGET, at, ENGINE, f"{whose}{said(verdict.reached)}")
