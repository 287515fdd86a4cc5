"""From what was seen to what is true: pure, so that every order of observations can be tried.

Nothing here acts. A look gives facts; `decide` turns a session and one observation into the new
session, the events that tell of it, and what should be looked at next. What has ended is never
revived by an observation, and a probe that failed ends nothing.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from ao_core.engine.case import Case, Decided, Observation, Policy, Want, to
from ao_core.engine.judging import judged
from ao_core.engine.moves import ended
from ao_core.engine.pulls import pulled
from ao_core.engine.words import OWN_WORD, by_hook
from ao_core.model.activity import INPUT_STALENESS, Activity, ActivityState, Source
from ao_core.model.event import EventKind, NewEvent, Said
from ao_core.model.judgement import Judgement
from ao_core.model.session import (
    Doubt,
    RuntimeReason,
    RuntimeState,
    Session,
    SessionReason,
    SessionState,
    is_terminal,
)
from ao_core.model.standing import Standing
from ao_core.model.work import Pull, PullState
from ao_core.slots.runtime import Seen


def decide(session: Session, seen: Observation, policy: Policy) -> Decided:
    """Apply one observation to one session."""
    case = Case(session, (), frozenset(), seen.at)
    if not is_terminal(session):
        seen = _of_this_life(session, seen)
        case = _by_head(case, seen.head)
        case = _by_standing(case, seen.standing)
        for hook in seen.hooks:
            case = by_hook(case, hook, seen.source)
        case = _by_activity(case, seen.activity)
        case = _by_runtime(case, seen.seen, policy)
        case = _by_doubt(case, policy)
        case = _by_rest(case, policy)
        case = _by_sign(case, seen.sign, policy)
        case = _by_silence(case, seen, policy)
    case = _by_pull(case, seen.pull)
    case = _by_judgement(case, seen.judgement)
    return Decided(case.session, case.events, case.wants)


def _of_this_life(session: Session, seen: Observation) -> Observation:
    """Without what was seen of the agent that was there before a restore."""
    if seen.generation in (None, session.generation):
        return seen
    return replace(seen, seen=None, hooks=(), activity=None, sign=None, standing=None)


# -- activity: what its log, its screen or its process shows --------------------------------------

_SHOWN = {
    ActivityState.ACTIVE: (SessionState.WORKING, SessionReason.TASK_IN_PROGRESS),
    ActivityState.READY: (SessionState.IDLE, SessionReason.TURN_ENDED),
    ActivityState.IDLE: (SessionState.IDLE, SessionReason.TURN_ENDED),
    ActivityState.WAITING_INPUT: (SessionState.NEEDS_INPUT, SessionReason.AWAITING_USER_INPUT),
    ActivityState.BLOCKED: (SessionState.STUCK, SessionReason.NO_PROGRESS),
}
_BY_STRENGTH = list(Source)


def _by_activity(case: Case, activity: Activity | None) -> Case:
    """Weaker evidence than a hook: it counts only when newer than what is known."""
    if activity is None:
        return case
    activity = replace(activity, at=min(activity.at, case.at))
    known = case.session.activity
    since = known.at if known else case.session.facts.since  # before a restore is another life
    old = activity.at <= since <= case.at  # else the clock has been set back since
    if old or _is_outweighed(case.session, activity):
        return case
    case = case.having(replace(case.session, activity=activity))
    state, reason = _SHOWN.get(activity.state, (case.session.facts.state, None))
    if reason is None or state is case.session.facts.state:
        return case
    quiet = state is SessionState.IDLE
    case = to(case, state, reason, activity.detail)
    if state is SessionState.NEEDS_INPUT:
        case = case.having(replace(case.session, question=activity.detail))
    return case.having(case.session, want=Want.PULL if quiet else Want.OUTBOX)


def _is_outweighed(session: Session, activity: Activity) -> bool:
    """What weaker evidence cannot say: that a fresh question is over, or that a turn has ended.

    An agent whose hooks are heard ends its turn by a hook; its log is quiet during any long step. A
    turn that somebody broke off at the keyboard is ended by no hook, but its log says so.
    """
    known = session.activity  # what a doubt interrupted holds on
    if known is not None and activity.over and activity.at > known.at:
        return False
    state = _settled(session)[0] if _is_doubted(session) else session.facts.state
    if known is None or state not in (SessionState.NEEDS_INPUT, SessionState.WORKING):
        return False
    weaker = _BY_STRENGTH.index(activity.source) > _BY_STRENGTH.index(known.source)
    quiet = activity.state in (ActivityState.READY, ActivityState.IDLE)
    if state is SessionState.WORKING:
        return weaker and quiet and known.source in OWN_WORD
    return weaker and (quiet or activity.at - known.at <= INPUT_STALENESS)


# -- runtime: whether it lives --------------------------------------------------------------------


def _by_runtime(case: Case, seen: Seen | None, policy: Policy) -> Case:
    if seen is None or case.session.run.handle is None:
        return case
    return _RUNTIME[seen.state](case, seen, policy)


def _fact(case: Case, seen: Seen, reason: RuntimeReason) -> Case:
    run = replace(
        case.session.run,
        state=seen.state,
        reason=reason,
        exit_status=seen.exit_status,
        exit_signal=seen.exit_signal,
    )
    if run != case.session.run:
        run = replace(run, observed_at=case.at)
    return case.having(replace(case.session, run=run))


def _alive(case: Case, seen: Seen, policy: Policy) -> Case:
    case = _fact(case, seen, RuntimeReason.PROCESS_RUNNING)
    if not _is_doubted(case.session):
        return case
    state, reason = _settled(case.session)
    note = case.session.question if state is SessionState.NEEDS_INPUT else None
    return to(case, state, reason, note)


def _is_doubted(session: Session) -> bool:
    facts = session.facts
    return facts.state is SessionState.DETECTING or (
        facts.state is SessionState.STUCK and facts.reason is SessionReason.PROBE_FAILURE
    )


def _settled(session: Session) -> tuple[SessionState, SessionReason]:
    if session.activity and session.activity.state in _SHOWN:
        return _SHOWN[session.activity.state]
    return SessionState.WORKING, SessionReason.TASK_IN_PROGRESS


_OVER = {
    RuntimeState.EXITED: (
        RuntimeReason.PROCESS_EXITED, SessionReason.AGENT_PROCESS_EXITED, EventKind.SESSION_EXITED,
    ),
    RuntimeState.MISSING: (
        RuntimeReason.RUNTIME_MISSING, SessionReason.RUNTIME_LOST, EventKind.SESSION_KILLED,
    ),
}  # fmt: skip


_LOST = frozenset({RuntimeReason.HOST_LOST, RuntimeReason.REBOOTED})


def _gone(case: Case, seen: Seen, policy: Policy) -> Case:
    how, why, kind = _OVER[seen.state]
    if seen.reason is not None and seen.reason in _LOST:
        how, why, kind = seen.reason, SessionReason.RUNTIME_LOST, EventKind.SESSION_KILLED
    case = _fact(case, seen, how)
    session, events = ended(case.session, why, case.at, kind, seen)
    return case.having(session, *events, want=Want.PULL)


def _doubtful(case: Case, seen: Seen, policy: Policy) -> Case:
    """A probe that failed proves nothing: look again, a bounded number of times."""
    case, facts = _fact(case, seen, RuntimeReason.PROBE_ERROR), case.session.facts
    if facts.reason is SessionReason.PROBE_FAILURE and facts.state is SessionState.STUCK:
        return case  # only a look that tells something ends that
    doubt = _counted(case, seen)
    case = case.having(replace(case.session, doubt=doubt))
    worn = doubt.looks > policy.looks or policy.elapsed(doubt.since, case.at) > policy.doubt
    state = SessionState.STUCK if worn else SessionState.DETECTING
    return to(case, state, SessionReason.PROBE_FAILURE, seen.detail)


def _counted(case: Case, seen: Seen) -> Doubt:
    evidence = hashlib.sha256(f"{seen.state}/{seen.detail}".encode()).hexdigest()[:12]
    known = case.session.doubt
    if known is None:
        return Doubt(1, case.at, evidence)
    if known.evidence != evidence:  # doubt of whatever kind ends in time
        return Doubt(1, known.since, evidence)
    return replace(known, looks=known.looks + 1)


_RUNTIME: Mapping[RuntimeState, Callable[[Case, Seen, Policy], Case]] = {
    RuntimeState.ALIVE: _alive,
    RuntimeState.EXITED: _gone,
    RuntimeState.MISSING: _gone,
    RuntimeState.PROBE_FAILED: _doubtful,
    RuntimeState.UNKNOWN: lambda case, seen, policy: case,
}

# -- doubt, silence, commits, pull requests -------------------------------------------------------


def _by_doubt(case: Case, policy: Policy) -> Case:
    """Doubt ends in time, also where no further look proves anything."""
    facts, doubt = case.session.facts, case.session.doubt
    if facts.state is not SessionState.DETECTING or doubt is None:
        return case
    if policy.elapsed(doubt.since, case.at) <= policy.doubt:
        return case
    return to(case, SessionState.STUCK, facts.reason, facts.note)


_AWAITED = (SessionReason.SPAWN_REQUESTED, SessionReason.AGENT_ACKNOWLEDGED)


def _by_rest(case: Case, policy: Policy) -> Case:
    """An agent that came up and began nothing does not work: one brought back may be done."""
    facts, known = case.session.facts, case.session.activity
    if facts.state is not SessionState.WORKING or facts.reason not in _AWAITED or known is None:
        return case
    if known.state is not ActivityState.READY or policy.elapsed(known.at, case.at) <= policy.rest:
        return case
    return to(case, SessionState.IDLE, SessionReason.TURN_ENDED)


def _by_sign(case: Case, sign: datetime | None, policy: Policy) -> Case:
    """Who was thought to hang, and moves, works; who says that it is blocked is believed."""
    facts, known = case.session.facts, case.session.activity
    silent = facts.state is SessionState.STUCK and facts.reason is SessionReason.NO_PROGRESS
    blocked = known is not None and known.state is ActivityState.BLOCKED
    if sign is None or not silent or blocked:
        return case
    if policy.elapsed(min(sign, case.at), case.at) >= policy.elapsed(facts.since, case.at):
        return case
    return to(case, SessionState.WORKING, SessionReason.TASK_IN_PROGRESS)


def _by_silence(case: Case, seen: Observation, policy: Policy) -> Case:
    """Whoever works moves something: what it says, what it shows, what its processes use. Of one
    that does not, its log may have said for long that its turn is over: that counts by now.
    """
    facts, known, sign = case.session.facts, case.session.activity, seen.sign
    if facts.state is not SessionState.WORKING or sign is None or case.session.paused:
        return case
    moments = (facts.since, min(sign, case.at), known.at if known else facts.since)
    if min(policy.elapsed(one, case.at) for one in moments) <= policy.silence:
        return case
    minutes = policy.silence.total_seconds() / 60
    note = f"no hook, no output and no processor time for {minutes:g} minutes"
    stuck = to(case, SessionState.STUCK, SessionReason.NO_PROGRESS, note)
    shown = _by_activity(stuck, seen.activity).session
    if shown.facts.state is not SessionState.IDLE:
        return stuck
    rests = case.having(replace(case.session, activity=shown.activity), want=Want.PULL)
    return to(rests, SessionState.IDLE, SessionReason.TURN_ENDED)


def _by_standing(case: Case, standing: Standing | None) -> Case:
    """Where its work is: told when that changes."""
    if standing is None or standing == case.session.standing:
        return case
    session = replace(case.session, standing=standing)
    kind = EventKind.WORKSPACE_FOUND if standing.is_firm else EventKind.WORKSPACE_ASTRAY
    body = Said(standing.told(session.branch))
    return case.having(session, NewEvent(kind, body, session.project, session.id))


def _by_head(case: Case, head: str | None) -> Case:
    known = case.session.commits
    if head is None or head == case.session.base_commit or head in known[-1:]:
        return case
    session = replace(case.session, commits=(*known, head)[-200:])
    event = NewEvent(EventKind.SESSION_COMMITTED, Said(head), session.project, session.id)
    return case.having(session, event)


_WAITING = {
    PullState.MERGED: SessionReason.MERGED_WAITING_DECISION,
    PullState.CLOSED: SessionReason.PR_CLOSED_WAITING_DECISION,
}


def _by_pull(case: Case, pull: Pull | None) -> Case:
    if pull is None:
        return case
    session, event = pulled(case.session, pull, case.at)
    if event is None:
        return case
    case = case.having(session, event)
    if pull.state not in _WAITING or session.facts.state is not SessionState.IDLE:
        return case
    return to(case, SessionState.IDLE, _WAITING[pull.state])


def _by_judgement(case: Case, judgement: Judgement | None) -> Case:
    if judgement is None:
        return case
    session, events = judged(case.session, judgement)
    return case.having(session, *events)
