"""What others make of an open pull request becomes status and events. Pure, like `decide`.

Everything is told once: a failure with the commit and the checks that failed, a remark by itself
and again with what others have added to it. What could not even be named is told the next time.
What is not clear yet, a check that runs or a conflict nobody has looked for, changes nothing.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ao_core.cutting import without_middle, without_start
from ao_core.engine.rationing import Thing, named, shared
from ao_core.model.event import Body, EventKind, Merged, NewEvent, PullSeen
from ao_core.model.judgement import Judged, Judgement
from ao_core.model.session import PrFacts, PrReason, PrState, Session
from ao_core.model.work import (
    Check,
    ChecksSummary,
    CheckState,
    Review,
    ReviewComment,
    ReviewDecision,
    ReviewState,
    summarise,
)
from ao_core.redact import visible

_TOLD = 20_000
_NAME = 500  # of a name or an address
_REMEMBERED = 200
_UNSETTLED = frozenset({CheckState.PENDING, CheckState.RUNNING})
_DECIDED = {
    ReviewDecision.CHANGES_REQUESTED: PrReason.CHANGES_REQUESTED,
    ReviewDecision.APPROVED: PrReason.APPROVED,
    ReviewDecision.PENDING: PrReason.REVIEW_PENDING,
}
_WILLING = (ReviewDecision.APPROVED, ReviewDecision.NONE)  # none: nobody was asked
_WORD = {
    ReviewDecision.APPROVED: EventKind.REVIEW_APPROVED,
    ReviewDecision.PENDING: EventKind.REVIEW_PENDING,
}


def judged(session: Session, judgement: Judgement) -> tuple[Session, tuple[NewEvent, ...]]:
    """The session with what is made of its work, and the events that tell what of it is new."""
    pr = session.pr
    if pr.state is not PrState.OPEN or pr.head != judgement.head:
        return session, ()  # it is about another commit
    known, reason = pr.judged or Judged(), _reason(judgement)
    after = _remembered(known, judgement)
    told = [*_of_checks(pr, known, after, judgement), *_of_remarks(pr, known, judgement)]
    told += _of_target(session, known, after, judgement)
    if reason is PrReason.MERGE_READY and pr.reason is not reason:
        told.append((EventKind.MERGE_READY, _seen(pr)))
    events = tuple(NewEvent(kind, body, session.project, session.id) for kind, body in told)
    return replace(session, pr=replace(pr, reason=reason, judged=after)), events


def is_settled(session: Session, key: str) -> bool:
    """Whether what a reaction was about is over, by what is made of it now."""
    known = session.pr.judged
    if known is None:
        return False
    over = {
        "ci-failed": known.checks is not ChecksSummary.FAILING,
        "changes-requested": not known.remarks
        and known.decision is not ReviewDecision.CHANGES_REQUESTED,
        "bugbot-comments": not known.automated,
        "merge-conflicts": known.conflicts is None,
    }
    return over.get(key, False)


def _reason(judgement: Judgement) -> PrReason:
    if summarise(judgement.checks) is ChecksSummary.FAILING:
        return PrReason.CI_FAILING
    decided = _DECIDED.get(judgement.decision, PrReason.IN_PROGRESS)
    willing = judgement.decision in _WILLING
    return PrReason.MERGE_READY if judgement.mergeable and willing else decided


def _remembered(known: Judged, judgement: Judgement) -> Judged:
    if _is_clear(known, judgement):
        summary, failures = summarise(judgement.checks), _named_failures(known, judgement)
        known = replace(known, head=judgement.head, checks=summary, failures=failures)
    conflicts = known.conflicts
    if judgement.conflicts is not None:
        conflicts = judgement.head if judgement.conflicts else None
    return replace(
        known, decision=judgement.decision, conflicts=conflicts,
        remarks=_marks(_remarks(judgement), known.remarks),
        automated=_marks(_quoted(judgement.automated), known.automated),
    )  # fmt: skip


# -- checks ----------------------------------------------------------------------------------------


def _is_clear(known: Judged, judgement: Judgement) -> bool:
    """A first failure is told at once, more of them when all checks have ended."""
    summary = summarise(judgement.checks)
    if summary is not ChecksSummary.FAILING:
        return summary is ChecksSummary.PASSING
    fails_already = (known.head, known.checks) == (judgement.head, ChecksSummary.FAILING)
    return not fails_already or not any(one.state in _UNSETTLED for one in judgement.checks)


def _failed(known: Judged, judgement: Judgement) -> list[Check]:
    """Those that are new first."""
    before = known.failures if known.head == judgement.head else ()
    failed = [one for one in judgement.checks if one.state is CheckState.FAILED]
    return sorted(failed, key=lambda one: (one.name in before, one.name))


def _named_failures(known: Judged, judgement: Judgement) -> tuple[str, ...]:
    """All that were told, also those that had been before."""
    failed = _failed(known, judgement)
    told = {one.name for one in failed[: named(_things_of(failed), _TOLD)]}
    before = known.failures if known.head == judgement.head else ()
    return tuple(sorted(told | {one.name for one in failed if one.name in before}))


def _of_checks(
    pr: PrFacts, known: Judged, after: Judged, judgement: Judgement
) -> list[tuple[EventKind, Body]]:
    how = (after.head, after.checks, after.failures)
    if how == (known.head, known.checks, known.failures):
        return []
    if after.checks is ChecksSummary.PASSING:
        return [(EventKind.CI_PASSING, _seen(pr))]
    body = _seen(pr, shared(_things_of(_failed(known, judgement)), _TOLD, without_start))
    before = known.checks is ChecksSummary.FAILING and known.head != after.head
    again = [(EventKind.CI_FIX_FAILED, body)] if before else []
    return [*again, (EventKind.CI_FAILING, body)]


def _things_of(failed: Iterable[Check]) -> list[Thing]:
    return [_thing(one) for one in failed]


def _thing(check: Check) -> Thing:
    url = [visible(check.url, _NAME)] if check.url else []
    lines = "\n".join([visible(check.name, _NAME), *url])
    return Thing(f"{lines}\n", check.detail) if check.detail else Thing(lines)


# -- reviews ---------------------------------------------------------------------------------------


def _of_remarks(pr: PrFacts, known: Judged, judgement: Judgement) -> list[tuple[EventKind, Body]]:
    told: list[tuple[EventKind, Body]] = []
    asks = judgement.decision is ReviewDecision.CHANGES_REQUESTED
    fresh = _fresh(_remarks(judgement), known.remarks)
    if fresh or (asks and known.decision is not judgement.decision):
        kind = EventKind.REVIEW_COMMENTS_UNRESOLVED
        kind = EventKind.REVIEW_CHANGES_REQUESTED if asks else kind
        told.append((kind, _seen(pr, _listed(fresh))))
    elif judgement.decision is not known.decision and judgement.decision in _WORD:
        told.append((_WORD[judgement.decision], _seen(pr)))
    if automated := _fresh(_quoted(judgement.automated), known.automated):
        told.append((EventKind.AUTOMATED_REVIEW_FOUND, _seen(pr, _listed(automated))))
    return told


def _remarks(judgement: Judgement) -> list[tuple[str, Thing]]:
    asking = [one for one in judgement.reviews if one.state is ReviewState.CHANGES_REQUESTED]
    return [*map(_asked, asking), *_quoted(judgement.comments)][-_REMEMBERED:]


def _asked(review: Review) -> tuple[str, Thing]:
    thing = Thing(f"{visible(review.author, _NAME)}: ", review.body.strip())
    return f"{review.author} {review.at.isoformat()}", thing


def _quoted(comments: Iterable[ReviewComment]) -> list[tuple[str, Thing]]:
    return [(_what(one), _quote(one)) for one in comments][-_REMEMBERED:]


def _what(one: ReviewComment) -> str:
    """Another with every word that others add."""
    return f"{one.id} {one.last}" if one.last else one.id


def _quote(one: ReviewComment) -> Thing:
    who = visible(f"{_place(one)}{one.author}", _NAME)
    return Thing(f"{who}: ", one.body.strip(), f"\n   thread {visible(one.id, _NAME)}")


def _place(comment: ReviewComment) -> str:
    if comment.path is None:
        return ""
    line = "" if comment.line is None else f":{comment.line}"
    return f"{comment.path}{line} "


def _marks(said: Sequence[tuple[str, Thing]], known: Sequence[str]) -> tuple[str, ...]:
    """Of those that were told before, and of those that can be now."""
    left = named(_fresh(said, known), _TOLD)
    told: list[str] = []
    for mark in (_mark(id) for id, _ in said):
        if mark not in known:
            left -= 1
        if mark in known or left >= 0:
            told.append(mark)
    return tuple(told)


def _mark(id: str) -> str:
    return hashlib.sha256(id.encode()).hexdigest()[:12]


def _fresh(said: Iterable[tuple[str, Thing]], known: Sequence[str]) -> list[Thing]:
    fresh = [thing for id, thing in said if _mark(id) not in known]
    return [replace(one, before=f"{at}. {one.before}") for at, one in enumerate(fresh, 1)]


def _listed(things: Sequence[Thing]) -> str:
    return shared(things, _TOLD, without_middle, "\n")


# -- the target ------------------------------------------------------------------------------------


def _of_target(
    session: Session, known: Judged, after: Judged, judgement: Judgement
) -> list[tuple[EventKind, Body]]:
    if after.conflicts in (None, known.conflicts):
        return []
    conflicts = tuple(visible(one, 300) for one in judgement.files[:50])
    why = None if conflicts else "the host does not tell which files"
    body = Merged(session.base, "", conflicts=conflicts, head=judgement.head, why=why)
    return [(EventKind.MERGE_CONFLICTS, body)]


def _seen(pr: PrFacts, detail: str | None = None) -> PullSeen:
    told = visible(detail, _TOLD) if detail else None
    return PullSeen(pr.number or 0, pr.url or "", pr.head or "", told or None)
