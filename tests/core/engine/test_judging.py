"""What others make of a pull request is told once, and becomes the status people see."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ao_core.engine.judging import is_settled, judged
from ao_core.model.event import EventKind, Merged, NewEvent, PullSeen
from ao_core.model.judgement import Judged, Judgement
from ao_core.model.session import PrFacts, PrReason, PrState, Session
from ao_core.model.work import (
    Check,
    CheckState,
    Review,
    ReviewComment,
    ReviewDecision,
    ReviewState,
)
from books import a_session

ROOM = 20_000
AT = datetime(2026, 1, 2, tzinfo=UTC)
RED = Check("lint", CheckState.FAILED, "https://ci.invalid/1", "step 3\nline too long")
GREEN = Check("lint", CheckState.PASSED)
RUNNING = Check("slow", CheckState.RUNNING)
ASKING = Review("ann", ReviewState.CHANGES_REQUESTED, "Please split this.", AT)
REMARK = ReviewComment("c1", "ben", "Why twice?", "a.py", 7)
ROBOT = ReviewComment("r1", "bot", "Unused name.", "b.py")


def opened(head: str = "h1", known: Judged | None = None) -> Session:
    pr = PrFacts(PrState.OPEN, PrReason.IN_PROGRESS, 7, "https://x.invalid/7", head, AT, known)
    return a_session(pr=pr, base="main")


def kinds(events: Sequence[NewEvent]) -> list[EventKind]:
    return [event.kind for event in events]


def detail(events: Sequence[NewEvent]) -> str:
    """What the one event says."""
    (event,) = events
    assert isinstance(event.body, PullSeen)
    return event.body.detail or ""


def later(session: Session, head: str) -> Session:
    """The worker committed."""
    return replace(session, pr=replace(session.pr, head=head, reason=PrReason.IN_PROGRESS))


def test_a_failed_check_is_told_with_what_it_says() -> None:
    session, (event,) = judged(opened(), Judgement("h1", (RED, RUNNING)))
    assert event.kind is EventKind.CI_FAILING
    assert isinstance(event.body, PullSeen)
    assert event.body.detail == "lint\nhttps://ci.invalid/1\nstep 3\nline too long"
    assert (event.body.number, event.body.head) == (7, "h1")
    assert session.pr.reason is PrReason.CI_FAILING


def test_more_failures_of_a_commit_are_told_when_all_checks_have_ended() -> None:
    session, _ = judged(opened(), Judgement("h1", (RED, RUNNING)))
    types = Check("types", CheckState.FAILED)
    session, events = judged(session, Judgement("h1", (RED, types, RUNNING)))
    assert events == ()
    session, events = judged(session, Judgement("h1", (RED, types, replace(GREEN, name="slow"))))
    assert kinds(events) == [EventKind.CI_FAILING]
    assert judged(session, Judgement("h1", (RED, types)))[1] == ()


def test_a_fix_that_does_not_help_is_told_as_such() -> None:
    session, _ = judged(opened(), Judgement("h1", (RED,)))
    session, events = judged(later(session, "h2"), Judgement("h2", (RUNNING,)))
    assert (events, session.pr.reason) == ((), PrReason.IN_PROGRESS)
    assert not is_settled(session, "ci-failed")
    session, events = judged(session, Judgement("h2", (RED,)))
    assert kinds(events) == [EventKind.CI_FIX_FAILED, EventKind.CI_FAILING]


def test_a_fix_that_helps_is_told_once() -> None:
    session, _ = judged(opened(), Judgement("h1", (RED,)))
    session, events = judged(later(session, "h2"), Judgement("h2", (GREEN,)))
    assert kinds(events) == [EventKind.CI_PASSING]
    assert is_settled(session, "ci-failed")
    assert judged(session, Judgement("h2", (GREEN,)))[1] == ()


def test_what_reviewers_ask_for_is_listed_with_its_places_and_each_remark_once() -> None:
    asks = ReviewDecision.CHANGES_REQUESTED
    first = Judgement("h1", decision=asks, reviews=(ASKING,), comments=(REMARK,))
    session, (event,) = judged(opened(), first)
    assert event.kind is EventKind.REVIEW_CHANGES_REQUESTED
    assert isinstance(event.body, PullSeen)
    assert (
        event.body.detail == "1. ann: Please split this.\n2. a.py:7 ben: Why twice?\n   thread c1"
    )
    assert session.pr.reason is PrReason.CHANGES_REQUESTED
    more = replace(first, comments=(REMARK, replace(REMARK, id="c2", body="And here?", line=None)))
    session, (event,) = judged(session, more)
    assert isinstance(event.body, PullSeen)
    assert event.body.detail == "1. a.py ben: And here?\n   thread c2"
    fewer = replace(first, comments=())
    session, events = judged(session, fewer)
    assert events == ()
    assert not is_settled(session, "changes-requested")


def test_remarks_without_a_verdict_are_told_as_unresolved_and_over_once_resolved() -> None:
    session, events = judged(opened(), Judgement("h1", comments=(REMARK,)))
    assert kinds(events) == [EventKind.REVIEW_COMMENTS_UNRESOLVED]
    assert not is_settled(session, "changes-requested")
    session, events = judged(session, Judgement("h1"))
    assert events == ()
    assert is_settled(session, "changes-requested")


def test_programs_remarks_are_told_apart_from_peoples() -> None:
    session, (event,) = judged(opened(), Judgement("h1", automated=(ROBOT,)))
    assert event.kind is EventKind.AUTOMATED_REVIEW_FOUND
    assert isinstance(event.body, PullSeen)
    assert event.body.detail == "1. b.py bot: Unused name.\n   thread r1"
    assert not is_settled(session, "bugbot-comments")
    assert is_settled(judged(session, Judgement("h1"))[0], "bugbot-comments")


def test_more_remarks_than_are_remembered_are_not_told_again() -> None:
    many = tuple(replace(REMARK, id=f"c{number}") for number in range(500))
    session, events = judged(opened(), Judgement("h1", comments=many))
    assert len(events) == 1
    assert judged(session, Judgement("h1", comments=many))[1] == ()


def test_reviews_that_wait_and_agree_become_the_status() -> None:
    session, events = judged(opened(), Judgement("h1", decision=ReviewDecision.PENDING))
    assert kinds(events) == [EventKind.REVIEW_PENDING]
    assert session.pr.reason is PrReason.REVIEW_PENDING
    session, events = judged(session, Judgement("h1", decision=ReviewDecision.APPROVED))
    assert kinds(events) == [EventKind.REVIEW_APPROVED]
    assert session.pr.reason is PrReason.APPROVED
    ready = Judgement("h1", decision=ReviewDecision.APPROVED, mergeable=True)
    session, events = judged(session, ready)
    assert kinds(events) == [EventKind.MERGE_READY]
    assert session.pr.reason is PrReason.MERGE_READY
    assert judged(session, ready)[1] == ()


def test_nothing_is_ready_whose_checks_fail_or_that_somebody_wants_changed() -> None:
    red = Judgement("h1", (RED,), mergeable=True)
    asked = Judgement("h1", decision=ReviewDecision.CHANGES_REQUESTED, mergeable=True)
    silent = Judgement("h1", (GREEN,), decision=ReviewDecision.PENDING, mergeable=True)
    for one, reason in (
        (red, PrReason.CI_FAILING), (asked, PrReason.CHANGES_REQUESTED),
        (silent, PrReason.REVIEW_PENDING),
    ):  # fmt: skip
        session, events = judged(opened(), one)
        assert session.pr.reason is reason
        assert EventKind.MERGE_READY not in kinds(events)


def test_what_nobody_was_asked_for_is_ready_without_a_review() -> None:
    session, events = judged(opened(), Judgement("h1", (GREEN,), mergeable=True))
    assert session.pr.reason is PrReason.MERGE_READY
    assert EventKind.MERGE_READY in kinds(events)


def test_a_conflict_is_told_once_for_a_commit_and_not_before_the_host_knows() -> None:
    session, events = judged(opened(), Judgement("h1", conflicts=None))
    assert events == ()
    session, (event,) = judged(session, Judgement("h1", conflicts=True, files=("a.py",)))
    assert event.kind is EventKind.MERGE_CONFLICTS
    assert isinstance(event.body, Merged)
    assert (event.body.target, event.body.conflicts, event.body.head) == ("main", ("a.py",), "h1")
    session, events = judged(session, Judgement("h1", conflicts=None))
    assert events == ()
    assert not is_settled(session, "merge-conflicts")
    again = Judgement("h2", conflicts=True)
    assert kinds(judged(later(session, "h2"), again)[1]) == [EventKind.MERGE_CONFLICTS]
    session, _ = judged(session, Judgement("h1", conflicts=False))
    assert is_settled(session, "merge-conflicts")


def test_what_is_said_of_another_commit_or_of_nothing_open_changes_nothing() -> None:
    session = opened("h2")
    assert judged(session, Judgement("h1", (RED,))) == (session, ())
    merged = replace(session, pr=replace(session.pr, state=PrState.MERGED))
    assert judged(merged, Judgement("h2", (RED,))) == (merged, ())


def test_what_others_say_is_cut_and_harmless() -> None:
    loud = replace(REMARK, body="\x1b[2J" + "x" * 100_000)
    told = detail(judged(opened(), Judgement("h1", comments=(loud,)))[1])
    assert len(told) <= ROOM
    assert "\x1b" not in told
    assert "left out" in told
    assert told.endswith("thread c1")


def test_many_remarks_share_the_room() -> None:
    many = tuple(replace(REMARK, id=f"c{n}", body=f"first {n} {'x' * 585}") for n in range(20))
    told = detail(judged(opened(), Judgement("h1", comments=many))[1])
    assert all(one.body in told for one in many)
    long = tuple(replace(one, body=f"{one.body * 10} last {one.id}.") for one in many)
    told = detail(judged(opened(), Judgement("h1", comments=(REMARK, *long)))[1])
    assert len(told) <= ROOM
    assert REMARK.body in told
    for n, one in enumerate(long):
        assert f"ben: first {n} " in told
        assert f" last {one.id}.\n   thread {one.id}" in told


def test_failed_jobs_share_the_room_and_the_end_of_a_log_is_kept() -> None:
    red = tuple(
        Check(f"job {n}", CheckState.FAILED, f"https://ci.invalid/{n}", "x" * 9_000 + f" error {n}")
        for n in range(9)
    )
    told = detail(judged(opened(), Judgement("h1", red))[1])
    assert len(told) <= ROOM
    for n in range(9):
        assert f"job {n}\nhttps://ci.invalid/{n}\n[its beginning is left out] x" in told
        assert f" error {n}" in told


def test_a_remark_that_has_no_place_left_is_told_the_next_time() -> None:
    place = "d/" * 120
    many = tuple(replace(REMARK, id=f"c{n}", path=f"{place}{n}") for n in range(100))
    session, events = judged(opened(), Judgement("h1", comments=many))
    first = detail(events)
    session, events = judged(session, Judgement("h1", comments=many))
    rest = detail(events)
    named = [sum(f"thread {one.id}\n" in f"{text}\n" for one in many) for text in (first, rest)]
    assert sum(named) == 100
    assert first.endswith(f"and {named[1]} more")
    assert judged(session, Judgement("h1", comments=many))[1] == ()


def test_a_failed_check_that_has_no_place_left_is_told_the_next_time() -> None:
    red = tuple(Check(f"{n} {'x' * 300}", CheckState.FAILED) for n in range(100))
    session, events = judged(opened(), Judgement("h1", red))
    assert "more" in detail(events)
    session, again = judged(session, Judgement("h1", red))
    assert all(one.name in detail(events) + detail(again) for one in red)
    assert kinds(again) == [EventKind.CI_FAILING]
    assert judged(session, Judgement("h1", red))[1] == ()


def test_what_others_add_to_a_thread_is_told_once_more() -> None:
    first = replace(REMARK, last="1")
    session, _ = judged(opened(), Judgement("h1", comments=(first,)))
    answered = replace(first, body="Why twice?\nworker: Done.")
    assert judged(session, Judgement("h1", comments=(answered,)))[1] == ()
    more = replace(first, body=f"{answered.body}\nben: No, still wrong.", last="3")
    session, events = judged(session, Judgement("h1", comments=(more,)))
    assert "No, still wrong." in detail(events)
    assert judged(session, Judgement("h1", comments=(more,)))[1] == ()


CHECKS = st.lists(
    st.builds(Check, st.sampled_from("abc"), st.sampled_from(CheckState)), max_size=4
).map(tuple)
COMMENTS = st.lists(
    st.builds(ReviewComment, st.sampled_from("123"), st.just("ann"), st.just("no")), max_size=3
).map(tuple)
JUDGEMENTS = st.builds(
    Judgement, st.sampled_from(["h1", "h2"]), CHECKS, st.sampled_from(ReviewDecision), st.just(()),
    COMMENTS, COMMENTS, st.sampled_from([None, True, False]), st.just(()), st.booleans(),
)  # fmt: skip


@given(st.lists(JUDGEMENTS, max_size=8))
def test_whatever_was_seen_before_the_same_look_is_told_once(seen: list[Judgement]) -> None:
    session = opened()
    for one in seen:
        session, _ = judged(later(session, one.head), one)
        assert judged(session, one) == (session, ())
