"""From what was seen to what is true, tried in every order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ao_core.engine.case import Decided, Observation, Policy, Want
from ao_core.engine.decide import decide
from ao_core.engine.moves import asking
from ao_core.model.activity import INPUT_STALENESS, Activity, ActivityState, Source
from ao_core.model.attention import Attention, attention
from ao_core.model.event import EventKind as K
from ao_core.model.event import Said
from ao_core.model.remedy import remedy
from ao_core.model.session import (
    PrFacts,
    PrReason,
    PrState,
    RuntimeReason,
    RuntimeState,
    Session,
    Status,
    derive_status,
    is_terminal,
)
from ao_core.model.session import SessionReason as R
from ao_core.model.session import SessionState as S
from ao_core.model.standing import FIRM, Footing, Standing
from ao_core.model.work import Pull, PullState
from ao_core.slots.runtime import Seen
from ao_core.spool import HookEvent, HookKind
from books import START, a_session, over

POLICY = Policy()
LEGAL = {
    S.NOT_STARTED: {R.SPAWN_REQUESTED},
    S.WORKING: {R.AGENT_ACKNOWLEDGED, R.TASK_IN_PROGRESS, R.SPAWN_REQUESTED},
    S.IDLE: {R.TURN_ENDED, R.MERGED_WAITING_DECISION, R.PR_CLOSED_WAITING_DECISION},
    S.NEEDS_INPUT: {R.AWAITING_USER_INPUT, R.AWAITING_PERMISSION},
    S.STUCK: {R.NO_PROGRESS, R.PROBE_FAILURE},
    S.DETECTING: {R.PROBE_FAILURE},
    S.DONE: {R.RESEARCH_COMPLETE},
    S.TERMINATED: {R.AGENT_PROCESS_EXITED, R.RUNTIME_LOST},
}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def hook(kind: HookKind, seconds: float = 0, text: str | None = None, **more: str) -> HookEvent:
    return HookEvent(f"h{seconds}", kind, at(seconds), text, **more)


def shown(state: ActivityState, seconds: float, source: Source = Source.SCREEN) -> Activity:
    return Activity(state, at(seconds), source)


def pull(state: PullState, number: int = 1, head: str = "c1") -> Pull:
    return Pull(number, "work", f"pull/{number}", "ao/app-1-x", "main", head, state)


def look(session: Session, seconds: float, **seen: Any) -> Decided:
    if "hook" in seen:
        seen["hooks"] = (seen.pop("hook"),)
    return decide(session, Observation(at(seconds), **seen), POLICY)


def kinds(decided: Decided) -> list[K]:
    return [event.kind for event in decided.events]


def probed(session: Session, seconds: float, detail: str = "no answer") -> Decided:
    return look(session, seconds, seen=Seen(RuntimeState.PROBE_FAILED, detail=detail))


USUAL = {
    S.NOT_STARTED: R.SPAWN_REQUESTED,
    S.WORKING: R.TASK_IN_PROGRESS,
    S.IDLE: R.TURN_ENDED,
    S.NEEDS_INPUT: R.AWAITING_PERMISSION,
}
HEARD = [
    (HookKind.SESSION_STARTED, S.NOT_STARTED, S.WORKING, R.AGENT_ACKNOWLEDGED, Status.WORKING),
    (HookKind.SESSION_STARTED, S.IDLE, S.IDLE, R.TURN_ENDED, Status.IDLE),
    (HookKind.TURN_STARTED, S.IDLE, S.WORKING, R.TASK_IN_PROGRESS, Status.WORKING),
    (HookKind.ACCEPTED, S.IDLE, S.WORKING, R.TASK_IN_PROGRESS, Status.WORKING),
    (HookKind.TURN_ENDED, S.WORKING, S.IDLE, R.TURN_ENDED, Status.IDLE),
    (HookKind.WAITING_INPUT, S.WORKING, S.NEEDS_INPUT, R.AWAITING_USER_INPUT, Status.NEEDS_INPUT),
    (HookKind.ASKED, S.WORKING, S.NEEDS_INPUT, R.AWAITING_USER_INPUT, Status.NEEDS_INPUT),
    (HookKind.PERMISSION_ASKED, S.IDLE, S.NEEDS_INPUT, R.AWAITING_PERMISSION, Status.NEEDS_INPUT),
    (HookKind.PERMISSION_ENDED, S.NEEDS_INPUT, S.WORKING, R.TASK_IN_PROGRESS, Status.WORKING),
    (HookKind.BLOCKED, S.WORKING, S.STUCK, R.NO_PROGRESS, Status.STUCK),
    (HookKind.REPORTED, S.WORKING, S.WORKING, R.TASK_IN_PROGRESS, Status.WORKING),
    (HookKind.PULL_OPENED, S.IDLE, S.IDLE, R.TURN_ENDED, Status.IDLE),
]


@pytest.mark.parametrize(("kind", "before", "after", "reason", "status"), HEARD)
def test_a_hook_moves_the_session(
    kind: HookKind, before: S, after: S, reason: R, status: Status
) -> None:
    was = a_session(state=before, reason=USUAL[before])
    now = look(was, 1, hook=hook(kind, 1, "text")).session
    assert (now.facts.state, now.facts.reason, derive_status(now)) == (after, reason, status)


def test_every_hook_kind_is_in_the_table() -> None:
    assert {row[0] for row in HEARD} == set(HookKind)


SHOWN = [
    (ActivityState.ACTIVE, S.WORKING, K.SESSION_WORKING, Want.OUTBOX),
    (ActivityState.READY, S.IDLE, K.SESSION_IDLE, Want.PULL),
    (ActivityState.IDLE, S.IDLE, K.SESSION_IDLE, Want.PULL),
    (ActivityState.WAITING_INPUT, S.NEEDS_INPUT, K.SESSION_NEEDS_INPUT, Want.OUTBOX),
    (ActivityState.BLOCKED, S.STUCK, K.SESSION_STUCK, Want.OUTBOX),
    (ActivityState.EXITED, S.NOT_STARTED, None, None),
]


@pytest.mark.parametrize(("activity", "after", "kind", "want"), SHOWN)
def test_activity_moves_the_session_but_never_ends_it(
    activity: ActivityState, after: S, kind: K | None, want: Want | None
) -> None:
    was = a_session(state=S.NOT_STARTED, reason=R.SPAWN_REQUESTED)
    decided = look(was, 1, activity=shown(activity, 1))
    assert decided.session.facts.state is after
    assert kinds(decided) == ([kind] if kind else [])
    assert decided.wants == ({want} if want else frozenset())


def test_every_activity_is_in_the_table() -> None:
    assert {row[0] for row in SHOWN} == set(ActivityState)


LOOKED: list[tuple[RuntimeState, S, R, RuntimeReason, list[K]]] = [
    (RuntimeState.ALIVE, S.WORKING, R.TASK_IN_PROGRESS, RuntimeReason.PROCESS_RUNNING, []),
    (RuntimeState.EXITED, S.TERMINATED, R.AGENT_PROCESS_EXITED,
     RuntimeReason.PROCESS_EXITED, [K.SESSION_EXITED]),
    (RuntimeState.MISSING, S.TERMINATED, R.RUNTIME_LOST,
     RuntimeReason.RUNTIME_MISSING, [K.SESSION_KILLED]),
    (RuntimeState.PROBE_FAILED, S.DETECTING, R.PROBE_FAILURE,
     RuntimeReason.PROBE_ERROR, [K.SESSION_DETECTING]),
    (RuntimeState.UNKNOWN, S.WORKING, R.TASK_IN_PROGRESS, RuntimeReason.PROCESS_RUNNING, []),
]  # fmt: skip


@pytest.mark.parametrize(("seen", "state", "reason", "why", "events"), LOOKED)
def test_a_look_at_the_runtime_decides_about_life(
    seen: RuntimeState, state: S, reason: R, why: RuntimeReason, events: list[K]
) -> None:
    decided = look(a_session(), 1, seen=Seen(seen, exit_status=3))
    facts = decided.session.facts
    assert (facts.state, facts.reason, kinds(decided)) == (state, reason, events)
    assert decided.session.run.reason is why


def test_every_runtime_state_is_in_the_table() -> None:
    assert {row[0] for row in LOOKED} == set(RuntimeState)


def test_the_end_says_how_and_asks_for_the_pull_request() -> None:
    decided = look(a_session(question="?"), 1, seen=Seen(RuntimeState.EXITED, exit_signal=9))
    assert decided.session.facts.note == "its agent was ended by signal 9"
    assert decided.session.run.exit_signal == 9
    assert decided.session.question is None
    assert decided.wants == {Want.PULL}
    assert derive_status(decided.session) is Status.TERMINATED


PULLED = [
    (PrState.NONE, PullState.OPEN, PrState.OPEN, K.PR_CREATED, Status.PR_OPEN),
    (PrState.NONE, PullState.MERGED, PrState.MERGED, K.PR_MERGED, Status.MERGED),
    (PrState.NONE, PullState.CLOSED, PrState.CLOSED, K.PR_CLOSED, Status.IDLE),
    (PrState.OPEN, PullState.OPEN, PrState.OPEN, None, Status.PR_OPEN),
    (PrState.OPEN, PullState.MERGED, PrState.MERGED, K.PR_MERGED, Status.MERGED),
    (PrState.OPEN, PullState.CLOSED, PrState.CLOSED, K.PR_CLOSED, Status.IDLE),
    (PrState.CLOSED, PullState.OPEN, PrState.OPEN, K.PR_CREATED, Status.PR_OPEN),
    (PrState.CLOSED, PullState.MERGED, PrState.MERGED, K.PR_MERGED, Status.MERGED),
    (PrState.CLOSED, PullState.CLOSED, PrState.CLOSED, None, Status.IDLE),
    (PrState.MERGED, PullState.OPEN, PrState.MERGED, None, Status.MERGED),
    (PrState.MERGED, PullState.MERGED, PrState.MERGED, None, Status.MERGED),
    (PrState.MERGED, PullState.CLOSED, PrState.MERGED, None, Status.MERGED),
]


@pytest.mark.parametrize(("before", "seen", "after", "kind", "status"), PULLED)
def test_a_pull_request_moves_its_own_axis(
    before: PrState, seen: PullState, after: PrState, kind: K | None, status: Status
) -> None:
    known = PrFacts() if before is PrState.NONE else PrFacts(before, number=1, head="c1")
    was = a_session(state=S.IDLE, reason=R.TURN_ENDED, pr=known)
    decided = look(was, 1, pull=pull(seen))
    assert decided.session.pr.state is after
    assert [k for k in kinds(decided) if k.startswith("pr.")] == ([kind] if kind else [])
    assert derive_status(decided.session) is status


def test_new_commits_on_an_open_pull_request_are_told_and_judged_anew() -> None:
    known = PrFacts(PrState.OPEN, PrReason.APPROVED, 1, head="c1")
    decided = look(a_session(pr=known), 1, pull=pull(PullState.OPEN, head="c2"))
    assert kinds(decided) == [K.PR_UPDATED]
    assert decided.session.pr.reason is PrReason.IN_PROGRESS
    assert look(a_session(pr=known), 1, pull=pull(PullState.OPEN)).session.pr == known


def test_another_pull_request_after_a_merged_one_is_its_own() -> None:
    known = PrFacts(PrState.MERGED, PrReason.MERGED, 1, head="c1")
    decided = look(a_session(pr=known), 1, pull=pull(PullState.OPEN, 2, "c2"))
    assert (decided.session.pr.number, kinds(decided)) == (2, [K.PR_CREATED])


def test_a_merge_is_noted_where_it_was_waited_for_and_by_the_dead_as_well() -> None:
    merged = pull(PullState.MERGED)
    idle = look(a_session(state=S.IDLE, reason=R.TURN_ENDED), 1, pull=merged).session
    assert idle.facts.reason is R.MERGED_WAITING_DECISION
    working = look(a_session(), 1, pull=merged).session
    assert working.facts.state is S.WORKING
    ended = look(over(a_session()), 1, pull=merged).session
    assert (ended.facts.state, ended.pr.state) == (S.TERMINATED, PrState.MERGED)


def test_a_commit_is_recorded_once_and_the_base_never() -> None:
    was = a_session(base_commit="b0")
    assert look(was, 1, head="b0").session == was
    once = look(was, 1, head="c1")
    assert (once.session.commits, kinds(once)) == (("c1",), [K.SESSION_COMMITTED])
    assert kinds(look(once.session, 2, head="c1")) == []


def test_a_report_is_told_once() -> None:
    once = look(a_session(), 1, hook=hook(HookKind.REPORTED, 1, "half done"))
    assert once.events[0].body == Said("half done")
    assert kinds(look(once.session, 2, hook=hook(HookKind.REPORTED, 2, "half done"))) == []


@pytest.mark.parametrize("kind", [HookKind.TURN_STARTED, HookKind.ACCEPTED])
def test_the_beginning_of_a_turn_that_is_heard_late_does_not_end_the_wait_for_a_permission(
    kind: HookKind,
) -> None:
    waits, _ = asking(a_session(), "run", at(5))
    late = look(waits, 6, hook=hook(kind, 4))
    assert (late.session.facts, kinds(late)) == (waits.facts, [])
    assert late.session.activity == Activity(ActivityState.ACTIVE, at(4), Source.HOOK)
    assert look(waits, 6, hook=hook(kind, 5.5)).session.facts.state is S.WORKING
    set_back = look(waits, 3, hook=hook(kind, 2))
    assert set_back.session.facts.state is S.WORKING


def test_a_question_is_kept_until_it_is_answered() -> None:
    asked = look(a_session(), 1, hook=hook(HookKind.WAITING_INPUT, 1, "which one?")).session
    assert (asked.question, asked.facts.note) == ("which one?", "which one?")
    doubted = probed(asked, 2).session
    back = look(doubted, 3, seen=Seen(RuntimeState.ALIVE)).session
    assert (back.facts.state, back.facts.note) == (S.NEEDS_INPUT, "which one?")
    assert look(back, 4, hook=hook(HookKind.TURN_STARTED, 4)).session.question is None


# -- doubt ----------------------------------------------------------------------------------------


def test_a_probe_that_fails_holds_the_session_for_three_looks_then_it_is_stuck() -> None:
    session, states = a_session(), list[S]()
    for second in range(5):
        session = probed(session, second).session
        states.append(session.facts.state)
    assert states == [S.DETECTING] * 3 + [S.STUCK] * 2
    assert session.facts.reason is R.PROBE_FAILURE
    assert session.facts.note == "no answer"
    assert session.run.state is RuntimeState.PROBE_FAILED
    assert derive_status(session) is Status.STUCK


def test_a_probe_that_fails_holds_the_session_for_five_minutes_then_it_is_stuck() -> None:
    session = probed(a_session(), 0).session
    assert probed(session, 300).session.facts.state is S.DETECTING
    assert probed(session, 301).session.facts.state is S.STUCK


@pytest.mark.parametrize("seen", [None, Seen(RuntimeState.UNKNOWN)])
def test_doubt_ends_in_time_where_nothing_more_is_seen(seen: Seen | None) -> None:
    session = probed(a_session(), 0).session
    decided = look(session, 301, seen=seen)
    assert (decided.session.facts.state, kinds(decided)) == (S.STUCK, [K.SESSION_STUCK])


def test_other_evidence_begins_the_doubt_anew() -> None:
    session = a_session()
    for second, detail in enumerate(["no answer", "no answer", "no answer", "refused"]):
        session = probed(session, second, detail).session
    assert session.facts.state is S.DETECTING
    assert session.doubt is not None
    assert session.doubt.looks == 1


@pytest.mark.parametrize("looks", [1, 3, 6])
def test_a_look_that_succeeds_ends_the_doubt(looks: int) -> None:
    session = a_session()
    for second in range(looks):
        session = probed(session, second).session
    session = look(session, 10, seen=Seen(RuntimeState.ALIVE)).session
    assert (session.facts.state, session.doubt) == (S.WORKING, None)
    assert session.run.state is RuntimeState.ALIVE


def test_a_long_silence_is_told_once_and_ends_with_a_sign_of_life() -> None:
    known = a_session(activity=shown(ActivityState.ACTIVE, 60, Source.HOOK))
    assert look(known, 660, sign=at(0)).session.facts.state is S.WORKING
    stuck = look(known, 661, sign=at(0))
    assert (stuck.session.facts.reason, kinds(stuck)) == (R.NO_PROGRESS, [K.SESSION_STUCK])
    assert kinds(look(stuck.session, 700, sign=at(0))) == []
    alive = look(stuck.session, 701, hook=hook(HookKind.TURN_STARTED, 701)).session
    assert alive.facts.state is S.WORKING


def test_output_and_processor_time_are_signs_of_life_too() -> None:
    assert look(a_session(), 1300, sign=at(700)).session.facts.state is S.WORKING
    stuck = look(a_session(), 1301, sign=at(700))
    assert stuck.session.facts.state is S.STUCK
    assert "10 minutes" in (stuck.session.facts.note or "")
    again = look(stuck.session, 1310, sign=at(1305))
    assert (again.session.facts.state, kinds(again)) == (S.WORKING, [K.SESSION_WORKING])


def test_nobody_is_called_silent_whom_nobody_looked_at() -> None:
    assert look(a_session(), 9e6, head="c1").session.facts.state is S.WORKING


def test_who_says_that_it_is_blocked_is_believed_whatever_moves() -> None:
    blocked = look(a_session(), 1, hook=hook(HookKind.BLOCKED, 1, "no disk")).session
    assert look(blocked, 9, sign=at(9)).session == blocked


def test_patience_is_as_the_policy_has_it() -> None:
    hasty = Policy(silence=timedelta(seconds=30))
    decided = decide(a_session(), Observation(at(31), sign=at(0)), hasty)
    assert decided.session.facts.note == "no hook, no output and no processor time for 0.5 minutes"


def test_whatever_is_doubted_doubt_ends_in_time_and_only_what_tells_something_ends_that() -> None:
    session = a_session()
    for second in range(0, 320, 10):
        session = probed(session, second, f"odd {second}").session
    assert session.facts.state is S.STUCK
    assert kinds(probed(session, 400, "odder")) == []
    assert look(session, 410, seen=Seen(RuntimeState.ALIVE)).session.facts.state is S.WORKING


def test_what_its_runtime_was_lost_by_is_told() -> None:
    detail, why = "the machine was started anew", RuntimeReason.REBOOTED
    decided = look(a_session(), 1, seen=Seen(RuntimeState.MISSING, detail=detail, reason=why))
    session = decided.session
    assert (session.facts.reason, session.run.reason) == (R.RUNTIME_LOST, RuntimeReason.REBOOTED)
    assert attention(session) == (Attention.LEAD, f"{detail}; restore it")
    assert kinds(decided) == [K.SESSION_KILLED]


# -- where its work is ----------------------------------------------------------------------------


REMOVED = Standing(Footing.REMOVED)


def test_a_work_tree_that_is_gone_is_told_once_and_the_status_says_so_until_it_is_back() -> None:
    gone = look(a_session(), 1, standing=REMOVED)
    assert kinds(gone) == [K.WORKSPACE_ASTRAY]
    assert kinds(look(gone.session, 2, standing=REMOVED)) == []
    talks = look(gone.session, 3, hook=hook(HookKind.TURN_ENDED, 3)).session
    assert derive_status(talks) is Status.STUCK
    assert attention(talks) == (Attention.LEAD, "its work tree was removed")
    assert "`restore`" in (remedy(talks) or "")
    back = look(talks, 4, standing=FIRM)
    assert (derive_status(back.session), kinds(back)) == (Status.IDLE, [K.WORKSPACE_FOUND])


def test_who_works_elsewhere_goes_on_working_and_somebody_is_told() -> None:
    session = a_session(branch="ao/app-1-x", path="/w/app-1", base_commit="b0")
    for standing, told in (
        (Standing(Footing.MOVED, "/tmp/w"), "`git worktree move -f -f /tmp/w /w/app-1`"),
        (Standing(Footing.SWITCHED, "main"), "`git switch ao/app-1-x`"),
        (Standing(Footing.BRANCH_GONE), "`git branch ao/app-1-x b0`"),
    ):
        astray = look(session, 1, standing=standing).session
        assert derive_status(astray) is Status.WORKING
        assert attention(astray) == (Attention.LEAD, standing.told(session.branch))
        assert told in (remedy(astray) or "")
        assert is_terminal(look(astray, 2, seen=Seen(RuntimeState.MISSING)).session)


# -- stronger and weaker, earlier and later -------------------------------------------------------


WEAKER = [Source.NATIVE, Source.LOG, Source.SCREEN, Source.PROCESS]
OTHER = [ActivityState.ACTIVE, ActivityState.READY, ActivityState.IDLE, ActivityState.BLOCKED]


@pytest.mark.parametrize("asking", [HookKind.WAITING_INPUT, HookKind.PERMISSION_ASKED])
@pytest.mark.parametrize("source", WEAKER)
@pytest.mark.parametrize("state", OTHER)
def test_a_fresh_question_is_not_lost_to_weaker_evidence(
    asking: HookKind, source: Source, state: ActivityState
) -> None:
    asked = look(a_session(), 1, hook=hook(asking, 1, "?")).session
    for second in (2, 3):
        decided = look(asked, second, activity=shown(state, second, source))
        assert decided.session.facts.state is S.NEEDS_INPUT
        assert decided.events == ()


def test_an_old_question_gives_way_to_work_but_never_to_quiet() -> None:
    asked = look(a_session(), 0, hook=hook(HookKind.WAITING_INPUT, 0, "?")).session
    late = INPUT_STALENESS.total_seconds() + 1
    quiet = look(asked, late, activity=shown(ActivityState.IDLE, late)).session
    assert quiet.facts.state is S.NEEDS_INPUT
    busy = look(quiet, late + 1, activity=shown(ActivityState.ACTIVE, late + 1)).session
    assert busy.facts.state is S.WORKING


def test_a_question_that_only_the_screen_showed_goes_when_the_screen_shows_it_no_more() -> None:
    asked = look(a_session(), 1, activity=shown(ActivityState.WAITING_INPUT, 1)).session
    assert look(asked, 2, activity=shown(ActivityState.READY, 2)).session.facts.state is S.IDLE


@pytest.mark.parametrize("state", ActivityState)
def test_evidence_older_than_what_is_known_changes_nothing(state: ActivityState) -> None:
    known = look(a_session(), 10, hook=hook(HookKind.TURN_ENDED, 10)).session
    assert look(known, 11, activity=shown(state, 10)).session == known
    assert look(known, 11, activity=shown(state, 5)).session == known


@pytest.mark.parametrize("source", [Source.NATIVE, Source.LOG, Source.SCREEN])
def test_a_turn_that_hooks_began_ends_by_a_hook_not_by_a_quiet_log(source: Source) -> None:
    session = look(a_session(), 0, hooks=(hook(HookKind.TURN_STARTED),)).session
    decided = look(session, 60, activity=shown(ActivityState.READY, 40, source))
    assert decided.session.facts.state is S.WORKING
    assert decided.events == ()


def test_a_hook_that_arrives_late_does_not_undo_what_came_after_it() -> None:
    idle = look(a_session(), 3, hook=hook(HookKind.TURN_ENDED, 3, "done")).session
    late = look(idle, 4, hook=hook(HookKind.TURN_STARTED, 2, native_id="n1"))
    assert (late.session.facts.state, late.events) == (S.IDLE, ())
    assert late.session.native_id == "n1"


@pytest.mark.parametrize("ahead", [hook(HookKind.TURN_STARTED, 9e8), None])
def test_a_time_that_has_not_come_yet_is_not_believed(ahead: HookEvent | None) -> None:
    if ahead:
        session = look(a_session(), 1, hook=ahead).session
    else:
        session = look(a_session(), 1, activity=shown(ActivityState.ACTIVE, 9e8)).session
    assert session.activity is not None
    assert session.activity.at == at(1)
    assert look(session, 2, hook=hook(HookKind.TURN_ENDED, 2)).session.facts.state is S.IDLE
    assert look(session, 700, sign=at(0)).session.facts.state is S.STUCK


# -- any observations in any order ----------------------------------------------------------------

SECONDS = st.integers(0, 900)
TEXTS = st.sampled_from([None, "a", "b"])
SEEN = st.builds(Seen, st.sampled_from(RuntimeState), detail=TEXTS)
DEATHLESS = SEEN.filter(lambda seen: seen.state not in (RuntimeState.EXITED, RuntimeState.MISSING))
SHOWS = st.builds(
    Activity, st.sampled_from(ActivityState), SECONDS.map(at), st.sampled_from(WEAKER), TEXTS
)
PULLS = st.builds(pull, st.sampled_from(PullState), st.integers(1, 2), st.sampled_from("cd"))
HEADS = st.sampled_from(["b0", "c", "d"])
STANDINGS = st.builds(Standing, st.sampled_from(Footing))
HOOKS = st.builds(hook, st.sampled_from(HookKind), SECONDS, TEXTS)


def is_report(one: HookEvent) -> bool:
    return one.kind is HookKind.REPORTED


def in_order(hooks: Sequence[HookEvent]) -> tuple[HookEvent, ...]:
    return tuple(sorted(hooks, key=lambda one: one.at))


BATCH = st.lists(
    HOOKS.filter(lambda one: not is_report(one)), max_size=3, unique_by=lambda one: one.at
).map(in_order)
REPORT = HOOKS.filter(is_report).map(lambda one: (one,))


def observations(seen: st.SearchStrategy[Seen] = SEEN) -> st.SearchStrategy[Observation]:
    """As the loop makes them: what hooks say, or else what is shown."""
    when, seen_or_not = SECONDS.map(at), st.none() | seen
    pulls, heads = st.none() | PULLS, st.none() | HEADS
    more = {"sign": st.none() | SECONDS.map(at), "standing": st.none() | STANDINGS}
    heard = st.builds(
        Observation, when, seen_or_not, BATCH | REPORT, st.none(), pulls, heads, **more
    )  # fmt: skip
    shows = st.builds(
        Observation, when, seen_or_not, st.just(()), st.none() | SHOWS, pulls, heads, **more
    )  # fmt: skip
    return heard | shows


MANY = st.lists(observations(), min_size=1, max_size=8)
BEGINNINGS = st.sampled_from(
    [a_session(base_commit="b0"), a_session(state=S.NOT_STARTED, reason=R.SPAWN_REQUESTED)]
)


@settings(max_examples=150, deadline=None)
@given(BEGINNINGS, MANY)
def test_no_order_of_observations_breaks_what_must_hold(
    session: Session, seen: Sequence[Observation]
) -> None:
    for one in seen:
        before, shown = session, repr((session, one))
        decided = decide(session, one, POLICY)
        assert decided == decide(session, one, POLICY)
        assert repr((before, one)) == shown
        session = decided.session
        holds(before, one, decided)


def holds(before: Session, seen: Observation, decided: Decided) -> None:
    after = decided.session
    assert after.facts.reason in LEGAL[after.facts.state]
    assert (after.doubt is not None) <= (after.facts.state in (S.DETECTING, S.STUCK))
    assert after.facts.state is not S.DETECTING or after.doubt is not None
    moves = [event for event in decided.events if event.kind.startswith("session.")]
    assert before.facts == after.facts or moves
    if is_terminal(before):
        assert before.facts == after.facts
        assert moves == []
    if before.pr.state is PrState.MERGED and after.pr.number == before.pr.number:
        assert after.pr == before.pr
    assert decide(after, seen, POLICY).events == () or counts(seen)
    assert derive_status(after) in Status


def counts(seen: Observation) -> bool:
    """Each look that fails counts, so that doubt ends; of the future no order is known."""
    failed = seen.seen is not None and seen.seen.state is RuntimeState.PROBE_FAILED
    return failed or any(one.at > seen.at for one in seen.hooks)


@settings(max_examples=50, deadline=None)
@given(st.lists(observations(DEATHLESS), min_size=1, max_size=8))
def test_only_a_death_that_was_seen_ends_a_session(seen: Sequence[Observation]) -> None:
    session = a_session()
    for one in seen:
        session = decide(session, one, POLICY).session
        assert not is_terminal(session)


@settings(max_examples=50, deadline=None)
@given(MANY, st.sampled_from([S.DONE, S.TERMINATED]))
def test_what_has_ended_is_revived_by_nothing(seen: Sequence[Observation], state: S) -> None:
    session = ended = replace(
        over(a_session()), facts=replace(over(a_session()).facts, state=state)
    )
    for one in seen:
        decided = decide(session, one, POLICY)
        session = decided.session
        assert replace(session, pr=ended.pr, merged_as=None) == ended
        assert all(event.kind.startswith("pr.") for event in decided.events)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=10))
def test_doubt_never_outlasts_its_looks_or_its_time(times: list[int]) -> None:
    session, first = a_session(), min(times)
    for count, second in enumerate(sorted(times), start=1):
        session = probed(session, second).session
        worn = count > POLICY.looks or second - first > POLICY.doubt.total_seconds()
        assert session.facts.state is (S.STUCK if worn else S.DETECTING)


def test_an_agent_that_came_up_and_began_nothing_is_idle() -> None:
    was = a_session(state=S.WORKING, reason=R.SPAWN_REQUESTED)
    up = look(was, 1, hook=hook(HookKind.SESSION_STARTED, 1)).session
    alive = Seen(RuntimeState.ALIVE)
    assert look(up, 3, seen=alive).session.facts.state is S.WORKING
    rests = look(up, 10, seen=alive)
    assert (rests.session.facts.state, kinds(rests)) == (S.IDLE, [K.SESSION_IDLE])
    begun = look(up, 2, hook=hook(HookKind.TURN_STARTED, 2)).session
    assert look(begun, 10, seen=alive).session.facts.state is S.WORKING
