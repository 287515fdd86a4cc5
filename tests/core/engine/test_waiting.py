"""Who may start, who waits, and for what."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ao_core.engine.waiting import Limits, Team, is_done, takes_room, upcoming, waits_for
from ao_core.ids import ProjectId, SessionId
from ao_core.model.evidence import Evidence, Verdict
from ao_core.model.session import (
    PrFacts,
    PrState,
    RuntimeFacts,
    Session,
    SessionFacts,
    SessionReason,
    SessionState,
)
from books import START, a_session, over

APP, WEB = ProjectId("app"), ProjectId("web")


def queued(number: int, project: str = "app", *after: str) -> Session:
    """One that waits."""
    session = a_session(
        f"{project}-{number}", SessionState.NOT_STARTED, SessionReason.QUEUED,
        queued=number, run=RuntimeFacts(), after=tuple(map(SessionId, after)),
    )  # fmt: skip
    return replace(session, project=ProjectId(project))


def running(number: int, project: str = "app") -> Session:
    return replace(a_session(f"{project}-{number}"), project=ProjectId(project))


def merged(session: Session) -> Session:
    facts = SessionFacts(SessionState.IDLE, SessionReason.TURN_ENDED, START)
    return replace(session, facts=facts, pr=PrFacts(PrState.MERGED))


def evidence(session: str, verdict: Verdict = Verdict.VERIFIED, **more: Any) -> Evidence:
    found = Evidence(SessionId(session), "c", "t", verdict, START, claimed=START)
    return replace(found, **more)


def team(*sessions: Session, known: Evidence | None = None) -> Team:
    return Team({one.id: one for one in sessions}, lambda id: known)


def started(*sessions: Session, limits: Limits, known: Evidence | None = None) -> list[str]:
    return [one.id for one in upcoming(team(*sessions, known=known), limits)]


def test_as_many_start_as_there_is_room_for_and_in_the_order_they_came() -> None:
    line = [queued(number) for number in (5, 3, 4)]
    assert started(running(1), *line, limits=Limits(home=3)) == ["app-3", "app-4"]
    assert started(running(1), *line, limits=Limits()) == ["app-3", "app-4", "app-5"]
    assert started(running(1), *line, limits=Limits(home=1)) == []


def test_who_ended_or_is_merged_leaves_room_and_who_rests_does_not() -> None:
    assert takes_room(running(1))
    assert takes_room(a_session(state=SessionState.IDLE, reason=SessionReason.TURN_ENDED))
    assert takes_room(a_session(state=SessionState.NOT_STARTED))
    assert not takes_room(merged(running(1)))
    assert not takes_room(over(running(1)))
    assert not takes_room(queued(1))


def test_a_project_that_is_full_keeps_no_other_project_waiting() -> None:
    limits = Limits(home=3, projects={APP: 1})
    sessions = (running(1), queued(2), queued(3, "web"), queued(4), queued(5, "web"))
    assert started(*sessions, limits=limits) == ["web-3", "web-5"]


def test_who_waits_for_others_work_keeps_nobody_behind_it_waiting() -> None:
    sessions = (running(1), queued(2, "app", "app-1"), queued(3))
    assert started(*sessions, limits=Limits(home=2)) == ["app-3"]
    assert started(merged(running(1)), *sessions[1:], limits=Limits(home=2)) == ["app-2", "app-3"]


def test_who_is_blocked_does_not_start() -> None:
    facts = SessionFacts(SessionState.NOT_STARTED, SessionReason.BLOCKED, START, "why")
    assert started(replace(queued(1), facts=facts), limits=Limits()) == []


@pytest.mark.parametrize(
    ("known", "done"),
    [
        (None, False),
        (evidence("app-1"), True),
        (evidence("app-1", Verdict.UNVERIFIED, ungated=True), True),
        (evidence("app-1", Verdict.UNVERIFIED), False),
        (evidence("app-1", Verdict.FAILED), False),
        (evidence("app-1", Verdict.STALE), False),
        (evidence("app-1", claimed=START - timedelta(1)), False),  # of what it said before
    ],
)
def test_done_is_what_was_shown_also_of_one_that_has_ended(
    known: Evidence | None, done: bool
) -> None:
    for one in (running(1), over(running(1))):
        assert is_done(replace(one, done=START), known) is done
        assert is_done(one, known) is False  # it never said so
        assert is_done(merged(one), known) is True


def test_who_ends_undone_is_waited_for_in_vain_unless_its_gates_are_still_to_run() -> None:
    waiting = queued(2, "app", "app-1")
    assert team(running(1), waiting).lost(waiting) == []
    assert team(over(running(1)), waiting).lost(waiting) == ["app-1"]
    assert team(waiting).lost(waiting) == ["app-1"]
    assert team(merged(over(running(1))), waiting).lost(waiting) == []
    owed = replace(over(running(1)), done=START)
    assert team(owed, waiting).lost(waiting) == []
    failed = evidence("app-1", Verdict.FAILED)
    assert team(owed, waiting, known=failed).lost(waiting) == ["app-1"]


def test_it_is_said_what_is_waited_for() -> None:
    first, second = queued(2, "app", "app-1"), queued(3)
    limits = Limits(home=5, projects={APP: 1})
    everybody = team(running(1), first, second)
    assert waits_for(everybody, limits, first) == "it waits for the work of app-1 to be done"
    assert waits_for(everybody, limits, second) == (
        "it waits for one of the 1 workers app may have at once to end or be merged"
    )
    assert "2 workers there may be" in waits_for(
        team(running(1), running(4), second), Limits(home=2), second
    )
    assert (everybody.place(first), everybody.place(second)) == (1, 2)


SOME = st.lists(
    st.tuples(st.sampled_from(["app", "web"]), st.booleans(), st.integers(0, 6)), max_size=12
)
ROOM = st.none() | st.integers(1, 4)


@given(SOME, ROOM, ROOM, ROOM)
def test_there_are_never_more_than_the_limits_and_nobody_waits_without_a_reason(
    some: list[tuple[str, bool, int]], home: int | None, app: int | None, web: int | None
) -> None:
    sessions: dict[SessionId, Session] = {}
    for number, (project, waits, after) in enumerate(some, 1):
        names = [id for id in sessions if id.endswith(f"-{after}")]
        made = queued(number, project, *names) if waits else running(number, project)
        sessions[made.id] = made
    limits = Limits(home, {APP: app, WEB: web})
    everybody = team(*sessions.values())
    chosen = upcoming(everybody, limits)
    counts = dict.fromkeys((APP, WEB), 0)
    there = [one for one in sessions.values() if takes_room(one)]
    for one in (*there, *chosen):
        counts[one.project] += 1
    if chosen:
        assert home is None or sum(counts.values()) <= home
        for one in chosen:
            most = limits.projects[one.project]
            assert most is None or counts[one.project] <= most
            assert not everybody.unmet(one)
    assert [one.queued for one in chosen] == sorted(one.queued for one in chosen)
    for one in everybody.line():
        if one not in chosen and not everybody.unmet(one):
            most = limits.projects[one.project]
            full = most is not None and counts[one.project] >= most
            assert full or (home is not None and sum(counts.values()) >= home)
