"""One train, whoever makes the merges: a host that merges here rides; any other is asked in turn.

A host that merges on its own has gates of its own, and cannot take back what it has merged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from ao_core.clock import Clock, SystemClock
from ao_core.errors import AoError, BadRequest
from ao_core.git.train import Fate, Outcome, Ride, TrainResult
from ao_core.model.work import Landed, Landing, Mergeability, Pull
from ao_core.slots.scm import Journey, Rider, Scm, Trainable, Updating

_PAUSE = 10.0  # until it is looked again at who waits
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


async def travel(
    scm: Scm[Any], riders: Sequence[Rider], journey: Journey, clock: Clock | None = None
) -> TrainResult:
    """Merge them all, as far as they can be."""
    if isinstance(scm, Trainable):
        return await cast("Trainable", scm).ride(riders, journey)
    if journey.whole and len(riders) > 1:
        raise BadRequest(
            f"{scm.name} merges one after the other, so it cannot be all or nothing.",
            hint="Leave `all_or_nothing` out.",
        )
    return _result(await _Way(scm, journey, clock or SystemClock()).gone(riders))


@dataclass(frozen=True, slots=True)
class _Waits:
    """What only time, or its target brought into it, keeps from being merged."""

    rider: Rider
    why: str


@dataclass(frozen=True, slots=True)
class _Way:
    """One after the other; who has to wait lets those behind go first."""

    scm: Scm[Any]
    journey: Journey
    clock: Clock

    async def gone(self, riders: Sequence[Rider]) -> list[Ride]:
        rides, left = list[Ride](), list(riders)
        until = self.clock.monotonic() + self.journey.patience
        while True:
            waits = list[_Waits]()
            for rider in left:
                found = await self._asked(rider)
                if isinstance(found, _Waits):
                    waits.append(found)
                else:
                    rides.append(await self._told(found))
            if not waits or self.journey.dry_run or self.clock.monotonic() >= until:
                return [*rides, *[await self._told(_left_out(one)) for one in waits]]
            await self.clock.sleep(_PAUSE)
            left = [one.rider for one in waits]

    async def _told(self, ride: Ride) -> Ride:
        if self.journey.boarded and not self.journey.dry_run:
            await self.journey.boarded(ride)
        return ride

    async def _asked(self, rider: Rider) -> Ride | _Waits:
        try:
            return await self._merged(rider)
        except AoError as exc:  # the others are merged all the same
            return Ride(rider.session, Fate.FAILED, why=exc.message)

    async def _merged(self, rider: Rider) -> Ride | _Waits:
        judged = await self.scm.mergeability(rider.pull, self.journey.method)
        if judged.conflicts:
            whom = (rider.pull.base,)
            return Ride(rider.session, Fate.CONFLICT, files=judged.files, whom=whom)
        if judged.waiting:
            return await self._waiting(rider, judged)
        if not judged.mergeable:
            why = "; ".join(judged.blockers) or "its host does not say that it can be merged"
            return Ride(rider.session, Fate.LEFT_OUT, why=why)
        if self.journey.dry_run:
            return Ride(rider.session, Fate.READY)
        message = f"{rider.title}\n\nAO-Session: {rider.session}\n"
        method = self.journey.method
        return _ride(rider, await self.scm.merge(rider.pull, method, message=message))

    async def _waiting(self, rider: Rider, judged: Mergeability) -> _Waits:
        """Its host brings its target into it, where that is what it waits for."""
        why = "; ".join(judged.blockers)
        if judged.behind and not self.journey.dry_run and isinstance(self.scm, Updating):
            pull = await cast("Updating", self.scm).catch_up(rider.pull)
            rider = replace(rider, pull=pull)
        return _Waits(rider, why)


def _left_out(one: _Waits) -> Ride:
    return Ride(one.rider.session, Fate.LEFT_OUT, why=f"{one.why}; merge it again then")


def _ride(rider: Rider, landed: Landed) -> Ride:
    fate = _FATES[landed.landing]
    whom = (rider.pull.base,) if fate is Fate.CONFLICT else ()
    why = "; ".join(landed.blockers) or None
    return Ride(rider.session, fate, landed.commit, landed.conflicts, whom, why)


def _result(rides: Sequence[Ride]) -> TrainResult:
    """Without the commit they were tried on: a host's own word on a conflict has none either, and
    whoever has heard the one need not hear the other.
    """
    if landed := [one.commit for one in rides if one.fate is Fate.LANDED]:
        return TrainResult(Outcome.LANDED, tuple(rides), landed[-1])
    ready = any(one.fate is Fate.READY for one in rides)
    return TrainResult(Outcome.READY if ready else Outcome.NOTHING, tuple(rides))
