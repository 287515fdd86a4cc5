"""Whose merge request is whose: found by branch once, kept by number from then on.

A merge request is a session's if it is on its branch in this very project and has a commit of the
session's as its head, or was taken over. An open one outranks those that ended, then the newest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import anyio
import anyio.to_thread

from ao_core.errors import PluginError
from ao_core.http import Urgency
from ao_core.slots.scm import WorkRef
from ao_plugins._claims import Claims
from ao_plugins._gitlab.looking import Looks
from ao_plugins._gitlab.seen import Seen

_REMEMBERED = 500


@dataclass(slots=True)
class Finding:
    """The merge requests of all sessions of one project."""

    looks: Looks
    claims: Claims
    _seen: dict[int, Seen] = field(default_factory=dict[int, Seen])
    _taken_over: set[int] = field(default_factory=set[int])
    _writing: anyio.Lock = field(default_factory=anyio.Lock)

    def known(self, number: int) -> Seen | None:
        """As a list showed it last."""
        return self._seen.get(number)

    async def at(self, numbers: Iterable[int], urgency: Urgency) -> None:
        """Look at these, too."""
        self._note(await self.looks.at(numbers, urgency))

    async def of(self, works: Sequence[WorkRef], urgency: Urgency) -> dict[str, Seen | None]:
        """The merge request of each session; one that could not be looked at is left out."""
        for work in works:
            await self._taken(work)
        opened = await self.looks.opened(urgency)
        found = {work.session: self._best(work, opened.values()) for work in works}
        self._note(opened)
        for work in works:
            if found[work.session] is None:
                await self._search(work, found, urgency)
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

    async def _search(self, work: WorkRef, found: dict[str, Seen | None], urgency: Urgency) -> None:
        """Among those that have ended, on its branch or taken over."""
        try:
            ended = await self.looks.on(work.branch, urgency)
            latest = [one for one in self.claims.of(work.session)[-1:] if one not in ended]
            ended |= await self.looks.at(latest, urgency)
        except PluginError:
            del found[work.session]
            return
        self._note(ended)
        found[work.session] = self._best(work, ended.values())

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
