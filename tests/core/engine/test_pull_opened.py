"""A worker's word that it has opened a pull request: a claim, and a reason to look."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ao_core.engine.case import Decided, Observation, Policy, Want
from ao_core.engine.decide import decide
from ao_core.model.event import EventKind, Said
from ao_core.model.session import PrFacts, PrReason, PrState, Session
from ao_core.spool import HookEvent, HookKind
from books import START, a_session

PAGE = "https://github.com/acme/app/pull/1"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def look(session: Session, hook: HookEvent) -> Decided:
    return decide(session, Observation(at(3), hooks=(hook,)), Policy())


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (PAGE, [EventKind.SESSION_PROPOSED]),
        ("http://127.0.0.1:8080/a/b.c/pull/12", [EventKind.SESSION_PROPOSED]),
        (None, []),
        ("", []),
        (f"{PAGE}\nand more", []),
        (f"see {PAGE}", []),
        ("https://github.com/acme/app/pull/0", []),
        ("javascript://github.com/acme/app/pull/1", []),
    ],
)
def test_a_pull_request_that_it_opened_is_looked_at_whatever_it_says(
    said: str | None, told: list[EventKind]
) -> None:
    was = look(a_session(), HookEvent("t", HookKind.TURN_STARTED, at(2))).session
    decided = look(was, HookEvent("p", HookKind.PULL_OPENED, at(1), said))
    assert ([event.kind for event in decided.events], decided.wants) == (told, {Want.PULL})
    assert [event.body for event in decided.events] == [Said(said or "")] * len(told)
    assert decided.session == replace(was, proposed=at(1))
    again = look(decided.session, HookEvent("q", HookKind.PULL_OPENED, at(1), said))
    assert (again.session, again.events, again.wants) == (decided.session, (), frozenset())


def test_a_pull_request_that_is_known_is_not_told_of_again() -> None:
    known = PrFacts(PrState.OPEN, PrReason.IN_PROGRESS, 1, PAGE, "c1")
    decided = look(a_session(pr=known), HookEvent("p", HookKind.PULL_OPENED, at(1), PAGE))
    assert ([event.kind for event in decided.events], decided.wants) == ([], {Want.PULL})
