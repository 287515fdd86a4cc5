"""How one pull request stands now, as somebody needs to know it who is about to act."""

from dataclasses import dataclass

from ao_core.errors import NotFound, Unavailable
from ao_core.http import Urgency
from ao_plugins._github.finding import Finding
from ao_plugins._github.looking import Looks
from ao_plugins._github.said import Said
from ao_plugins._github.seen import Seen

_TRIES = 6  # until GitHub has found out whether it conflicts
_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """Of the pull requests of one repository."""

    looks: Looks
    found: Finding

    async def at(self, number: int) -> Seen | None:
        """As it is now; raises where that cannot be seen."""
        found = await self.found.at([number], Urgency.READ)
        if number not in found:
            raise Unavailable(f"GitHub does not say how #{number} stands")
        return found[number]

    async def current(self, number: int) -> Seen:
        """The same of one that must be there."""
        seen = await self.at(number)
        if seen is None:
            raise NotFound(f"there is no pull request {number}")
        return seen

    async def both(self, number: int) -> tuple[Seen, Said]:
        """With all that others say of it."""
        seen = await self.current(number)
        told = await self.looks.told([seen], Urgency.READ)
        if number not in told:
            raise Unavailable(f"GitHub does not say what is made of #{number}")
        return seen, told[number]

    async def beyond(self, number: int, head: str) -> Seen:
        """With a newer head, for which GitHub may take a moment; else as it still is."""
        seen = await self.current(number)
        for count in range(1, _TRIES):
            if seen.head_ref_oid != head:
                break
            await self.looks.graph.clock.sleep(_PAUSE * count)
            seen = await self.current(number)
        return seen

    async def spare_in(self, seen: Seen) -> str | None:
        """The id of the repository in which nobody needs its branch any more."""
        if seen.is_cross_repository or self.found.was_taken_over(seen.number):
            return None
        needing = await self.looks.needing(seen.head_ref_name)
        return needing.id if needing and not needing.has_others(seen.number) else None

    async def settled(self, number: int) -> tuple[Seen, Said]:
        """The same, once it is known whether it conflicts: GitHub finds out when it is asked."""
        seen, said = await self.both(number)
        for count in range(1, _TRIES):
            if said.conflicts is not None or seen.state != "OPEN":
                break
            await self.looks.graph.clock.sleep(_PAUSE * count)
            seen, said = await self.both(number)
        return seen, said
