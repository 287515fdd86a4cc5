"""Reactions and notes at random: nothing is done twice, escalated twice or tried for ever."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from ao_core.config.models import Reaction
from ao_core.engine.engine import Engine
from ao_core.engine.outlets import Outlet
from ao_core.engine.reaction_rules import Act, Trigger, is_overdue, react
from ao_core.errors import Unavailable
from ao_core.model.event import Priority
from ao_core.slots.notifier import Note
from ao_core.store.records import Pursuit
from books import START

RULES = st.builds(
    Reaction,
    auto=st.booleans(),
    action=st.sampled_from(["send-to-agent", "notify", "auto-merge"]),
    retries=st.none() | st.integers(0, 3),
    escalate_after=st.none()
    | st.integers(0, 3)
    | st.timedeltas(timedelta(minutes=1), timedelta(hours=2)),
)
KEYS = st.sampled_from(["ci-failed", "merge-conflicts"])
PRINTS = st.sampled_from("abc")
TRIES = 6  # the first, and one after each pause


def trigger(key: str, fingerprint: str) -> Trigger:
    return Trigger("app-1", key, fingerprint, "cause")


class Pursuing(RuleBasedStateMachine):
    """Two things that go wrong with one session, and come right again; the books are in between."""

    chosen: Reaction

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.book: dict[str, Pursuit] = {}
        self.acted: dict[str, list[tuple[str, Act]]] = {}

    @initialize(chosen=RULES)
    def begin(self, chosen: Reaction) -> None:
        self.chosen = chosen

    @rule(key=KEYS, fingerprint=PRINTS, pause=st.integers(0, 60))
    def occurs(self, key: str, fingerprint: str, pause: int) -> None:
        self.now += timedelta(minutes=pause)
        known, acted = self.book.get(key), self.acted.setdefault(key, [])
        answer = react(self.chosen, known, trigger(key, fingerprint), self.now)
        if answer.act is Act.NOTHING:
            assert known is not None
            assert answer.pursuit is known
            assert known.escalated or fingerprint in [seen for seen, _ in acted]
            return
        assert fingerprint not in [seen for seen, _ in acted]
        acted.append((fingerprint, answer.act))
        self.counted(key, answer.act, answer.pursuit)
        again = react(self.chosen, answer.pursuit, trigger(key, fingerprint), self.now)
        assert (again.act, again.pursuit) == (Act.NOTHING, answer.pursuit)

    def counted(self, key: str, act: Act, pursuit: Pursuit | None) -> None:
        acts = [one for _, one in self.acted[key]]
        assert pursuit is not None
        assert (pursuit.attempts, pursuit.last_at) == (len(acts), self.now)
        assert pursuit.escalated == (act is Act.ESCALATE)
        assert pursuit.pending == (act is Act.MERGE)
        assert Act.ESCALATE not in acts[:-1]
        if not self.chosen.auto or self.chosen.action == "notify":
            assert act is Act.TELL
        tried = [one for one in acts if one in (Act.SEND, Act.MERGE)]
        for limit in (self.chosen.retries, self.chosen.escalate_after):
            assert not isinstance(limit, int) or len(tried) <= limit
        self.in_time(act, pursuit)
        self.book[key] = pursuit

    def in_time(self, act: Act, pursuit: Pursuit) -> None:
        within = self.chosen.escalate_after
        if isinstance(within, timedelta) and act in (Act.SEND, Act.MERGE):
            assert pursuit.last_at - pursuit.first_at < within

    @rule(pause=st.integers(0, 120))
    def time_goes_by(self, pause: int) -> None:
        """As the clock is looked at: what is late is given up, once."""
        self.now += timedelta(minutes=pause)
        for key, known in list(self.book.items()):
            if is_overdue(self.chosen, known, self.now):
                assert not known.escalated
                assert self.chosen.auto
                assert self.chosen.action != "notify"
                self.book[key] = replace(known, escalated=True)
                assert not is_overdue(self.chosen, self.book[key], self.now)

    @rule(key=KEYS)
    def is_over(self, key: str) -> None:
        """What comes after that is another matter, with all its attempts."""
        self.book.pop(key, None)
        self.acted.pop(key, None)


Pursuing.TestCase.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
TestPursuing = Pursuing.TestCase


def test_evidence_that_comes_back_after_other_evidence_is_not_acted_upon_again() -> None:
    known, done = None, list[Act]()
    for fingerprint in "aba":
        answer = react(Reaction(action="notify"), known, trigger("k", fingerprint), START)
        known, done = answer.pursuit, [*done, answer.act]
    assert done == [Act.TELL, Act.TELL, Act.NOTHING]


# -- notes that do not arrive ---------------------------------------------------------------------


@dataclass
class Desk:
    """Out of order so many times."""

    trouble: int
    tries: int = 0

    async def notify(self, note: Note) -> None:
        self.tries += 1
        if self.tries <= self.trouble:
            raise Unavailable("the desk is closed")


@dataclass
class Hurried:
    """A clock that remembers how long one wanted to sleep, and does not."""

    slept: list[float] = field(default_factory=list[float])

    def now(self) -> datetime:
        return START

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


NOTE = Note("home-1", "evidence.verified", Priority.INFO, "a title", "a body", START)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 20))
def test_a_note_is_tried_a_bounded_number_of_times_each_later_than_the_one_before(
    trouble: int,
) -> None:
    desk, clock = Desk(trouble), Hurried()

    async def by_id(id: object) -> Any:
        return SimpleNamespace(notifiers={"desk": desk})

    engine = SimpleNamespace(
        clock=clock, records=None, projects=SimpleNamespace(by_id=by_id), home=None
    )
    outlet = Outlet(cast("Engine", engine), "app", "desk")
    done = anyio.run(outlet._deliver, NOTE)  # pyright: ignore[reportPrivateUsage]
    assert desk.tries == min(trouble + 1, TRIES)
    assert len(clock.slept) == desk.tries - 1
    assert clock.slept == sorted(set(clock.slept))
    assert bool(done.error) == (trouble >= TRIES)
