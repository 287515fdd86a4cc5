"""A train on a host that merges on its own: one after the other, with the same report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from ao_core.engine.boarding import objections, travel
from ao_core.errors import BadRequest, Unavailable
from ao_core.git.train import Fate, Outcome, Ride
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
from ao_core.slots.scm import Journey, Rider, Scm

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
