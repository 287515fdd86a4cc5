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
from ao_plugins._github.looking import Looks, belongs
from ao_plugins._github.seen import Seen


@dataclass(slots=True)
class Finding:
    """The pull requests of all sessions of one repository."""

    looks: Looks
    claims: Claims
    _seen: dict[int, Seen] = field(default_factory=dict[int, Seen])
    _writing: anyio.Lock = field(default_factory=anyio.Lock)

    def known(self, number: int) -> Seen | None:
        """As it was seen last."""
        return self._seen.get(number)

    async def at(self, numbers: Iterable[int], urgency: Urgency) -> dict[int, Seen | None]:
        """Those of these numbers as they are now; one that could not be seen is left out."""
        found = await self.looks.at(numbers, urgency)
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
        found = dict[str, Seen | None]()
        for work in works:
            kept = latest[work.session]
            if work in loose and work.branch in branches:
                best = self._best(work, branches[work.branch]) or held.get(kept or 0)
                found[work.session] = await self._noted(work.session, best)
            elif kept in held and work not in loose:
                found[work.session] = held[kept]
        return found

    async def claim(self, session: str, number: int) -> None:
        """It is this session's from now on."""
        async with self._writing:
            await anyio.to_thread.run_sync(self.claims.claim, session, number)

    def _latest(self, session: str) -> int | None:
        return next(iter(self.claims.of(session)[-1:]), None)

    async def _taken(self, work: WorkRef) -> None:
        """One that was taken over is nobody else's any more, until another takes it over."""
        if work.claimed is not None and not self.claims.knows(work.session):
            await self.claim(work.session, work.claimed)

    def _best(self, work: WorkRef, on_branch: Sequence[Seen]) -> Seen | None:
        mine = self.claims.of(work.session)
        free = [one for one in on_branch if self.claims.whose(one.number) in (None, work.session)]
        fit = [one for one in free if belongs(one, work, one.number in mine)]
        return max(fit, key=lambda one: (one.state == "OPEN", one.number), default=None)

    async def _noted(self, session: str, best: Seen | None) -> Seen | None:
        if best is not None:
            self._seen[best.number] = best
            await self.claim(session, best.number)
        return best


def _is_loose(number: int | None, held: Mapping[int, Seen | None]) -> bool:
    """Whether there is none yet, or one that has ended, so that there may be another."""
    if number is None:
        return True
    seen = held.get(number)
    return number in held and (seen is None or seen.state != "OPEN")
