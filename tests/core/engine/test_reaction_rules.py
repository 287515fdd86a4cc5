"""The pure part of reacting: once for the same evidence, so often, and then a person is asked."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ao_core.config.models import DEFAULT_REACTIONS, Reaction
from ao_core.engine.reaction_rules import Act, Trigger, is_overdue, react, trigger_of
from ao_core.model.event import Body, Ended, Event, EventKind, Merged, Moved, PullSeen
from ao_core.store.records import Pursuit
from books import START

SEND = Reaction(action="send-to-agent")


def occurred(fingerprint: str = "a") -> Trigger:
    return Trigger("app-1", "ci-failed", fingerprint, "ci.failing")


def event(kind: EventKind, body: Body, session: str | None = "app-1") -> Event:
    return Event(1, START, kind, body, "app", session)


def acts(rule: Reaction, *steps: tuple[str, float]) -> list[Act]:
    """What is done at each occurrence: its evidence, and minutes since the first."""
    known: Pursuit | None = None
    done: list[Act] = []
    for fingerprint, minutes in steps:
        answer = react(rule, known, occurred(fingerprint), START + timedelta(minutes=minutes))
        known, done = answer.pursuit, [*done, answer.act]
    return done


def test_the_same_evidence_is_acted_upon_once() -> None:
    assert acts(SEND, ("a", 0), ("a", 1), ("b", 2)) == [Act.SEND, Act.NOTHING, Act.SEND]


def test_after_so_many_attempts_a_person_is_asked_once_and_then_all_is_quiet() -> None:
    rule = DEFAULT_REACTIONS["ci-failed"]
    steps = [(letter, 0.0) for letter in "abcde"]
    assert acts(rule, *steps) == [Act.SEND, Act.SEND, Act.ESCALATE, Act.NOTHING, Act.NOTHING]


def test_what_takes_too_long_is_given_up_by_the_clock_too() -> None:
    rule = DEFAULT_REACTIONS["changes-requested"]
    assert acts(rule, ("a", 0), ("b", 29), ("c", 30)) == [Act.SEND, Act.SEND, Act.ESCALATE]
    known = react(rule, None, occurred(), START).pursuit
    assert known
    assert not is_overdue(rule, known, START + timedelta(minutes=29))
    assert is_overdue(rule, known, START + timedelta(minutes=30))


def test_people_are_told_without_end_and_nothing_of_that_is_escalated() -> None:
    rule = Reaction(action="notify", escalate_after=timedelta(minutes=1), retries=0)
    assert acts(rule, ("a", 0), ("b", 60)) == [Act.TELL, Act.TELL]
    known = react(rule, None, occurred(), START).pursuit
    assert known
    assert not is_overdue(rule, known, START + timedelta(hours=9))


@pytest.mark.parametrize("action", ["send-to-agent", "auto-merge", "notify"])
def test_what_is_not_automatic_is_told(action: Any) -> None:
    rule = Reaction(auto=False, action=action)
    assert react(rule, None, occurred(), START).act is Act.TELL


def test_a_merge_stays_pending_until_it_was_made() -> None:
    answer = react(Reaction(action="auto-merge"), None, occurred(), START)
    assert answer.act is Act.MERGE
    assert answer.pursuit
    assert answer.pursuit.pending


rules = st.builds(
    Reaction, auto=st.booleans(), action=st.sampled_from(["send-to-agent", "notify", "auto-merge"]),
    retries=st.none() | st.integers(0, 3),
    escalate_after=st.none() | st.integers(0, 3) | st.timedeltas(timedelta(), timedelta(hours=2)),
)  # fmt: skip
steps = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 60)), max_size=12)


@given(rules, steps)
def test_however_it_goes_nothing_is_repeated_and_escalation_is_the_last_word(
    rule: Reaction, taken: list[tuple[str, float]]
) -> None:
    known: Pursuit | None = None
    minutes, sent, over = 0.0, 0, False
    for fingerprint, pause in taken:
        minutes += pause
        before = known
        answer = react(rule, known, occurred(fingerprint), START + timedelta(minutes=minutes))
        known = answer.pursuit
        if over or (before and before.fingerprint == fingerprint):
            assert answer.act is Act.NOTHING
        sent += answer.act is Act.SEND
        over = over or answer.act is Act.ESCALATE
        assert known
        assert known.escalated is over
    if rule.retries is not None:
        assert sent <= rule.retries


@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        (EventKind.CI_FAILING, PullSeen(1, "u", "h"), "ci-failed"),
        (EventKind.MERGE_CONFLICTS, Merged("main", "merge", conflicts=("a",)), "merge-conflicts"),
        (EventKind.SESSION_STUCK, Moved("working", "stuck", "no_progress"), "agent-stuck"),
        (EventKind.SESSION_EXITED, Ended("agent_process_exited"), "agent-exited"),
        (EventKind.SESSION_KILLED, Ended("runtime_lost"), "agent-exited"),
        (EventKind.SESSION_KILLED, Ended("manually_killed"), None),
        (EventKind.SESSION_WORKING, Moved("idle", "working", "task_in_progress"), None),
    ],
)
def test_what_gives_cause_to_a_reaction(kind: EventKind, body: Body, key: str | None) -> None:
    found = trigger_of(event(kind, body))
    assert (found.key if found else None) == key
    assert trigger_of(event(kind, body, None)) is None


def test_evidence_is_told_apart_by_what_it_says_not_by_when_it_was_seen() -> None:
    kind = EventKind.CI_FAILING
    one, same = (trigger_of(event(kind, PullSeen(1, url, "h", "lint"))) for url in ("u", "v"))
    other = trigger_of(event(kind, PullSeen(1, "u", "h2", "lint")))
    assert one
    assert same
    assert other
    assert one.fingerprint == same.fingerprint != other.fingerprint
