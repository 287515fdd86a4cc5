"""What people are told of unasked: which lines of the journal, how urgently, in which words."""

from ao_core.engine.reaction_rules import Act
from ao_core.model.budget import Spent
from ao_core.model.event import (
    Event,
    EventKind,
    Merged,
    MessageMoved,
    Moved,
    Priority,
    PullSeen,
    Reacted,
    Said,
    Shown,
    Summary,
    Unresolved,
)
from ao_core.model.pause import Halted
from ao_core.model.session import Session
from ao_core.redact import visible
from ao_core.slots.notifier import Note

_LONGEST = 4_000
_K = EventKind
# what moves with nobody reacting to it; the rest is told by the reaction
_MOVES = frozenset({
    _K.SESSION_SPAWN_FAILED, _K.EVIDENCE_VERIFIED, _K.EVIDENCE_UNVERIFIED, _K.PR_MERGED,
    _K.REVIEW_APPROVED, _K.MERGE_COMPLETED, _K.MERGE_BLOCKED,
    _K.MESSAGE_FAILED, _K.MESSAGE_UNCERTAIN, _K.MESSAGE_EXPIRED, _K.INTENT_UNRESOLVED,
    _K.SUMMARY_ALL_COMPLETE, _K.REACTION_ESCALATED,
    _K.BUDGET_NEAR, _K.BUDGET_REACHED, _K.BUDGET_UNKNOWN, _K.QUOTA_EXHAUSTED, _K.ENGINE_PAUSED,
    _K.SESSION_BLOCKED, _K.COPIES_SPARE, _K.SESSION_OVERSTEPPED,
})  # fmt: skip


def is_notable(event: Event) -> bool:
    """Whether anybody is told. Of what goes to a worker people hear when it does not help."""
    body = event.body
    if event.kind is _K.REACTION_TRIGGERED and isinstance(body, Reacted):
        return body.action == Act.TELL
    return event.kind in _MOVES


def urgency(event: Event) -> Priority:
    """As the configuration has it for a reaction; else as is usual."""
    body = event.body
    chosen = body.priority if isinstance(body, Reacted | Summary) else None
    return chosen or event.priority


def id_of(event: Event, home: str) -> str:
    """The note's name: the same whenever it is made, so that a repetition can be recognised."""
    return f"{home}-{event.seq}"


def note_of(event: Event, home: str, session: Session | None) -> Note:
    """The note itself."""
    title = f"{session.id}: {session.title}" if session else (event.project or "ao-mcp")
    body = event.body
    kind = f"reaction.{body.key}" if isinstance(body, Reacted) else str(event.kind)
    return Note(
        id_of(event, home), kind, urgency(event), visible(title, 200),
        visible(_words(event), _LONGEST), event.at, event.project, event.session,
        session.pr.url if session else None,
    )  # fmt: skip


def _words(event: Event) -> str:
    match event.body:
        case Reacted(cause=cause, action=action):
            given_up = "It was tried, and has not helped: " if action == Act.ESCALATE else ""
            return f"{given_up}{cause or 'something happened'}"
        case Said(text=text) | Summary(text=text):
            return text
        case Moved(note=note, reason=reason):
            return note or reason.replace("_", " ")
        case Merged(target=target, blockers=blockers, commit=commit):
            stands = "; ".join(blockers)
            return f"{target}: {stands}" if stands else f"merged into {target} as {commit}"
        case PullSeen(number=number):
            return f"pull request {number}: {event.kind.split('.')[1].replace('_', ' ')}"
        case MessageMoved(reason=reason):
            return f"a message did not arrive: {reason or 'nobody knows why'}"
        case Shown(why=why):
            return _shown(event.body) if event.kind is _K.EVIDENCE_VERIFIED else _unshown(why)
        case Spent():
            return _spent(event.body)
        case Halted(why=why, by=by, note=note, until=until):
            more = f"; it goes on at {until.isoformat(timespec='seconds')}" if until else ""
            return f"{note or f'paused by {by}: {why}'}{more}"
        case Unresolved(action=action, detail=detail):
            return f"nobody knows what became of a {action}: {detail}"
        case _:
            return str(event.kind)


def _shown(body: Shown) -> str:
    gates = "1 gate has passed" if body.gates == 1 else f"{body.gates} gates have passed"
    return f"it is done: {gates} at {body.commit[:12]}"


def _unshown(why: str | None) -> str:
    return f"it says that it is done, unverified: {why or 'nobody knows why'}"


def _spent(body: Spent) -> str:
    used = "nobody knows how much" if body.used is None else f"{body.used:.10g}"
    whose = "all workers together have" if body.all_sessions else "it has"
    return f"{whose} used {used} of {body.limit:.10g} {body.part}"
