"""What the agent itself says, by hook or by protocol, and where that moves its session."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from ao_core.engine.case import Case, Want, to
from ao_core.engine.moves import asking
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.event import EventKind, NewEvent, Said
from ao_core.model.session import Session, SessionReason, SessionState, Word
from ao_core.spool import HookEvent, HookKind

OWN_WORD = frozenset({Source.PROTOCOL, Source.HOOK})
DONE = "done"  # what a report calls work that is
_TOLD = frozenset({HookKind.REPORTED, HookKind.PULL_OPENED})  # whatever it does meanwhile
_PAGE = re.compile(r"https?://[\w.:-]{1,200}(?:/[\w.-]{1,100}){2}/pull/[1-9][0-9]{0,8}", re.ASCII)


def by_hook(case: Case, hook: HookEvent, source: Source) -> Case:
    """Take in one of its words; `source` is the way it came."""
    hook = replace(hook, at=min(hook.at, case.at))  # its time is a claim like the rest
    if hook.native_id:
        case = case.having(replace(case.session, native_id=hook.native_id))
    if _is_overtaken(case, hook, source) or _is_moot(case, hook):
        return case
    heard = replace(case.session, activity=_heard(hook, source) or case.session.activity)
    return _HOOKS[hook.kind](case.having(heard), hook)


def _is_overtaken(case: Case, hook: HookEvent, source: Source) -> bool:
    """Whether it or a later hook was heard already: files may arrive out of order."""
    if source is not Source.HOOK:  # what it told in this turn, by another way than its signs
        told = case.session.question is not None or case.session.done is not None
        return hook.kind is HookKind.ACCEPTED and told
    known = case.session.activity
    if hook.kind in _TOLD or known is None or known.source not in OWN_WORD:
        return False
    return known.at <= case.at and (hook.at < known.at or _heard(hook, known.source) == known)


def _is_moot(case: Case, hook: HookEvent) -> bool:
    """Whether it says that nobody need answer any more, of an agent that waits for nobody: that its
    turn has ended meanwhile was told by another way.
    """
    known = case.session.activity
    asks = known is not None and known.state is ActivityState.WAITING_INPUT
    waits = case.session.facts.state is SessionState.NEEDS_INPUT
    return hook.kind is HookKind.PERMISSION_ENDED and not (asks or waits)


_DOING = {
    HookKind.SESSION_STARTED: ActivityState.READY,
    HookKind.TURN_STARTED: ActivityState.ACTIVE,
    HookKind.ACCEPTED: ActivityState.ACTIVE,
    HookKind.TURN_ENDED: ActivityState.READY,
    HookKind.WAITING_INPUT: ActivityState.WAITING_INPUT,
    HookKind.ASKED: ActivityState.WAITING_INPUT,
    HookKind.PERMISSION_ASKED: ActivityState.WAITING_INPUT,
    HookKind.PERMISSION_ENDED: ActivityState.ACTIVE,
    HookKind.BLOCKED: ActivityState.BLOCKED,
}


def _heard(hook: HookEvent, source: Source) -> Activity | None:
    doing = _DOING.get(hook.kind)
    return Activity(doing, hook.at, source, hook.text) if doing else None


def _started(case: Case, hook: HookEvent) -> Case:
    if case.session.facts.state is SessionState.NOT_STARTED:
        case = to(case, SessionState.WORKING, SessionReason.AGENT_ACKNOWLEDGED)
    return case.having(case.session, want=Want.OUTBOX)


_ANEW = frozenset({HookKind.TURN_STARTED, HookKind.ACCEPTED})


def _working(case: Case, hook: HookEvent) -> Case:
    done = case.session.done
    if done is not None and hook.kind in _ANEW and _is_after(case, hook, done):
        done = None  # what it is told now is more to do
    word = case.session.word
    if word is not None and hook.kind in _ANEW and _is_after(case, hook, word.at):
        word = Word(word.at)
    heard = replace(case.session, done=done, word=word)
    heard = heard if done is not None else replace(heard, unproved=None)
    if hook.kind in _ANEW or heard.asked_at is None:  # else it goes on with what it need not know
        heard = replace(heard, question=None, asked_at=None)
    case = case.having(heard, want=Want.OUTBOX)
    if _asked_since(case, hook):
        return case
    return to(case, SessionState.WORKING, SessionReason.TASK_IN_PROGRESS)


def _asked_since(case: Case, hook: HookEvent) -> bool:
    """Whether it began before it asked for the permission it waits for: a hook that waits for the
    answer asks the engine itself, and may be faster than the file that tells of the turn.
    """
    facts = case.session.facts
    waits = facts.reason is SessionReason.AWAITING_PERMISSION and hook.kind in _ANEW
    return waits and not _is_after(case, hook, facts.since)


def _is_after(case: Case, hook: HookEvent, moment: datetime) -> bool:
    """Whether it came later; what is yet to come was said before the clock was set back."""
    return hook.at > moment or moment > case.at


def _turn_ended(case: Case, hook: HookEvent) -> Case:
    case = _said(case, hook)
    if _has_asked(case.session):
        said = replace(case.session, report=hook.text or case.session.report)
        case, why = case.having(said, want=Want.PULL), SessionReason.AWAITING_USER_INPUT
        case = to(case, SessionState.NEEDS_INPUT, why, said.question)
        return case.having(case.session, want=Want.OUTBOX)
    report = hook.text or case.session.report
    said = replace(case.session, question=None, asked_at=None, report=report)
    case = to(case.having(said), SessionState.IDLE, SessionReason.TURN_ENDED)
    return case.having(case.session, want=Want.PULL).having(case.session, want=Want.OUTBOX)


def _said(case: Case, hook: HookEvent) -> Case:
    """It has told of its work; how that stands holds until it says otherwise."""
    known = case.session.word
    word = Word(hook.at, hook.state or (known.state if known else None))
    return case.having(replace(case.session, word=word))


def _has_asked(session: Session) -> bool:
    """Whether it asked something in the turn that ended, which only a message answers."""
    known = session.activity
    spoken = known is not None and known.source is Source.PROTOCOL
    return session.question is not None and (session.asked_at is not None or spoken)


def _asks(case: Case, hook: HookEvent) -> Case:
    asked_at = hook.at if hook.kind is HookKind.ASKED and hook.text else None
    heard = replace(case.session, question=hook.text, asked_at=asked_at)
    case = case.having(heard, want=Want.OUTBOX)
    return to(case, SessionState.NEEDS_INPUT, SessionReason.AWAITING_USER_INPUT, hook.text)


def _asks_permission(case: Case, hook: HookEvent) -> Case:
    session, events = asking(case.session, hook.tool or "a tool", case.at)
    return case.having(session, *events)


def _blocked(case: Case, hook: HookEvent) -> Case:
    return to(case, SessionState.STUCK, SessionReason.NO_PROGRESS, hook.text)


def _reported(case: Case, hook: HookEvent) -> Case:
    case = _said(case, hook)
    if hook.state is not None:
        done = hook.at if hook.state == DONE else None
        case = case.having(replace(case.session, done=done, unproved=None))
    if hook.text == case.session.report:
        return case
    session = replace(case.session, report=hook.text)
    body = Said(hook.text or "")
    event = NewEvent(EventKind.SESSION_REPORTED, body, session.project, session.id)
    return case.having(session, event)


def _pull_opened(case: Case, hook: HookEvent) -> Case:
    """What it says is told; what is true of it, its host is asked now."""
    page, session = hook.text or "", replace(case.session, proposed=hook.at)
    if case.session.proposed is not None and not _is_after(case, hook, case.session.proposed):
        return case
    case = case.having(session, want=Want.PULL)
    if not _PAGE.fullmatch(page) or page == session.pr.url:
        return case
    event = NewEvent(EventKind.SESSION_PROPOSED, Said(page), session.project, session.id)
    return case.having(session, event)


_HOOKS: Mapping[HookKind, Callable[[Case, HookEvent], Case]] = {
    HookKind.SESSION_STARTED: _started,
    HookKind.TURN_STARTED: _working,
    HookKind.ACCEPTED: _working,
    HookKind.TURN_ENDED: _turn_ended,
    HookKind.WAITING_INPUT: _asks,
    HookKind.ASKED: _asks,
    HookKind.PERMISSION_ASKED: _asks_permission,
    HookKind.PERMISSION_ENDED: _working,
    HookKind.BLOCKED: _blocked,
    HookKind.REPORTED: _reported,
    HookKind.PULL_OPENED: _pull_opened,
}
