"""One status from three axes of facts, by a table; and who must act on it."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

import pytest

from ao_core.ids import ProjectId, SessionId
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.attention import Attention, attention
from ao_core.model.session import (
    TERMINAL_REASONS,
    TERMINAL_STATES,
    TERMINAL_STATUSES,
    PrFacts,
    PrReason,
    PrState,
    RuntimeHandle,
    Session,
    SessionFacts,
    SessionReason,
    SessionState,
    Status,
    activity_of,
    derive_status,
    is_terminal,
)
from ao_core.model.work import Check, ChecksSummary, CheckState, summarise

NOW = datetime(2026, 1, 1, tzinfo=UTC)
S, R, P, Q = SessionState, SessionReason, PrState, PrReason


def session(
    state: SessionState,
    reason: SessionReason = R.TASK_IN_PROGRESS,
    pr: PrState = P.NONE,
    why: PrReason = Q.NOT_CREATED,
    note: str | None = None,
) -> Session:
    made = (SessionId("app-1"), ProjectId("app"), NOW, "title", "agent", "tmux", "worktree")
    facts = SessionFacts(state, reason, NOW, note)
    return Session(*made, facts, pr=PrFacts(pr, why))


EVERY = [session(*facts) for facts in product(S, R, P, Q)]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (S.NOT_STARTED, Status.SPAWNING),
        (S.NEEDS_INPUT, Status.NEEDS_INPUT),
        (S.STUCK, Status.STUCK),
        (S.DETECTING, Status.DETECTING),
        (S.DONE, Status.DONE),
    ],
)
def test_some_states_say_it_all(state: SessionState, status: Status) -> None:
    whatever = product([state], R, P, Q)
    assert {derive_status(session(*facts)) for facts in whatever} == {status}


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (R.MANUALLY_KILLED, Status.KILLED),
        (R.ENGINE_STOPPED, Status.KILLED),
        (R.RUNTIME_LOST, Status.KILLED),
        (R.AUTO_CLEANUP, Status.CLEANUP),
        (R.PR_MERGED, Status.CLEANUP),
        (R.ERROR_IN_PROCESS, Status.ERRORED),
        (R.PROBE_FAILURE, Status.ERRORED),
        (R.AGENT_PROCESS_EXITED, Status.TERMINATED),
    ],
)
def test_an_ended_session_says_why(reason: SessionReason, status: Status) -> None:
    assert reason in TERMINAL_REASONS
    whatever = product([S.TERMINATED], [reason], P, Q)
    assert {derive_status(session(*facts)) for facts in whatever} == {status}


def test_an_ended_session_with_any_other_reason_is_terminated() -> None:
    others = set(R) - TERMINAL_REASONS
    assert {derive_status(session(S.TERMINATED, reason)) for reason in others} == {
        Status.TERMINATED
    }


@pytest.mark.parametrize("state", [S.WORKING, S.IDLE])
@pytest.mark.parametrize(
    ("why", "status"),
    [
        (Q.CI_FAILING, Status.CI_FAILED),
        (Q.REVIEW_PENDING, Status.REVIEW_PENDING),
        (Q.CHANGES_REQUESTED, Status.CHANGES_REQUESTED),
        (Q.APPROVED, Status.APPROVED),
        (Q.MERGE_READY, Status.MERGEABLE),
        (Q.IN_PROGRESS, Status.PR_OPEN),
    ],
)
def test_an_open_pull_request_decides(state: SessionState, why: PrReason, status: Status) -> None:
    assert derive_status(session(state, pr=P.OPEN, why=why)) is status


@pytest.mark.parametrize(("state", "status"), [(S.WORKING, Status.WORKING), (S.IDLE, Status.IDLE)])
def test_without_one_the_agent_works_or_rests(state: SessionState, status: Status) -> None:
    assert derive_status(session(state)) is status
    assert derive_status(session(state, pr=P.CLOSED, why=Q.CLOSED_UNMERGED)) is status
    assert derive_status(session(state, pr=P.MERGED, why=Q.MERGED)) is Status.MERGED


def test_every_status_can_be_reached() -> None:
    assert {derive_status(each) for each in EVERY} == set(Status)


def test_a_session_has_ended_just_when_its_status_says_so() -> None:
    for each in EVERY:
        status = derive_status(each)
        assert is_terminal(each) == (each.facts.state in TERMINAL_STATES)
        if status is Status.MERGED:  # the work is done; its agent may be there still
            assert not is_terminal(each)
        else:
            assert is_terminal(each) == (status in TERMINAL_STATUSES)


CALLING = {
    Status.NEEDS_INPUT,
    Status.STUCK,
    Status.ERRORED,
    Status.MERGEABLE,
    Status.APPROVED,
    Status.PR_OPEN,
    Status.CI_FAILED,
    Status.CHANGES_REQUESTED,
    Status.TERMINATED,
    Status.IDLE,
}


def test_whoever_must_act_is_told_why_in_one_line() -> None:
    for each in EVERY:
        who, why = attention(each)
        assert (who is Attention.NONE) == (why == "")
        assert "\n" not in why
        lost = each.facts.reason is R.RUNTIME_LOST and derive_status(each) is Status.KILLED
        calls = derive_status(each) in CALLING and each.facts.state is not S.WORKING
        blocked = each.facts.state is S.NOT_STARTED and each.facts.reason is R.BLOCKED
        merged = is_terminal(each) and each.pr.state is P.MERGED  # what it was there for is done
        assert (who is Attention.LEAD) == ((calls or lost or blocked) and not merged)


def test_what_the_worker_said_comes_before_our_own_words() -> None:
    waiting = session(S.NEEDS_INPUT, note="which port?")
    assert attention(waiting) == (Attention.LEAD, "which port?")
    assert attention(replace(waiting, facts=replace(waiting.facts, note=None))) == (
        Attention.LEAD,
        "it waits for an answer",
    )


def test_a_lost_runtime_names_the_remedy() -> None:
    assert attention(session(S.TERMINATED, R.RUNTIME_LOST)) == (
        Attention.LEAD,
        "its runtime was lost; restore it",
    )
    assert attention(session(S.TERMINATED, R.MANUALLY_KILLED)) == (Attention.NONE, "")


def test_activity_is_known_or_is_not() -> None:
    resting = session(S.IDLE)
    assert activity_of(resting) is None
    busy = replace(resting, activity=Activity(ActivityState.ACTIVE, NOW, Source.HOOK))
    assert activity_of(busy) is ActivityState.ACTIVE


def test_a_runtime_reads_its_own_handle() -> None:
    handle = RuntimeHandle("h", "tmux", (("pane", "%1"),))
    assert handle.get("pane") == "%1"
    assert handle.get("window") is None


@pytest.mark.parametrize(
    ("states", "summary"),
    [
        ((), ChecksSummary.NONE),
        ((CheckState.SKIPPED,), ChecksSummary.NONE),
        ((CheckState.PASSED, CheckState.SKIPPED), ChecksSummary.PASSING),
        ((CheckState.PASSED, CheckState.RUNNING), ChecksSummary.PENDING),
        ((CheckState.PENDING,), ChecksSummary.PENDING),
        ((CheckState.FAILED, CheckState.RUNNING), ChecksSummary.FAILING),
    ],
)
def test_checks_are_summed_up_by_the_worst(
    states: tuple[CheckState, ...], summary: ChecksSummary
) -> None:
    assert summarise(tuple(Check("c", state) for state in states)) is summary
