"""Trains of local pull requests: what is known of each is written down before the target moves.

A squash or a rebase leaves no trace of its branch in the target. So what each member became is in
its record by then, and an engine that was killed while the target moved is no special case.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread

from ao_core.errors import BadRequest
from ao_core.git.forecast import Member, predict
from ao_core.git.joining import sweep
from ao_core.git.repository import Git
from ao_core.git.train import Fate, Ride, TrainResult, build
from ao_core.ids import HomeId, new_id
from ao_core.model.work import PullState
from ao_core.slots.scm import Journey, Rider
from ao_plugins._pull_record import PullRecord, PullRecords


@dataclass(slots=True)
class Station:
    """Where the trains of one repository leave: one at a time for each target."""

    records: PullRecords
    lock: anyio.Lock
    scratch: Path
    _tracks: dict[str, anyio.Lock] = field(default_factory=dict[str, anyio.Lock])
    _swept: bool = False

    async def ride(
        self, git: Git, home: HomeId, riders: Sequence[Rider], journey: Journey
    ) -> TrainResult:
        """Merge them into their base, and write down what each has become."""
        target = _target(riders)
        async with self._tracks.setdefault(target, anyio.Lock()):
            await self.sweep(git)
            members = [Member(one.session, one.pull.head, one.title) for one in riders]
            ahead = await predict(git.run, git.path, target, members)
            result = await build(
                git.run, git.path, ahead, method=journey.method, home=home,
                train_id=new_id("train"), scratch=self.scratch, gate=journey.gate,
                all_or_nothing=journey.whole, dry_run=journey.dry_run, boarded=journey.boarded,
                leaving=lambda rides: self._write(riders, rides, _leaving),
            )  # fmt: skip
            if not journey.dry_run:
                await self._write(riders, result.members, _arrived)
        return result

    async def sweep(self, git: Git) -> None:
        """Remove what trains before this station's first have left; later there is nothing."""
        if not self._swept:
            self._swept = True
            await sweep(git, self.scratch)

    async def _write(
        self, riders: Sequence[Rider], rides: Sequence[Ride],
        word: Callable[[Ride], dict[str, object]],
    ) -> None:  # fmt: skip
        pulls = {one.session: one.pull for one in riders}
        async with self.lock:
            for ride in rides:
                pull, facts = pulls[ride.id], word(ride)
                record = self.records.all().get(pull.number)
                if record is not None and facts:
                    await self._put(record, head=pull.head, **facts)

    async def _put(self, record: PullRecord, **facts: object) -> None:
        changed = record.model_copy(update=facts)
        await anyio.to_thread.run_sync(self.records.put, changed)


def _target(riders: Sequence[Rider]) -> str:
    targets = {one.pull.base for one in riders}
    if len(targets) != 1:
        raise BadRequest("a train has one target", hint="Merge those of each target by themselves.")
    return targets.pop()


def _leaving(ride: Ride) -> dict[str, object]:
    return {"ready": ride.commit} if ride.fate is Fate.LANDED else {}


def _arrived(ride: Ride) -> dict[str, object]:
    if ride.fate in (Fate.LANDED, Fate.ALREADY):
        return {"state": PullState.MERGED, "merged_as": ride.commit}
    return {"ready": ride.commit} if ride.fate is Fate.READY else {}
