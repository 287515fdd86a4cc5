"""What is said of a reaction: to the worker, in the journal, and to people."""

from collections import Counter
from collections.abc import Iterable, Mapping

from ao_core.config.models import Reaction
from ao_core.engine.report_watch import NEEDS_INPUT, NO_ACKNOWLEDGE, STALE
from ao_core.model.event import Event, EventKind, Merged, Moved, NewEvent, PullSeen, Said
from ao_core.model.session import Session, derive_status
from ao_core.redact import visible

_SAID = 500
_WHY: Mapping[str, str] = {
    "ci-failed": "its checks fail",
    "changes-requested": "changes were asked for",
    "bugbot-comments": "an automated reviewer left remarks",
    "merge-conflicts": "it conflicts with its target",
    "merge-failed": "the gates fail on what it becomes when it is merged",
    "approved-and-green": "its work can be merged",
    "agent-stuck": "it makes no progress",
    "agent-needs-input": "it waits for an answer",
    "agent-exited": "its agent ended",
    "agent-idle": "it rests, with neither a commit nor a report",
    "pr-closed": "its pull request was closed without being merged",
    NO_ACKNOWLEDGE: "nothing has been heard of it since it was started",
    STALE: "it works, and has not reported for long",
    NEEDS_INPUT: "it reports that it cannot go on",
}
_SENT: Mapping[str, EventKind] = {
    "ci-failed": EventKind.CI_FIX_SENT,
    "changes-requested": EventKind.REVIEW_COMMENTS_SENT,
    "bugbot-comments": EventKind.AUTOMATED_REVIEW_FIX_SENT,
}


def for_people(rule: Reaction) -> str | None:
    """The configured words, unless it is a worker whom they are for."""
    return None if rule.action == "send-to-agent" else rule.message


def told(session: Session, key: str, event: Event | None, words: str | None = None) -> str:
    """For people: in these `words`, or in one line of ours."""
    if words:
        return visible(words, _SAID)
    if event is not None and isinstance(event.body, Said):
        return visible(event.body.text, _SAID)
    more = (session.report or "") if key == NEEDS_INPUT else _more(event)
    return visible(f"{_WHY.get(key, key)}{': ' + more if more else ''}", _SAID)


def _more(event: Event | None) -> str:
    body = event.body if event else None
    if isinstance(body, Moved):
        return body.note or ""
    if isinstance(body, PullSeen):
        return body.detail or ""
    return _merging(body) if isinstance(body, Merged) else ""


def _merging(body: Merged) -> str:
    others = [one for one in body.whom if one != body.target]
    beside = f" (changed by {', '.join(others)})" if others else ""
    return f"{', '.join(body.conflicts)}{beside}" if body.conflicts else body.why or ""


def evidence_of(event: Event | None) -> str | None:
    """What others say, for the worker; whoever shows it marks it as data."""
    return _more(event) or None


def follow_up(session: Session, key: str, event: Event | None) -> list[NewEvent]:
    """What the journal is told beside the message itself."""
    kind, body = _SENT.get(key), event.body if event else None
    if kind is None or not isinstance(body, PullSeen):
        return []
    return [NewEvent(kind, body, session.project, session.id)]


def summary(rule: Reaction, sessions: Iterable[Session]) -> str:
    """That they all ended: as configured, or with how they did, in one line."""
    if rule.message:
        return visible(rule.message, _SAID)
    if not rule.include_summary:
        return "All is done."
    counts = Counter(str(derive_status(session)) for session in sessions)
    return "All is done: " + ", ".join(f"{count} {status}" for status, count in counts.items())
