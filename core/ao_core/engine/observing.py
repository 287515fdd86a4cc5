"""One observation taken in: decided upon, and committed with what it says of messages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from ao_core.engine.case import Decided, Observation
from ao_core.engine.decide import decide
from ao_core.engine.engine import Engine
from ao_core.engine.evidence import lapsing
from ao_core.engine.pausing import by_words
from ao_core.engine.records import Step
from ao_core.engine.timekeeping import reckon
from ao_core.ids import SessionId
from ao_core.model.event import NewEvent
from ao_core.model.session import Session
from ao_core.spool import HookKind
from ao_core.store.contract import Change
from ao_core.store.records import SESSION

Guard: TypeAlias = Callable[[Session], bool]
_TAKES = (HookKind.ACCEPTED, HookKind.TURN_STARTED)


@dataclass(frozen=True, slots=True)
class Beside:
    """What is committed together with an observation, and whether it still holds."""

    session: Callable[[Session], Session] = lambda session: session
    changes: Callable[[bool], tuple[Sequence[Change], Sequence[NewEvent]]] = lambda paused: ((), ())
    untold: bool = False  # what the session was told last did not reach it
    still: Guard = lambda session: True


async def observe(
    engine: Engine, id: SessionId, seen: Observation, evidence: str, beside: Beside | None = None
) -> Decided:
    """Decide on it, as often as others are faster, and commit once."""
    await reckon(engine)
    beside, latest = beside or Beside(), list[Decided]()

    def step(now: Session) -> Step | None:
        if not beside.still(now):
            latest.append(Decided(now))
            return None
        fresh = replace(
            seen,
            seen=None if engine.is_ending(id) else seen.seen,
            hooks=tuple(hook for hook in seen.hooks if hook.id not in now.consumed),
        )
        decided = decide(now, fresh, engine.policy_of(now))
        latest.append(decided)
        tokens = {hook.token for hook in fresh.hooks if hook.token and hook.kind in _TAKES}
        taken, told = engine.outbox.accepting(id, tokens, evidence)
        after, lapsed, news = lapsing(engine.records, decided.session, fresh.head)
        after = beside.session(after)
        if paused := by_words(now, after, fresh.at, interrupted=not beside.untold):
            after, news = paused.value, (*news, *paused.events)
        more, events = beside.changes(after.paused is not None)
        return Step(after, (*told, *events, *decided.events, *news), (*taken, *more, *lapsed))

    await engine.records.update(SESSION, id, step)
    return latest[-1]
