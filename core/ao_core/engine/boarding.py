"""One train, whoever makes the merges: a host that merges here rides; any other is asked in turn.

A host that merges on its own has gates of its own, and cannot take back what it has merged.
"""

from collections.abc import Sequence
from typing import Any, cast

from ao_core.errors import AoError, BadRequest
from ao_core.git.train import Fate, Outcome, Ride, TrainResult
from ao_core.model.work import Landed, Landing, Pull
from ao_core.slots.scm import Journey, Rider, Scm, Trainable

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


async def travel(scm: Scm[Any], riders: Sequence[Rider], journey: Journey) -> TrainResult:
    """Merge them all, as far as they can be."""
    if isinstance(scm, Trainable):
        return await cast("Trainable", scm).ride(riders, journey)
    if journey.whole and len(riders) > 1:
        raise BadRequest(
            f"{scm.name} merges one after the other, so it cannot be all or nothing.",
            hint="Leave `all_or_nothing` out.",
        )
    return _result([await _asked(scm, rider, journey) for rider in riders])


async def _asked(scm: Scm[Any], rider: Rider, journey: Journey) -> Ride:
    try:
        ride = await _merged(scm, rider, journey)
    except AoError as exc:  # the others are merged all the same
        ride = Ride(rider.session, Fate.FAILED, why=exc.message)
    if journey.boarded and not journey.dry_run:
        await journey.boarded(ride)
    return ride


async def _merged(scm: Scm[Any], rider: Rider, journey: Journey) -> Ride:
    judged = await scm.mergeability(rider.pull, journey.method)
    if judged.conflicts:
        whom = (rider.pull.base,)
        return Ride(rider.session, Fate.CONFLICT, files=judged.files, whom=whom)
    if not judged.mergeable:
        why = "; ".join(judged.blockers) or "its host does not say that it can be merged"
        return Ride(rider.session, Fate.LEFT_OUT, why=why)
    if journey.dry_run:
        return Ride(rider.session, Fate.READY)
    message = f"{rider.title}\n\nAO-Session: {rider.session}\n"
    return _ride(rider, await scm.merge(rider.pull, journey.method, message=message))


def _ride(rider: Rider, landed: Landed) -> Ride:
    fate = _FATES[landed.landing]
    whom = (rider.pull.base,) if fate is Fate.CONFLICT else ()
    why = "; ".join(landed.blockers) or None
    return Ride(rider.session, fate, landed.commit, landed.conflicts, whom, why)


def _result(rides: Sequence[Ride]) -> TrainResult:
    if landed := [one.commit for one in rides if one.fate is Fate.LANDED]:
        return TrainResult(Outcome.LANDED, tuple(rides), landed[-1], onto=landed[-1])
    ready = any(one.fate is Fate.READY for one in rides)
    return TrainResult(Outcome.READY if ready else Outcome.NOTHING, tuple(rides))
