"""Whose pull request is whose: found by branch once, kept by number from then on.

A pull request is a session's if it is on its branch in this very repository and has a commit of the
session's as its head, or was taken over. An open one outranks those that ended, then the newest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import anyio
import anyio.to_thread

from ao_core.http import Urgency
from ao_core.slots.scm import WorkRef
from ao_plugins._claims import Claims
from ao_plugins._github.looking import Looks
from ao_plugins._github.seen import Seen, Spot


@dataclass(slots=True)
class Finding:
    """The pull requests of all sessions of one repository."""

    looks: Looks
    claims: Claims
    _seen: dict[int, Seen] = field(default_factory=dict[int, Seen])
    _taken_over: set[int] = field(default_factory=set[int])
    _writing: anyio.Lock = field(default_factory=anyio.Lock)

    def known(self, number: int) -> Seen | None:
        """As it was seen last."""
        return self._seen.get(number)

    async def at(
        self, numbers: Iterable[int], urgency: Urgency, *, besides: bool = False
    ) -> dict[int, Seen | None]:
        """Those of these numbers as they are now; one that could not be seen is left out."""
        found = await self.looks.at(numbers, urgency, besides=besides)
        self._seen.update({number: one for number, one in found.items() if one})
        return found

    async def of(self, works: Sequence[WorkRef], urgency: Urgency) -> dict[str, Seen | None]:
        """The pull request of each session; one that could not be looked at is left out."""
        for work in works:
            await self._taken(work)
        latest = {work.session: self._latest(work.session) for work in works}
        held = await self.at({one for one in latest.values() if one is not None}, urgency)
        loose = [work for work in works if _is_loose(latest[work.session], held)]
        branches = await self.looks.on((work.branch for work in loose), urgency, besides=bool(held))
        unseen = {work.session for work in loose if work.branch not in branches}
        for work in loose:
            if work.session not in unseen:
                latest[work.session] = await self._chosen(work, branches[work.branch])
        wanted = {one for one in latest.values() if one is not None} - held.keys()
        held |= await self.at(wanted, urgency, besides=bool(held))
        return {
            session: held.get(number or 0)
            for session, number in latest.items()
            if session not in unseen and (number is None or number in held)
        }

    async def claim(self, session: str, number: int) -> None:
        """It is this session's from now on."""
        async with self._writing:
            await anyio.to_thread.run_sync(self.claims.claim, session, number)

    def was_taken_over(self, number: int) -> bool:
        """Whether a person began it, whose branch is not ours to delete."""
        return number in self._taken_over

    def _latest(self, session: str) -> int | None:
        return next(iter(self.claims.of(session)[-1:]), None)

    async def _taken(self, work: WorkRef) -> None:
        """One that was taken over is nobody else's any more, until another takes it over."""
        if work.claimed is None:
            return
        self._taken_over.add(work.claimed)
        if not self.claims.knows(work.session):
            await self.claim(work.session, work.claimed)

    async def _chosen(self, work: WorkRef, on_branch: Sequence[Spot]) -> int | None:
        """The best on its branch, from now on its own; else the one that it had."""
        best = self._best(work, on_branch)
        if best is None:
            return self._latest(work.session)
        await self.claim(work.session, best.number)
        return best.number

    def _best(self, work: WorkRef, on_branch: Sequence[Spot]) -> Spot | None:
        mine = self.claims.of(work.session)
        free = [one for one in on_branch if self.claims.whose(one.number) in (None, work.session)]
        fit = [one for one in free if belongs(one, work, one.number in mine)]
        return max(fit, key=lambda one: (one.state == "OPEN", one.number), default=None)


def belongs(spot: Spot, work: WorkRef, mine: bool) -> bool:
    """Whether a pull request is this session's: on its branch here, with a commit that it made."""
    ours = not spot.is_cross_repository and spot.head_ref_name == work.branch
    return ours and (mine or spot.head_ref_oid in work.commits)


def _is_loose(number: int | None, held: Mapping[int, Seen | None]) -> bool:
    """Whether there is none yet, or one that has ended, so that there may be another."""
    if number is None:
        return True
    seen = held.get(number)
    return number in held and (seen is None or seen.state != "OPEN")
