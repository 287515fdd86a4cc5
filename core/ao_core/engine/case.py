"""What deciding works on: an observation, the session it is about, and what comes of it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ao_core.config.models import EffectiveProject
from ao_core.course import STEADY, Course
from ao_core.engine.moves import moved
from ao_core.model.activity import READY_WINDOW, Activity, Source
from ao_core.model.event import NewEvent
from ao_core.model.judgement import Judgement
from ao_core.model.session import Session, SessionReason, SessionState
from ao_core.model.standing import Standing
from ao_core.model.work import Pull
from ao_core.slots.runtime import Seen
from ao_core.spool import HookEvent


class Want(StrEnum):
    """What should be looked at because of what was seen."""

    PULL = "pull"
    OUTBOX = "outbox"
    SCREEN = "screen"


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient the engine is."""

    looks: int = 3
    doubt: timedelta = timedelta(minutes=5)
    silence: timedelta = timedelta(minutes=10)
    rest: timedelta = timedelta(seconds=5)
    ready: timedelta = READY_WINDOW
    course: Course = STEADY  # of the time in which its patience is measured

    def elapsed(self, since: datetime, at: datetime) -> timedelta:
        """How much of that time has passed."""
        return self.course.elapsed(since, at)


def patience(settings: EffectiveProject, usual: Policy) -> Policy:
    """As patient as a project wants it."""
    stuck = settings.reactions.get("agent-stuck")
    silence = stuck.threshold if stuck and stuck.threshold else usual.silence
    return replace(usual, silence=silence, ready=settings.ready_threshold)


@dataclass(frozen=True, slots=True)
class Observation:
    """What one look found. What was not looked at is None, or empty.

    `hooks` are the agent's own words; `source` is the way they came. `sign` is when something of it
    moved last: its output, or the processor time it uses. `generation` is that of the agent that
    was looked at, or None where whoever looked makes sure of it.
    """

    at: datetime
    seen: Seen | None = None
    hooks: tuple[HookEvent, ...] = ()
    activity: Activity | None = None
    pull: Pull | None = None
    head: str | None = None
    source: Source = Source.HOOK
    sign: datetime | None = None
    standing: Standing | None = None
    generation: int | None = None
    judgement: Judgement | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """The new truth, its events, and what to look at next."""

    session: Session
    events: tuple[NewEvent, ...] = ()
    wants: frozenset[Want] = frozenset()


@dataclass(frozen=True, slots=True)
class Case:
    """A session on its way through one observation."""

    session: Session
    events: tuple[NewEvent, ...]
    wants: frozenset[Want]
    at: datetime

    def having(self, session: Session, *events: NewEvent, want: Want | None = None) -> "Case":
        """The same, with another session and more to tell."""
        wants = self.wants | {want} if want else self.wants
        return Case(session, self.events + events, wants, self.at)


def to(case: Case, state: SessionState, reason: SessionReason, note: str | None = None) -> Case:
    """Move the session axis."""
    session, events = moved(case.session, state, reason, case.at, note)
    return case.having(session, *events)
