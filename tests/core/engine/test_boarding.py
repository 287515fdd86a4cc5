"""A train on a host that merges on its own: one after the other, with the same report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import anyio
import pytest

from ao_core.engine.boarding import objections, travel
from ao_core.errors import BadRequest, Unavailable
from ao_core.git.train import Fate, Outcome, Ride, TrainResult
from ao_core.ids import session_id
from ao_core.model.work import (
    ChecksSummary,
    Landed,
    Landing,
    Mergeability,
    MergeMethod,
    Pull,
    PullState,
    ReviewDecision,
)
from ao_core.slots.scm import Journey, Rider, Scm, Updating
from ao_core.testing.clock import FakeClock

NONE = ChecksSummary.NONE, ReviewDecision.NONE
FINE = Mergeability(True, *NONE, conflicts=False)
STUCK = Mergeability(False, *NONE, conflicts=False, blockers=("checks fail",))
CLASH = Mergeability(False, *NONE, conflicts=True, files=("a.txt",))


@dataclass(slots=True)
class Host:
    """Somewhere else: what it says of each pull request is laid down."""

    judged: Mapping[int, Mergeability]
    name: str = "elsewhere"
    broken: int = 0
    merged: list[int] = field(default_factory=list[int])

    async def mergeability(self, pull: Pull, method: MergeMethod) -> Mergeability:
        return self.judged[pull.number]

    async def merge(self, pull: Pull, method: MergeMethod, *, message: str) -> Landed:
        if pull.number == self.broken:
            raise Unavailable("it is down")
        assert f"AO-Session: app-{pull.number}" in message
        self.merged.append(pull.number)
        return Landed(Landing.LANDED, f"c{pull.number}")


def a_rider(n: int) -> Rider:
    pull = Pull(n, f"Work {n}", f"u/{n}", f"ao/app-{n}-x", "main", f"h{n}", PullState.OPEN)
    return Rider(session_id(f"app-{n}"), pull, f"Work {n}")


def on(host: Host) -> Scm[Any]:
    return cast("Scm[Any]", host)


async def test_each_is_asked_for_and_one_that_fails_keeps_nobody_back() -> None:
    host = Host({1: FINE, 2: CLASH, 3: STUCK, 4: FINE, 5: FINE}, broken=4)
    heard: list[Ride] = []

    async def boarded(ride: Ride) -> None:
        heard.append(ride)

    riders = [a_rider(n) for n in range(1, 6)]
    result = await travel(on(host), riders, Journey(MergeMethod.SQUASH, boarded=boarded))
    assert [one.fate for one in result.members] == [
        Fate.LANDED, Fate.CONFLICT, Fate.LEFT_OUT, Fate.FAILED, Fate.LANDED,
    ]  # fmt: skip
    assert [one.why for one in result.members[2:4]] == ["checks fail", "it is down"]
    assert (result.members[1].files, result.members[1].whom) == (("a.txt",), ("main",))
    assert (result.outcome, result.commit, host.merged) == (Outcome.LANDED, "c5", [1, 5])
    assert tuple(heard) == result.members


async def test_a_dry_run_merges_nothing_there() -> None:
    host = Host({1: FINE, 2: STUCK})
    journey = Journey(MergeMethod.MERGE, dry_run=True)
    result = await travel(on(host), [a_rider(1), a_rider(2)], journey)
    assert [one.fate for one in result.members] == [Fate.READY, Fate.LEFT_OUT]
    assert (result.outcome, host.merged) == (Outcome.READY, [])


async def test_what_cannot_be_taken_back_is_not_promised() -> None:
    host = Host({1: FINE, 2: FINE})
    whole = Journey(MergeMethod.MERGE, whole=True)
    with pytest.raises(BadRequest, match="all or nothing"):
        await travel(on(host), [a_rider(1), a_rider(2)], whole)
    assert host.merged == []
    assert (await travel(on(host), [a_rider(1)], whole)).outcome is Outcome.LANDED


async def test_such_a_host_is_asked_on_the_way_only() -> None:
    assert await objections(on(Host({1: STUCK})), a_rider(1).pull) == ()


WAITS = Mergeability(False, *NONE, conflicts=False, blockers=("checks run",), waiting=True)
BEHIND = replace(WAITS, blockers=("it is behind",), behind=True)


@dataclass(slots=True)
class Slow(Host, Updating):
    """What is laid down for each is said once, look for look; its last word stays."""

    said: dict[int, list[Mergeability]] = field(default_factory=dict[int, list[Mergeability]])
    updated: list[str] = field(default_factory=list[str])
    looks: list[int] = field(default_factory=list[int])

    async def mergeability(self, pull: Pull, method: MergeMethod) -> Mergeability:
        self.looks.append(pull.number)
        said = self.said[pull.number]
        return said.pop(0) if len(said) > 1 else said[0]

    async def catch_up(self, pull: Pull, *, rebase: bool = False) -> Pull:
        self.updated.append(pull.head)
        return replace(pull, head=f"{pull.head}+")


async def in_time(host: Host, riders: Sequence[Rider], journey: Journey) -> TrainResult:
    """The result, with the clock going on whenever somebody waits."""
    clock, found = FakeClock(), list[TrainResult]()
    async with anyio.create_task_group() as tasks:

        async def ride() -> None:
            found.append(await travel(on(host), riders, journey, clock))
            tasks.cancel_scope.cancel()

        tasks.start_soon(ride)
        while True:
            await clock.until_sleeping()
            await clock.advance(10.0)
    return found[0]


async def test_who_waits_lets_others_go_first_and_is_brought_up_to_date_once() -> None:
    host = Slow({}, said={1: [WAITS, FINE], 2: [BEHIND, WAITS, FINE], 3: [FINE]})
    result = await in_time(host, [a_rider(n) for n in (1, 2, 3)], Journey(MergeMethod.MERGE))
    assert [one.fate for one in result.members] == [Fate.LANDED] * 3
    assert (host.merged, host.updated) == ([3, 1, 2], ["h2"])


async def test_patience_ends_and_says_what_was_waited_for() -> None:
    host = Slow({}, said={1: [WAITS]})
    result = await in_time(host, [a_rider(1)], Journey(MergeMethod.MERGE, patience=30.0))
    assert (result.members[0].fate, host.merged) == (Fate.LEFT_OUT, [])
    assert "checks run" in (result.members[0].why or "")
    assert host.looks == [1, 1, 1, 1]


async def test_a_dry_run_neither_waits_nor_brings_up_to_date() -> None:
    host = Slow({}, said={1: [BEHIND]})
    result = await travel(on(host), [a_rider(1)], Journey(MergeMethod.MERGE, dry_run=True))
    assert (result.members[0].fate, host.updated, host.looks) == (Fate.LEFT_OUT, [], [1])
