"""What the journal is told of a train's members, and who could mend what went wrong."""

from typing import Any

import pytest

from ao_core.engine.aftermath import left_behind, news, reason
from ao_core.git.train import Fate, Outcome, Ride, TrainResult
from ao_core.ids import session_id
from ao_core.model.event import EventKind, Merged
from ao_core.model.session import PrFacts, PrReason, PrState
from ao_core.model.work import MergeMethod, Pull, PullState
from books import a_session

ONE, TWO = session_id("app-1"), session_id("app-2")
PULL = Pull(1, "One", "file:///1", "ao/app-1-x", "main", "h1", PullState.OPEN)
FIRST = Ride(TWO, Fate.LANDED, "c2")
WAITS = Ride(TWO, Fate.READY, "c2")
LEFT = Ride(TWO, Fate.LEFT_OUT)
APART = Ride(TWO, Fate.FAILED, why="no", unproved=True)
CLASH = Ride(ONE, Fate.CONFLICT, files=("a.txt",), whom=("app-2",))
CLASH_MAIN = Ride(ONE, Fate.CONFLICT, files=("a.txt",), whom=("main", "app-2"))
UNPROVED = Ride(ONE, Fate.FAILED, why="gate x ended with status 1", unproved=True)
BROKEN = Ride(ONE, Fate.FAILED, why="there is no commit h1")


def told(outcome: Outcome, *rides: Ride, **more: Any) -> Any:
    result = TrainResult(outcome, rides, onto="t", **more)
    ride = next(one for one in rides if one.id == ONE)
    return news(a_session(base="main"), PULL, MergeMethod.MERGE, result, ride)


@pytest.mark.parametrize(
    ("outcome", "rides", "kind"),
    [
        (Outcome.LANDED, (FIRST, CLASH), EventKind.MERGE_CONFLICTS),
        (Outcome.LANDED, (FIRST, UNPROVED), EventKind.MERGE_FAILED),
        (Outcome.NOTHING, (APART, UNPROVED), EventKind.MERGE_FAILED),
        (Outcome.NOTHING, (CLASH_MAIN,), EventKind.MERGE_CONFLICTS),
        (Outcome.NOTHING, (BROKEN,), EventKind.MERGE_BLOCKED),
        (Outcome.READY, (WAITS, CLASH), EventKind.MERGE_BLOCKED),
        (Outcome.READY, (WAITS, CLASH_MAIN), EventKind.MERGE_CONFLICTS),
        (Outcome.READY, (WAITS, UNPROVED), EventKind.MERGE_BLOCKED),
        (Outcome.BLOCKED, (LEFT, UNPROVED), EventKind.MERGE_BLOCKED),
        (Outcome.BLOCKED, (APART, UNPROVED), EventKind.MERGE_FAILED),
        (Outcome.BLOCKED, (UNPROVED, LEFT), EventKind.MERGE_FAILED),
        (Outcome.LANDED, (Ride(ONE, Fate.ALREADY, "t"),), EventKind.MERGE_COMPLETED),
        (Outcome.LANDED, (Ride(ONE, Fate.LANDED, "c1"),), EventKind.MERGE_COMPLETED),
    ],
)
def test_a_worker_is_given_only_what_it_can_mend_on_the_target_as_it_is(
    outcome: Outcome, rides: tuple[Ride, ...], kind: EventKind
) -> None:
    event = told(outcome, *rides)
    assert event.kind is kind
    assert (event.body.head, event.body.onto) == ("h1", "t")


def test_of_who_was_left_out_nothing_is_told() -> None:
    assert told(Outcome.BLOCKED, Ride(ONE, Fate.LEFT_OUT, why="app-2 failed")) is None


def test_a_result_that_waits_is_told_with_what_it_waits_for() -> None:
    ride = Ride(ONE, Fate.READY, "c1")
    event = told(Outcome.READY, ride, commit="c1", ref="refs/ao/x", blockers=("dirty",))
    assert isinstance(event.body, Merged)
    assert (event.kind, event.body.ref, event.body.blockers) == (
        EventKind.MERGE_BLOCKED, "refs/ao/x", ("dirty",),
    )  # fmt: skip


def test_a_conflict_is_one_line_however_many_files_it_has() -> None:
    ride = Ride(ONE, Fate.CONFLICT, files=tuple(f"{n}.txt" for n in range(12)), whom=("main",))
    assert reason(ride) == (
        "it conflicts with main in 0.txt, 1.txt, 2.txt, 3.txt, 4.txt, 5.txt, 6.txt, 7.txt, 8.txt,"
        " 9.txt and 2 more"
    )


@pytest.mark.parametrize(
    ("reason_before", "ride", "after"),
    [
        (PrReason.MERGE_READY, CLASH, PrReason.APPROVED),
        (PrReason.IN_PROGRESS, CLASH, PrReason.IN_PROGRESS),
        (PrReason.MERGE_READY, UNPROVED, PrReason.CI_FAILING),
        (PrReason.MERGE_READY, WAITS, PrReason.MERGE_READY),
    ],
)
def test_what_failed_is_not_shown_as_mergeable(
    reason_before: PrReason, ride: Ride, after: PrReason
) -> None:
    session = a_session(pr=PrFacts(PrState.OPEN, reason_before, 1, "u", "h1"))
    assert left_behind(session, ride).pr.reason is after
