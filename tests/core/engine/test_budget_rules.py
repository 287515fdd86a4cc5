"""What a budget and what was used come to, row by row."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ao_core.engine.budget_rules import (
    Stand,
    counted,
    judge,
    said,
    silent,
    spending,
    stand,
    together,
    used_of,
    weigh,
)
from ao_core.engine.budgets import weighed
from ao_core.engine.moves import moved
from ao_core.model.budget import Budget, Part, Spending
from ao_core.model.event import EventKind
from ao_core.model.pause import Paused, PauseReason
from ao_core.model.session import Session, SessionReason, SessionState, worked
from ao_core.model.usage import Usage
from books import START, a_session, over

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("limit", "used", "is_so"),
    [
        (None, 5, Stand.OPEN),
        (10, None, Stand.UNKNOWN),
        (10, 0, Stand.WITHIN),
        (10, 7.99, Stand.WITHIN),
        (10, 8, Stand.NEAR),
        (10, 9.99, Stand.NEAR),
        (10, 10, Stand.REACHED),
        (10, 11, Stand.REACHED),
    ],
)
def test_a_part_stands_by_its_limit(limit: float | None, used: float | None, is_so: Stand) -> None:
    assert stand(limit, used) is is_so


@pytest.mark.parametrize(
    ("used", "told", "news", "reached"),
    [
        (Spending(1), (), [], []),
        (Spending(8), (), ["minutes"], []),
        (Spending(8), ("minutes:near",), [], []),
        (Spending(10), ("minutes:near",), ["minutes"], ["minutes"]),
        (Spending(10), ("minutes:near", "minutes:reached"), [], ["minutes"]),
        (Spending(0, 90, 6.0), (), ["tokens", "cost"], ["cost"]),
    ],
)
def test_each_is_told_once(
    used: Spending, told: tuple[str, ...], news: list[str], reached: list[str]
) -> None:
    verdict = judge(Budget(10, 100, 5.0), used, told)
    assert [one.part for one in verdict.news] == news
    assert [one.part for one in verdict.reached] == reached


def test_after_a_raise_it_is_told_again_when_it_is_near_again() -> None:
    reached = judge(Budget(10), Spending(10), ("minutes:near",))
    raised = judge(Budget(100), Spending(11), reached.told)
    assert (raised.news, raised.told) == ((), ())
    assert [one.stand for one in judge(Budget(100), Spending(80), raised.told).news] == [Stand.NEAR]


def test_what_nobody_tells_is_neither_near_nor_reached_and_said_after_a_turn() -> None:
    budget = Budget(tokens=10)
    assert judge(budget, Spending(99), ()).news == ()
    told = judge(budget, Spending(99), (), silent=[Part.TOKENS])
    assert [one.stand for one in told.news] == [Stand.UNKNOWN]
    assert judge(budget, Spending(99), told.told, silent=[Part.TOKENS]).news == ()
    assert said(weigh(budget, Spending(99))) == "unknown of 10 tokens"


def test_what_is_known_of_one_life_counts_beside_the_unknown_of_another() -> None:
    assert Usage().plus(Usage()).tokens is None
    assert Usage(1, None).plus(Usage(None, 4)).tokens == 5
    assert Usage(1, 2, 0.5).with_news(Usage(None, 7)) == Usage(1, 7, 0.5)
    least = frozenset({Part.TOKENS})
    assert Spending(1).plus(Spending(2, 3)) == Spending(3, 3, None, least)
    assert Spending().plus(Spending(2, 3)) == Spending(2, 3)  # it has not begun to work


def test_what_somebody_does_not_tell_is_no_nought_beside_the_others() -> None:
    at = START + 2 * MINUTE
    tells = in_state(a_session(usage=Usage(5, 5)), SessionState.IDLE, MINUTE)
    starts = replace(a_session("app-2"), created_at=at)
    rests = in_state(a_session("app-2"), SessionState.IDLE, MINUTE)
    ceiling, used = Budget(tokens=10, cost=5.0), together([tells, rests], at)
    assert silent(starts, at) == frozenset()
    assert silent(rests, at) == {Part.TOKENS, Part.COST}
    assert silent(tells, at) == silent(over(tells), at) == {Part.COST}
    assert said(weigh(ceiling, used)) == "at least 10 of 10 tokens, unknown of 5 USD"
    first = judge(ceiling, used, (), silent=silent(rests, at))
    assert [(one.part, one.stand, one.used) for one in first.news] == [
        (Part.TOKENS, Stand.REACHED, 10),
        (Part.TOKENS, Stand.UNKNOWN, None),
        (Part.COST, Stand.UNKNOWN, None),
    ]
    assert judge(ceiling, used, first.told, silent=silent(rests, at)).news == ()
    assert judge(ceiling, used, first.told).told == first.told
    after = judge(ceiling, together([tells], at), first.told)
    assert after.told == ("cost:unknown", "tokens:reached")


def test_what_is_known_is_shown_beside_what_is_limited() -> None:
    assert used_of(Budget(minutes=60), Spending(12.5, 1500)) == "12.5 of 60 min, 1500 tokens"
    assert used_of(Budget(tokens=9), Spending(0)) == "unknown of 9 tokens"
    assert used_of(Budget(), Spending()) == ""


def in_state(session: Session, state: SessionState, after: timedelta) -> Session:
    reasons = {SessionState.IDLE: SessionReason.TURN_ENDED}
    reason = reasons.get(state, SessionReason.TASK_IN_PROGRESS)
    return moved(session, state, reason, START + after)[0]


def test_minutes_are_those_at_work() -> None:
    session = in_state(a_session(), SessionState.IDLE, 2 * MINUTE)
    assert worked(session, START + 9 * MINUTE) == 120
    session = in_state(session, SessionState.WORKING, 9 * MINUTE)
    assert spending(session, START + 10 * MINUTE).minutes == 3


def test_while_it_is_paused_no_time_passes_for_it() -> None:
    paused = Paused(PauseReason.ASKED, START + MINUTE, "person")
    session = a_session(paused=paused)
    assert worked(session, START + 9 * MINUTE) == 60
    ended = in_state(session, SessionState.IDLE, 3 * MINUTE)
    assert worked(ended, START + 9 * MINUTE) == 60


def test_a_clock_that_is_set_back_takes_nothing_away() -> None:
    session = a_session(worked=90.0)
    assert worked(session, START - 5 * MINUTE) == 90


def test_all_together_are_those_that_live_and_those_of_the_last_day() -> None:
    mine = a_session(worked=60.0, usage=Usage(5, 5))
    ended = over(a_session("app-2", worked=60.0, usage=Usage(1, 0)))
    at = START + timedelta(hours=1)
    assert together([replace(over(mine)), ended], at) == Spending(2, 11, None)
    assert together([over(mine), ended], START + timedelta(days=2)) == Spending()


def test_a_budget_that_is_reached_pauses_once_and_says_so() -> None:
    session = a_session(budget=Budget(minutes=10))
    near = weighed(session, START + 8 * MINUTE)
    assert near is not None
    assert [one.kind for one in near.events] == [EventKind.BUDGET_NEAR]
    assert near.value.paused is None
    assert weighed(near.value, START + 9 * MINUTE) is None
    done = weighed(near.value, START + 10 * MINUTE)
    assert done is not None
    kinds = [EventKind.BUDGET_REACHED, EventKind.SESSION_PAUSED]
    assert [one.kind for one in done.events] == kinds
    assert done.value.paused.why is PauseReason.BUDGET
    assert done.value.paused.note == "10 of 10 min"
    assert weighed(done.value, START + 11 * MINUTE) is None


def test_a_part_left_open_is_as_the_project_has_it() -> None:
    assert Budget(minutes=5).over(Budget(10, 100, None)) == Budget(5, 100, None)
    assert Budget(5, None, 1.0).parts == (Part.MINUTES, Part.COST)


def test_an_agent_that_counts_from_nothing_again_has_used_both() -> None:
    first = counted(a_session(), Usage(800, 100, 1.0))
    more = counted(first, Usage(900, 100, 1.5))
    again = counted(more, Usage(40, 10, 0.25))
    assert spending(more, START).tokens == 1000
    assert (spending(again, START).tokens, spending(again, START).cost) == (1050, 1.75)
    assert spending(counted(again, Usage()), START) == spending(again, START)
