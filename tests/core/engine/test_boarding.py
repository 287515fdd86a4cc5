"""A train on a host that merges on its own: one after the other, with the same report."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, cast

import anyio
import pytest

from ao_core.allowance import is_acting
from ao_core.engine.boarding import Watch, objections, travel
from ao_core.engine.train_gates import CalledOff
from ao_core.errors import BadRequest, PluginError, RateLimited, Unavailable
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
Said: TypeAlias = Mergeability | PluginError


@dataclass(slots=True)
class Slow(Host, Updating):
    """What is laid down for each is said once, look for look; its last word stays."""

    said: dict[int, list[Said]] = field(default_factory=dict[int, list["Said"]])
    updated: list[str] = field(default_factory=list[str])
    looks: list[int] = field(default_factory=list[int])
    acting: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])

    async def mergeability(self, pull: Pull, method: MergeMethod) -> Mergeability:
        self.looks.append(pull.number)
        self.acting.append(("look", is_acting()))
        said = self.said[pull.number]
        found = said.pop(0) if len(said) > 1 else said[0]
        if isinstance(found, Exception):
            raise found
        return found

    async def merge(self, pull: Pull, method: MergeMethod, *, message: str) -> Landed:
        self.acting.append(("merge", is_acting()))
        return await Host.merge(self, pull, method, message=message)

    async def catch_up(self, pull: Pull, *, rebase: bool = False) -> Pull:
        self.updated.append(pull.head)
        self.acting.append(("update", is_acting()))
        return replace(pull, head=f"{pull.head}+")


async def in_time(
    host: Host, riders: Sequence[Rider], journey: Journey, watch: Watch | None = None
) -> TrainResult:
    """The result, with the clock going on whenever somebody waits."""
    clock, found = FakeClock(), list[TrainResult]()
    async with anyio.create_task_group() as tasks:

        async def ride() -> None:
            found.append(await travel(on(host), riders, journey, clock, watch))
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


@pytest.mark.parametrize("error", [Unavailable("it is down"), RateLimited("too often")])
async def test_an_error_that_passes_is_waited_out(error: PluginError) -> None:
    host = Slow({}, said={1: [WAITS, error, FINE]})
    result = await in_time(host, [a_rider(1)], Journey(MergeMethod.MERGE))
    assert (result.members[0].fate, host.merged) == (Fate.LANDED, [1])


async def test_one_that_does_not_pass_has_failed_and_any_other_has_at_once() -> None:
    host = Slow({}, said={1: [Unavailable("it is down")], 2: [PluginError("it is no more")]})
    result = await in_time(host, [a_rider(1), a_rider(2)], Journey(MergeMethod.MERGE))
    told = [(one.id, one.fate, one.why, one.later) for one in result.members]
    assert told == [
        ("app-2", Fate.FAILED, "it is no more", False), ("app-1", Fate.FAILED, "it is down", True)
    ]  # fmt: skip
    assert host.looks.count(2) == 1


async def test_only_what_changes_something_is_an_act() -> None:
    host = Slow({}, said={1: [BEHIND, WAITS, FINE]})
    await in_time(host, [a_rider(1)], Journey(MergeMethod.MERGE))
    acts = {"look": False, "update": True, "merge": True}
    assert {what for what, _ in host.acting} == set(acts)
    assert all(acts[what] is acting for what, acting in host.acting)


async def test_fifty_that_wait_are_looked_at_seldom() -> None:
    host = Slow({}, said={n: [WAITS] for n in range(1, 51)})
    await in_time(host, [a_rider(n) for n in range(1, 51)], Journey(MergeMethod.MERGE))
    assert len(host.looks) < 300
    alone = Slow({}, said={1: [WAITS]})
    await in_time(alone, [a_rider(1)], Journey(MergeMethod.MERGE))
    assert 20 <= len(alone.looks) <= 30


async def test_what_its_host_merges_by_itself_is_ready_and_needs_nobody() -> None:
    queued = replace(STUCK, blockers=("it waits in the queue",), promised=True)
    host = Slow({}, said={1: [queued]})
    result = await in_time(host, [a_rider(1)], Journey(MergeMethod.MERGE))
    assert [(one.fate, one.promised, one.why) for one in result.members] == [
        (Fate.READY, True, "it waits in the queue")
    ]


def called_off(host: Slow, looks: int) -> Watch:
    """Somebody calls it off after so many looks."""

    @asynccontextmanager
    async def over() -> AsyncGenerator[None]:
        yield
        if len(host.looks) >= looks:
            raise CalledOff("app-1 is being ended")

    return Watch(over)


async def test_who_calls_it_off_while_it_waits_is_heard() -> None:
    host = Slow({}, said={1: [WAITS, FINE]})
    with pytest.raises(CalledOff):
        await travel(on(host), [a_rider(1)], Journey(MergeMethod.MERGE), watch=called_off(host, 1))
    host = Slow({}, said={1: [WAITS, FINE], 2: [FINE]})
    journey = Journey(MergeMethod.MERGE)
    result = await in_time(host, [a_rider(1), a_rider(2)], journey, called_off(host, 3))
    assert [(one.id, one.fate) for one in result.members] == [
        ("app-2", Fate.LANDED), ("app-1", Fate.LEFT_OUT)
    ]  # fmt: skip
    assert (host.merged, result.members[1].why) == ([2], "app-1 is being ended")


async def test_what_has_come_in_its_way_meanwhile_is_asked_before_its_merge() -> None:
    host, asked = Slow({}, said={1: [WAITS, FINE], 2: [FINE]}), list[tuple[str, bool]]()

    async def against(rider: Rider, judged: Mergeability, waited: bool) -> str | None:
        asked.append((rider.session, waited))
        return "it is paused" if waited else None

    journey = Journey(MergeMethod.MERGE)
    result = await in_time(host, [a_rider(1), a_rider(2)], journey, Watch(against=against))
    assert asked == [("app-2", False), ("app-1", True)]
    assert [one.why for one in result.members] == [None, "it is paused"]
    assert host.merged == [2]
