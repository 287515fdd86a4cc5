"""Lives of sessions, tried at random: what is seen comes late, twice and in any order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from ao_core.engine.case import Decided, Observation, Policy
from ao_core.engine.decide import decide
from ao_core.engine.moves import ended
from ao_core.engine.pausing import going_on, pausing
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.event import Ended, EventKind, Moved, NewEvent
from ao_core.model.judgement import Judgement
from ao_core.model.pause import Paused, PauseReason
from ao_core.model.session import (
    GONE,
    TERMINAL_STATES,
    PrReason,
    PrState,
    RuntimeFacts,
    RuntimeHandle,
    RuntimeReason,
    RuntimeState,
    Session,
    SessionFacts,
    is_terminal,
    worked,
)
from ao_core.model.session import SessionReason as R
from ao_core.model.session import SessionState as S
from ao_core.model.standing import FIRM, Footing, Standing
from ao_core.model.work import Check, CheckState, Pull, PullState, ReviewDecision
from ao_core.slots.runtime import Seen
from ao_core.spool import HookEvent, HookKind
from books import START, a_session

LIVE = frozenset({S.WORKING, S.IDLE, S.NEEDS_INPUT, S.STUCK, S.DETECTING})
ENDS = frozenset({S.TERMINATED})
# What an observation may lead to. A start is never gone back to: only `restore` does that.
ALLOWED = {
    S.NOT_STARTED: LIVE | ENDS,
    S.WORKING: LIVE | ENDS,
    S.IDLE: LIVE | ENDS,
    S.NEEDS_INPUT: LIVE | ENDS,
    S.STUCK: LIVE | ENDS,
    S.DETECTING: LIVE | ENDS,
    S.DONE: frozenset[S](),
    S.TERMINATED: frozenset[S](),
}
DEATHS = {
    R.AGENT_PROCESS_EXITED: EventKind.SESSION_EXITED,
    R.RUNTIME_LOST: EventKind.SESSION_KILLED,
}
STOOD = {True: EventKind.WORKSPACE_FOUND, False: EventKind.WORKSPACE_ASTRAY}

_OVER = {PrReason.MERGED, PrReason.CLOSED_UNMERGED}
REASONS = {
    PrState.NONE: {PrReason.NOT_CREATED, PrReason.CLEARED_ON_RESTORE},
    PrState.OPEN: set(PrReason) - _OVER - {PrReason.NOT_CREATED, PrReason.CLEARED_ON_RESTORE},
    PrState.MERGED: {PrReason.MERGED},
    PrState.CLOSED: {PrReason.CLOSED_UNMERGED},
}

# -- what may be seen -----------------------------------------------------------------------------

PAUSES = st.integers(0, 400)
AGES = st.integers(0, 900)
TEXTS = st.sampled_from([None, "a", "b"])
POLICIES = st.builds(
    Policy,
    looks=st.integers(1, 5),
    doubt=st.timedeltas(timedelta(seconds=1), timedelta(minutes=10)),
    silence=st.sampled_from([1, 60, 600]).map(lambda seconds: timedelta(seconds=seconds)),
    rest=st.timedeltas(timedelta(), timedelta(seconds=30)),
)


@dataclass(frozen=True)
class Glance:
    """An observation that still has to be given its time: ages are seconds before it."""

    runtime: Seen | None
    hooks: tuple[tuple[HookKind, int, str | None], ...]
    activity: tuple[ActivityState, int, Source, str | None] | None
    pull: tuple[PullState, int, str] | None
    head: str | None
    judgement: Judgement | None = None
    sign: int | None = None
    standing: Standing | None = None

    def made(self, seconds: int, generation: int) -> Observation:
        """As it was made then."""
        now = START + timedelta(seconds=seconds)
        hooks = sorted(self.hooks, key=lambda one: -one[1])
        return Observation(
            now, self.runtime,
            tuple(
                HookEvent(f"{seconds}-{age}", kind, now - timedelta(seconds=age), text)
                for kind, age, text in hooks
            ),
            _activity(self.activity, seconds), _pull(self.pull), self.head,
            sign=None if self.sign is None else now - timedelta(seconds=self.sign),
            standing=self.standing, generation=generation, judgement=self.judgement,
        )  # fmt: skip


def _activity(
    told: tuple[ActivityState, int, Source, str | None] | None, seconds: int
) -> Activity | None:
    if told is None:
        return None
    state, age, source, detail = told
    return Activity(state, START + timedelta(seconds=seconds - age), source, detail)


def _pull(told: tuple[PullState, int, str] | None) -> Pull | None:
    if told is None:
        return None
    state, number, head = told
    return Pull(number, "work", f"pull/{number}", "ao/app-1-x", "main", head, state)


RUNTIMES = st.builds(
    Seen, st.sampled_from(RuntimeState), exit_status=st.none() | st.integers(0, 2), detail=TEXTS
)
ALIVE_OR_UNSURE = RUNTIMES.filter(lambda seen: seen.state not in GONE)
WEAKER = [Source.NATIVE, Source.LOG, Source.SCREEN, Source.PROCESS]
ONE_HOOK = st.tuples(
    st.sampled_from([kind for kind in HookKind if kind is not HookKind.REPORTED]), AGES, TEXTS
)
REPORT = st.tuples(st.just(HookKind.REPORTED), AGES, TEXTS)
HOOKS = (
    st.lists(ONE_HOOK, max_size=3, unique_by=lambda one: one[1]).map(tuple)
    | REPORT.map(lambda one: (one,))
)  # fmt: skip
ACTIVITIES = st.none() | st.tuples(
    st.sampled_from(ActivityState), AGES, st.sampled_from(WEAKER), TEXTS
)
PULLS = st.none() | st.tuples(st.sampled_from(PullState), st.integers(1, 2), st.sampled_from("cd"))
HEADS = st.sampled_from([None, None, "b0", "c", "d"])
JUDGEMENTS = st.none() | st.builds(
    Judgement, st.sampled_from("cd"),
    st.builds(Check, st.just("lint"), st.sampled_from(CheckState)).map(lambda one: (one,)),
    st.sampled_from(ReviewDecision), conflicts=st.sampled_from([None, True, False]),
    mergeable=st.booleans(),
)  # fmt: skip
SIGNS = st.none() | AGES
STANDINGS = st.none() | st.sampled_from(
    [FIRM, *(Standing(footing, where) for footing in Footing for where in ("", "x"))]
)
LIVES = st.none() | st.just(Seen(RuntimeState.ALIVE))
QUIET = st.builds(
    Glance, LIVES, st.just(()), st.none(), st.none(), st.none(), sign=AGES, standing=STANDINGS
)


def glances(runtimes: st.SearchStrategy[Seen] = RUNTIMES) -> st.SearchStrategy[Glance]:
    """As the loop makes them: what hooks say, or else what one that lives shows."""
    beside = (PULLS, HEADS, JUDGEMENTS, SIGNS, STANDINGS)
    heard = st.builds(Glance, st.none() | runtimes, HOOKS, st.none(), *beside)
    shown = st.builds(Glance, LIVES, st.just(()), ACTIVITIES, *beside)
    return heard | shown | QUIET


# -- what must hold of every single step ----------------------------------------------------------


def steps_of(events: Sequence[NewEvent]) -> Iterator[tuple[S | None, S, str]]:
    """How the events say that the session axis moved: from where, to where, and why."""
    for event in events:
        if isinstance(event.body, Moved):
            yield S(event.body.before), S(event.body.after), event.body.reason
        elif isinstance(event.body, Ended):
            yield None, S.TERMINATED, event.body.reason


def check(before: Session, seen: Observation, decided: Decided, policy: Policy) -> None:
    told_as_moved(before, decided)
    for_a_cause(before, seen, decided, policy)
    beside_the_facts(before, seen, decided)
    where_it_stands(before, seen, decided)
    for_its_silence(before, seen, decided, policy)
    for_its_signs(before, seen, decided)
    assert decided == decide(before, seen, policy)


def told_as_moved(before: Session, decided: Decided) -> None:
    """The events, read one after the other, lead from the old facts to the new ones."""
    state, reason = before.facts.state, str(before.facts.reason)
    for was, now, why in steps_of(decided.events):
        assert was in (None, state)
        assert now in ALLOWED[state], f"{state} -> {now}"
        state, reason = now, why
    after = decided.session.facts
    assert (state, reason) == (after.state, str(after.reason))
    assert (after == before.facts) or list(steps_of(decided.events))


def for_a_cause(before: Session, seen: Observation, decided: Decided, policy: Policy) -> None:
    """Nothing ends but by a death that was seen of this very agent; doubt is of a failed look."""
    after, mine = decided.session.facts, seen.generation == before.generation
    look = seen.seen if mine and before.run.handle is not None else None
    state = look.state if look else None
    if after.state in TERMINAL_STATES and not is_terminal(before):
        assert state in GONE
        assert DEATHS[after.reason] in [event.kind for event in decided.events]
    if not is_terminal(before):
        assert (state in GONE) == (after.state is S.TERMINATED)
    reached = {now for _, now, _ in steps_of(decided.events)}
    if S.DETECTING in reached:
        assert state is RuntimeState.PROBE_FAILED
    if S.NEEDS_INPUT in reached and state is not RuntimeState.ALIVE:
        assert mine
        assert seen.hooks or seen.activity
    doubt = decided.session.doubt
    assert (doubt is None) <= (after.state is not S.DETECTING)
    if after.state is S.DETECTING and doubt is not None and state is RuntimeState.PROBE_FAILED:
        assert doubt.looks <= policy.looks
        assert seen.at - doubt.since <= policy.doubt


def beside_the_facts(before: Session, seen: Observation, decided: Decided) -> None:
    """Commits and pull requests are told of exactly when they changed, and nothing else moves."""
    after, kinds = decided.session, [event.kind for event in decided.events]
    assert (after.commits != before.commits) == (EventKind.SESSION_COMMITTED in kinds)
    told = [kind for kind in kinds if kind.startswith("pr.")]
    assert len(told) == (_pull_of(after) != _pull_of(before))
    judged = [one for one in kinds if one.startswith(("ci.", "review.", "merge.", "automated"))]
    assert not judged or (seen.judgement is not None and after.pr != before.pr)
    assert after.pr.reason in REASONS[after.pr.state]
    assert after.generation == before.generation
    assert after.run.handle == before.run.handle
    assert after.paused == before.paused
    if before.paused is not None and before.paused.since <= seen.at:
        assert worked(after, seen.at) == worked(before, seen.at)
    if is_terminal(before):
        assert replace(after, pr=before.pr, merged_as=before.merged_as) == before
    if seen.generation != before.generation:
        assert (after.activity, after.run) == (before.activity, before.run)
        assert after.standing == before.standing


def where_it_stands(before: Session, seen: Observation, decided: Decided) -> None:
    """It is where it was seen last, which is told when it changes."""
    looked = seen.generation == before.generation and not is_terminal(before)
    found = seen.standing if looked and seen.standing is not None else before.standing
    assert decided.session.standing == found
    told = [event.kind for event in decided.events if event.kind in STOOD.values()]
    assert told == ([STOOD[found.is_firm]] if found != before.standing else [])


def for_its_silence(before: Session, seen: Observation, decided: Decided, policy: Policy) -> None:
    """Who is found to hang was at work, is not paused, and has moved nothing for long enough."""
    after, mine = decided.session, seen.generation == before.generation
    if is_silent(after) and after.facts != before.facts:
        assert mine
        assert before.facts.state is S.WORKING
        assert before.paused is None
        assert seen.sign is not None
        known = after.activity.at if after.activity else before.facts.since
        assert seen.at - max(seen.sign, before.facts.since, known) > policy.silence
    if mine and says_nothing(seen) and is_at_work(before) and before.paused is None:
        known = before.activity.at if before.activity else before.facts.since
        last = max(seen.sign or seen.at, before.facts.since, known)
        assert is_silent(after) is (seen.at - last > policy.silence)


def for_its_signs(before: Session, seen: Observation, decided: Decided) -> None:
    """Who was thought to hang works again as soon as it moves, and only then."""
    after, known = decided.session, before.activity
    blocked = known is not None and known.state is ActivityState.BLOCKED
    hangs = (before.facts.state, before.facts.reason) == (S.STUCK, R.NO_PROGRESS)
    if not hangs or not says_nothing(seen):
        return
    mine = seen.generation == before.generation
    moves = mine and seen.sign is not None and before.facts.since < min(seen.sign, seen.at)
    assert (after.facts.state is S.WORKING) is (moves and not blocked)


def is_silent(session: Session) -> bool:
    """Whether it was found to hang: one that says so itself has other words for it."""
    return session.facts.state is S.STUCK and (session.facts.note or "").startswith("no hook")


def is_at_work(session: Session) -> bool:
    return (session.facts.state, session.facts.reason) == (S.WORKING, R.TASK_IN_PROGRESS)


def says_nothing(seen: Observation) -> bool:
    """Whether it was only seen to be there."""
    lives = seen.seen is None or seen.seen.state is RuntimeState.ALIVE
    return lives and not seen.hooks and seen.activity is None


def _pull_of(session: Session) -> tuple[object, ...]:
    return session.pr.state, session.pr.number, session.pr.url, session.pr.head


def settled(session: Session, seen: Observation, policy: Policy) -> Session:
    """What comes of the same look again and again: at most the end of a doubt, then nothing."""
    doubts = seen.seen is not None and seen.seen.state is RuntimeState.PROBE_FAILED
    told: list[NewEvent] = []
    for _ in range(policy.looks + 2):
        again = decide(session, seen, policy)
        session, told = again.session, [*told, *again.events]
    assert len(told) <= doubts
    assert all(now is S.STUCK for _, now, _ in steps_of(told))
    last = decide(session, seen, policy)
    assert last.events == ()
    assert last.wants == frozenset()
    assert replace(last.session, doubt=session.doubt) == session
    return session


# -- whole lives ----------------------------------------------------------------------------------


class Life(RuleBasedStateMachine):
    """One session: looked at, killed, restored; and looks of before that arrive only now."""

    session: Session
    policy: Policy

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0
        self.past: list[Observation] = []
        self.began_over = 0

    @initialize(policy=POLICIES)
    def begin(self, policy: Policy) -> None:
        self.policy = policy
        self.session = replace(
            a_session(state=S.NOT_STARTED, reason=R.SPAWN_REQUESTED, base_commit="b0"),
            generation=1,
        )

    def take(self, seen: Observation) -> None:
        before = self.session
        decided = decide(before, seen, self.policy)
        check(before, seen, decided, self.policy)
        self.session = decided.session

    @rule(glance=glances(), pause=PAUSES)
    def look(self, glance: Glance, pause: int) -> None:
        self.seconds += pause
        seen = glance.made(self.seconds, self.session.generation)
        self.past.append(seen)
        self.take(seen)

    @rule(glance=glances(ALIVE_OR_UNSURE), pause=PAUSES)
    def look_at_one_that_lives(self, glance: Glance, pause: int) -> None:
        self.look(glance, pause)

    @rule(glance=QUIET, pause=PAUSES)
    def see_only_that_it_is_there(self, glance: Glance, pause: int) -> None:
        self.look(glance, pause)

    @precondition(lambda self: self.past)
    @rule()
    def look_again(self) -> None:
        self.take(self.past[-1])
        self.session = settled(self.session, self.past[-1], self.policy)

    @precondition(lambda self: self.past)
    @rule(data=st.data())
    def hear_of_what_was_seen_before(self, data: st.DataObject) -> None:
        self.take(data.draw(st.sampled_from(self.past)))

    @precondition(lambda self: not is_terminal(self.session))
    @rule()
    def kill(self) -> None:
        at = START + timedelta(seconds=self.seconds)
        kind, why = EventKind.SESSION_KILLED, R.MANUALLY_KILLED
        self.session, _ = ended(self.session, why, at, kind)

    @rule(why=st.sampled_from(PauseReason))
    def pause(self, why: PauseReason) -> None:
        at = START + timedelta(seconds=self.seconds)
        if step := pausing(self.session, Paused(why, at, "c1")):
            self.session = step.value

    @precondition(lambda self: self.session.paused and not is_terminal(self.session))
    @rule()
    def resume(self) -> None:
        at = START + timedelta(seconds=self.seconds)
        before, self.session = self.session, going_on(self.session, at)
        assert self.session.paused is None
        assert worked(self.session, at) == worked(before, at)

    @precondition(lambda self: is_terminal(self.session))
    @rule(up=st.booleans())
    def restore(self, up: bool) -> None:
        """As `restore` begins anew; with a handle once the new agent is up."""
        at = START + timedelta(seconds=self.seconds)
        handle = RuntimeHandle("app-1", "double", (("life", str(self.session.generation)),))
        up_run = RuntimeFacts(RuntimeState.ALIVE, RuntimeReason.PROCESS_RUNNING, handle)
        self.session = replace(
            self.session, facts=SessionFacts(S.NOT_STARTED, R.SPAWN_REQUESTED, at),
            run=up_run if up else RuntimeFacts(), activity=None, doubt=None, question=None,
            asked_at=None, word=None, standing=FIRM,
            generation=self.session.generation + 1,
        )  # fmt: skip
        self.began_over += 1

    @invariant()
    def nothing_else_revives(self) -> None:
        assert self.session.generation == 1 + self.began_over

    @invariant()
    def when_it_asked_is_known_only_while_it_asks(self) -> None:
        assert self.session.question is not None or self.session.asked_at is None


Life.TestCase.settings = settings(max_examples=120, stateful_step_count=25, deadline=None)
TestLife = Life.TestCase


# -- said by itself, so that a failure names what broke -------------------------------------------


@settings(max_examples=80, deadline=None)
@given(st.lists(glances(), min_size=1, max_size=6), POLICIES)
def test_what_was_seen_of_the_agent_before_a_restore_says_nothing_of_the_one_after_it(
    seen: Sequence[Glance], policy: Policy
) -> None:
    session = restored = replace(a_session(), generation=2)
    for count, glance in enumerate(seen):
        old = replace(glance.made(count, 1), pull=None, head=None)
        decided = decide(session, old, policy)
        assert decided.events == ()
        session = decided.session
        assert (session.run, session.activity) == (restored.run, restored.activity)
        assert session.standing == restored.standing
    assert not is_terminal(session)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(TEXTS, PAUSES), min_size=1, max_size=12), POLICIES)
def test_probes_that_fail_never_end_a_session_however_many(
    failures: Sequence[tuple[str | None, int]], policy: Policy
) -> None:
    session, seconds, told = replace(a_session(), generation=1), 0, list[NewEvent]()
    same, last = 0, ""
    for detail, pause in failures:
        seconds += pause
        same, last = (same + 1 if repr(detail) == last else 1), repr(detail)
        failed = Seen(RuntimeState.PROBE_FAILED, detail=detail)
        seen = Glance(failed, (), None, None, None).made(seconds, 1)
        decided = decide(session, seen, policy)
        session, told = decided.session, [*told, *decided.events]
        assert session.facts.state in (S.DETECTING, S.STUCK)
        assert session.run.state is RuntimeState.PROBE_FAILED
        assert same <= policy.looks or session.facts.state is S.STUCK
    assert not any(isinstance(event.body, Ended) for event in told)


# a hook is lost, and only the agent's log says that its turn has ended
LOST_WORD = [
    Glance(None, (), None, None, None),
    Glance(None, ((HookKind.SESSION_STARTED, 1, None),), None, None, None),
    Glance(None, (), (ActivityState.READY, 0, Source.NATIVE, None), None, None, sign=2),
]
HASTY = Policy(1, timedelta(seconds=1), timedelta(seconds=1), timedelta())


@settings(max_examples=120, deadline=None)
@given(st.lists(glances(), min_size=1, max_size=8), PAUSES, POLICIES)
@example(LOST_WORD, 1, HASTY)
def test_an_observation_that_was_taken_in_changes_nothing_when_it_comes_again(
    seen: Sequence[Glance], pause: int, policy: Policy
) -> None:
    session, seconds = replace(a_session(base_commit="b0"), generation=1), 0
    for glance in seen:
        seconds += pause
        one = glance.made(seconds, 1)
        session = settled(decide(session, one, policy).session, one, policy)


@settings(max_examples=80, deadline=None)
@given(st.permutations(range(6)), POLICIES)
def test_a_death_is_told_once_in_whatever_order_the_looks_arrive(
    order: Sequence[int], policy: Policy
) -> None:
    states = [*RuntimeState, RuntimeState.EXITED]
    session, deaths = replace(a_session(), generation=1), 0
    for place in order:
        glance = Glance(Seen(states[place]), (), None, None, None)
        decided = decide(session, glance.made(place, 1), policy)
        session = decided.session
        deaths += sum(isinstance(event.body, Ended) for event in decided.events)
    assert deaths == 1
    assert is_terminal(session)


def asked(at: datetime) -> Paused:
    return Paused(PauseReason.ASKED, at, "c1")


TURNS = st.builds(
    Glance, st.none(), AGES.map(lambda age: ((HookKind.TURN_STARTED, age, None),)),
    st.none(), st.none(), st.none(),
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(QUIET | TURNS, st.integers(1, 400), st.booleans())), POLICIES)
def test_one_that_was_paused_is_given_its_whole_time_again(
    looks: Sequence[tuple[Glance, int, bool]], policy: Policy
) -> None:
    session, seconds, resumed = replace(a_session(), generation=1), 0, 0
    for glance, pause, turns in looks:
        seconds += pause
        at = START + timedelta(seconds=seconds)
        if turns and session.paused is None and (step := pausing(session, asked(at))):
            session = step.value
        elif turns:
            session, resumed = going_on(session, at), seconds
        was, seen = session, glance.made(seconds, 1)
        decided = decide(was, seen, policy)
        check(was, seen, decided, policy)
        session = decided.session
        if is_silent(session) and not is_silent(was):
            assert timedelta(seconds=seconds - resumed) > policy.silence


TOLD = st.sampled_from([
    HookKind.TURN_STARTED, HookKind.TURN_ENDED, HookKind.WAITING_INPUT, HookKind.BLOCKED
])  # fmt: skip
SAYS = [state for state in ActivityState if state is not ActivityState.EXITED]  # it lives
SHOWN = st.tuples(st.sampled_from(SAYS), st.just(0), st.sampled_from(WEAKER), st.none())


@settings(max_examples=120, deadline=None)
@given(TOLD, SHOWN, st.integers(1, 3))
def test_a_doubt_in_between_makes_weaker_evidence_no_stronger(
    told: HookKind, shown: tuple[ActivityState, int, Source, str | None], failures: int
) -> None:
    hook = Glance(None, ((told, 0, "a"),), None, None, None).made(1, 1)
    known = doubted = decide(replace(a_session(), generation=1), hook, Policy()).session
    for second in range(failures):
        failed = Glance(Seen(RuntimeState.PROBE_FAILED), (), None, None, None)
        doubted = decide(doubted, failed.made(2 + second, 1), Policy()).session
    look = Glance(Seen(RuntimeState.ALIVE), (), shown, None, None).made(10, 1)
    plain, after = decide(known, look, Policy()).session, decide(doubted, look, Policy()).session
    assert (after.facts.state, after.question) == (plain.facts.state, plain.question)
