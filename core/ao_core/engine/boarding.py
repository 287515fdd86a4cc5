"""One train, whoever makes the merges: a host that merges here rides; any other is asked in turn.

A host that merges on its own has gates of its own, and cannot take back what it has merged.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, cast

from ao_core.allowance import acting
from ao_core.clock import Clock, SystemClock
from ao_core.engine.train_gates import CalledOff
from ao_core.errors import AoError, BadRequest, RateLimited, Unavailable
from ao_core.git.train import Fate, Outcome, Ride, TrainResult
from ao_core.model.work import Landed, Landing, Mergeability, Pull
from ao_core.slots.scm import Journey, Rider, Scm, Trainable, Updating

_PAUSE, _LONGEST = 10.0, 30.0  # until it is looked again at who waits
_EACH = 3.0  # as much at least for each of them: looks are not free
_FATES = {
    Landing.LANDED: Fate.LANDED,
    Landing.ALREADY: Fate.ALREADY,
    Landing.READY: Fate.READY,
    Landing.CONFLICT: Fate.CONFLICT,
}
_MOVED = frozenset({Fate.LANDED, Fate.ALREADY})


async def objections(scm: Scm[Any], pull: Pull) -> tuple[str, ...]:
    """What the host has against it beforehand; one that merges on its own is asked on the way."""
    return await cast("Trainable", scm).objections(pull) if isinstance(scm, Trainable) else ()


async def _nothing(rider: Rider, judged: Mergeability, waited: bool) -> str | None:
    """There is nobody else who has a say."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Who may call it off as long as nothing is asked for but looks, by `over` around these.

    `against`: what stands in a rider's way here, asked right before its merge.
    """

    over: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
    against: Callable[[Rider, Mergeability, bool], Awaitable[str | None]] = _nothing


async def travel(
    scm: Scm[Any], riders: Sequence[Rider], journey: Journey, clock: Clock | None = None,
    watch: Watch | None = None,
) -> TrainResult:  # fmt: skip
    """Merge them all, as far as they can be."""
    if isinstance(scm, Trainable):
        return await cast("Trainable", scm).ride(riders, journey)
    if journey.whole and len(riders) > 1:
        raise BadRequest(
            f"{scm.name} merges one after the other, so it cannot be all or nothing.",
            hint="Leave `all_or_nothing` out.",
        )
    return _result(await _Way(scm, journey, clock or SystemClock(), watch or Watch()).gone(riders))


@dataclass(frozen=True, slots=True)
class _Waits:
    """What only time, or its target brought into it, keeps from being merged; or an error did."""

    rider: Rider
    why: str
    behind: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True)
class _Way:
    """One after the other; who has to wait lets those behind go first."""

    scm: Scm[Any]
    journey: Journey
    clock: Clock
    watch: Watch

    async def gone(self, riders: Sequence[Rider]) -> list[Ride]:
        rides, left = list[Ride](), list(riders)
        try:
            await self._all(rides, left)
        except CalledOff as exc:
            if not rides:
                raise
            over = {one.id for one in rides}
            off = [one for one in riders if one.session not in over]
            rides += [Ride(one.session, Fate.LEFT_OUT, why=exc.message) for one in off]
        return rides

    async def _all(self, rides: list[Ride], left: Sequence[Rider]) -> None:
        since, waited = self.clock.monotonic(), False
        while left:
            waits = list[_Waits]()
            for rider in left:
                found = await self._asked(rider, waited=waited)
                if isinstance(found, _Waits):
                    waits.append(found)
                else:
                    rides.append(await self._told(found))
            gone = self.clock.monotonic() - since
            rest = self.journey.patience - gone
            if self.journey.dry_run or rest <= 0:
                rides += [await self._told(_left_out(one)) for one in waits]
                return
            left, waited = [one.rider for one in waits], True
            pause = max(_PAUSE, min(gone / 3, _LONGEST), _EACH * len(left))
            if left:
                async with self.watch.over():
                    await self.clock.sleep(min(pause, rest))

    async def _told(self, ride: Ride) -> Ride:
        if self.journey.boarded and not self.journey.dry_run:
            await self.journey.boarded(ride)
        return ride

    async def _asked(self, rider: Rider, *, waited: bool) -> Ride | _Waits:
        """The others are merged all the same. An error that passes is waited out as a check is."""
        try:
            found = await self._looked(rider, waited=waited)
            return await self._merged(rider) if found is None else found
        except AoError as exc:
            if isinstance(exc, CalledOff):
                raise
            return Ride(rider.session, Fate.FAILED, why=exc.message, later=exc.retryable)

    async def _looked(self, rider: Rider, *, waited: bool) -> Ride | _Waits | None:
        """What keeps it from being merged now. An error is caught where it is: a watch is a group
        of tasks, which would wrap it.
        """
        found: Ride | _Waits | AoError | None = None
        async with self.watch.over():
            try:
                found = await self._judged(rider, waited=waited)
            except (RateLimited, Unavailable) as exc:
                found = _Waits(rider, exc.message, failed=True)
            except AoError as exc:
                found = exc
        if isinstance(found, AoError):
            raise found
        if isinstance(found, _Waits) and found.behind:
            return await self._caught_up(found)
        return found

    async def _judged(self, rider: Rider, *, waited: bool) -> Ride | _Waits | None:
        judged = await self.scm.mergeability(rider.pull, self.journey.method)
        why = "; ".join(judged.blockers)
        if judged.conflicts:
            whom = (rider.pull.base,)
            return Ride(rider.session, Fate.CONFLICT, files=judged.files, whom=whom)
        if judged.promised:
            return Ride(rider.session, Fate.READY, why=why, promised=True)
        if judged.waiting:
            return _Waits(rider, why, behind=judged.behind)
        if not judged.mergeable:
            why = why or "its host does not say that it can be merged"
            return Ride(rider.session, Fate.LEFT_OUT, why=why)
        if self.journey.dry_run:
            return Ride(rider.session, Fate.READY)
        why = await self.watch.against(rider, judged, waited)
        return Ride(rider.session, Fate.LEFT_OUT, why=why) if why else None

    async def _merged(self, rider: Rider) -> Ride | _Waits:
        message = f"{rider.title}\n\nAO-Session: {rider.session}\n"
        try:
            with acting():
                landed = await self.scm.merge(rider.pull, self.journey.method, message=message)
        except RateLimited as exc:  # nothing was done
            return _Waits(rider, exc.message, failed=True)
        return _ride(rider, landed)

    async def _caught_up(self, waits: _Waits) -> _Waits:
        """Its host brings its target into it, where that is what it waits for."""
        if self.journey.dry_run or not isinstance(self.scm, Updating):
            return waits
        try:
            with acting():
                pull = await cast("Updating", self.scm).catch_up(waits.rider.pull)
        except (RateLimited, Unavailable) as exc:
            return replace(waits, why=exc.message, failed=True)
        return replace(waits, rider=replace(waits.rider, pull=pull))


def _left_out(one: _Waits) -> Ride:
    fate, then = (Fate.FAILED, "") if one.failed else (Fate.LEFT_OUT, "; merge it again then")
    return Ride(one.rider.session, fate, why=f"{one.why}{then}", later=True)


def _ride(rider: Rider, landed: Landed) -> Ride:
    fate = _FATES[landed.landing]
    whom = (rider.pull.base,) if fate is Fate.CONFLICT else ()
    why = "; ".join(landed.blockers) or None
    return Ride(
        rider.session, fate, landed.commit, landed.conflicts, whom, why, promised=landed.promised
    )


def _result(rides: Sequence[Ride]) -> TrainResult:
    """Without the commit they were tried on: a host's own word on a conflict has none either, and
    whoever has heard the one need not hear the other.
    """
    if landed := [one.commit for one in rides if one.fate is Fate.LANDED]:
        return TrainResult(Outcome.LANDED, tuple(rides), landed[-1])
    ready = any(one.fate is Fate.READY for one in rides)
    return TrainResult(Outcome.READY if ready else Outcome.NOTHING, tuple(rides))
