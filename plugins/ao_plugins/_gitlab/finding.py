"""Whose merge request is whose: found by branch once, kept by number from then on.

A merge request is a session's if it is on its branch in this very project and has a commit of the
session's as its head, or was taken over. An open one outranks those that ended, then the newest.

A branch is searched once. Whatever comes and ends on it later is among all that changed in the
project since that was asked last, so that a look costs the same for any number of sessions.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio
import anyio.to_thread

from ao_core.errors import PluginError
from ao_core.http import Urgency
from ao_core.slots.scm import WorkRef
from ao_plugins._claims import Claims
from ao_plugins._gitlab.looking import Looks
from ao_plugins._gitlab.seen import Seen

_REMEMBERED = 500
_OVERLAP = timedelta(seconds=1)  # so that none is missed that changed in the same moment


@dataclass(slots=True)
class Finding:
    """The merge requests of all sessions of one project."""

    looks: Looks
    claims: Claims
    _seen: dict[int, Seen] = field(default_factory=dict[int, Seen])
    _taken_over: set[int] = field(default_factory=set[int])
    _latest: datetime | None = None
    _branches: set[str] = field(default_factory=set[str])
    _searched: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    _writing: anyio.Lock = field(default_factory=anyio.Lock)

    def known(self, number: int) -> Seen | None:
        """As a list showed it last."""
        return self._seen.get(number)

    async def at(self, numbers: Iterable[int], urgency: Urgency) -> None:
        """Look at these, too."""
        self._note(await self.looks.at(numbers, urgency))

    async def of(self, works: Sequence[WorkRef], urgency: Urgency) -> dict[str, Seen | None]:
        """The merge request of each session; one that could not be looked at is left out."""
        self._branches |= {work.branch for work in works}
        for work in works:
            await self._taken(work)
        opened = await self.looks.opened(urgency)
        found = {work.session: self._best(work, opened.values()) for work in works}
        self._note(opened)
        if lost := [work for work in works if found[work.session] is None]:
            ended = await self._search(lost, opened.keys(), urgency)
            left_out = {work.session for work in lost} - ended.keys()
            found = {id: ended.get(id, one) for id, one in found.items() if id not in left_out}
        await self._claimed(found)
        return found

    async def claim(self, session: str, number: int) -> None:
        """It is this session's from now on."""
        async with self._writing:
            await anyio.to_thread.run_sync(self.claims.claim, session, number)

    def was_taken_over(self, number: int) -> bool:
        """Whether a person began it, whose branch is not ours to delete."""
        return number in self._taken_over

    async def _taken(self, work: WorkRef) -> None:
        """One that was taken over is nobody else's any more, until another takes it over."""
        if work.claimed is None:
            return
        self._taken_over.add(work.claimed)
        if not self.claims.knows(work.session):
            await self.claim(work.session, work.claimed)

    async def _search(
        self, lost: Sequence[WorkRef], opened: Set[int], urgency: Urgency
    ) -> dict[str, Seen | None]:
        """Among those that have ended, on their branches or taken over."""
        try:
            await self._catch_up(urgency)
            await self._renew(lost, opened, urgency)
        except PluginError:
            return {}
        sought = [work for work in lost if await self._is_searched(work, urgency)]
        return {work.session: self._best(work, self._seen.values()) for work in sought}

    async def _catch_up(self, urgency: Urgency) -> None:
        """With all that changed since this was asked last."""
        since = self._latest - _OVERLAP if self._latest else None
        changed = await self.looks.changed(since, urgency)
        ours = (one for one in changed.values() if one.source_branch in self._branches)
        self._note({one.iid: one for one in ours})
        self._latest = max((one.updated_at for one in changed.values()), default=self._latest)

    async def _renew(self, lost: Sequence[WorkRef], opened: Set[int], urgency: Urgency) -> None:
        """Those of theirs that are not open any more, or that are not known yet."""
        ended = {number for number, one in self._seen.items() if one.is_open} - opened
        theirs = {one for one in ended if any(self._is_of(work, self._seen[one]) for work in lost)}
        latest = {number for work in lost for number in self.claims.of(work.session)[-1:]}
        wanted = theirs | (latest - self._seen.keys())
        there = await self.looks.at(wanted, urgency)
        self._note(there)
        for gone in wanted - there.keys():
            self._seen.pop(gone, None)

    async def _is_searched(self, work: WorkRef, urgency: Urgency) -> bool:
        """Whether its branch is, now if not before."""
        if (work.session, work.branch) not in self._searched:
            try:
                self._note(await self.looks.on(work.branch, urgency))
            except PluginError:
                return False
            self._searched.add((work.session, work.branch))
        return True

    def _best(self, work: WorkRef, among: Iterable[Seen]) -> Seen | None:
        fit = [one for one in among if self._is_of(work, one)]
        return max(fit, key=lambda one: one.iid, default=None)

    def _is_of(self, work: WorkRef, seen: Seen) -> bool:
        whose = self.claims.whose(seen.iid)
        if whose is not None:
            return whose == work.session
        return seen.is_here and seen.source_branch == work.branch and seen.sha in work.commits

    async def _claimed(self, found: Mapping[str, Seen | None]) -> None:
        for session, one in found.items():
            if one is not None and self.claims.of(session)[-1:] != (one.iid,):
                await self.claim(session, one.iid)

    def _note(self, look: Mapping[int, Seen]) -> None:
        for number in look:
            self._seen.pop(number, None)  # so that the latest stand last
        self._seen.update(look)
        self._seen = dict(list(self._seen.items())[-_REMEMBERED:])
