"""How one merge request stands now, as somebody needs to know it who is about to act."""

from dataclasses import dataclass

from ao_core.errors import NotFound
from ao_core.http import Urgency
from ao_plugins._gitlab.asking import Asking
from ao_plugins._gitlab.checks import Ran
from ao_plugins._gitlab.looking import Looks
from ao_plugins._gitlab.pipelines import Pipelines
from ao_plugins._gitlab.said import Said
from ao_plugins._gitlab.seen import Seen

_TRIES = 6  # until GitLab has found out whether it conflicts
_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """Of the merge requests of one project."""

    looks: Looks
    asking: Asking
    pipelines: Pipelines

    async def at(self, number: int) -> Seen | None:
        """As it is now."""
        return await self.looks.alone(number, Urgency.READ)

    async def current(self, number: int) -> Seen:
        """The same of one that must be there."""
        seen = await self.at(number)
        if seen is None:
            raise NotFound(f"there is no merge request {number}")
        return seen

    async def settled(self, number: int) -> Seen:
        """The same, once it is known whether it conflicts: GitLab finds out when it is asked."""
        seen = await self.current(number)
        for count in range(1, _TRIES):
            if seen.conflicts is not None or not seen.is_open:
                break
            await self.looks.gitlab.rest.clock.sleep(_PAUSE * count)
            seen = await self.current(number)
        return seen

    async def said(self, seen: Seen) -> Said:
        """What people make of it."""
        return await self.asking.said(seen, Urgency.READ)

    async def ran(self, seen: Seen) -> tuple[Ran, ...]:
        """What ran for its head."""
        return await self.pipelines.ran(seen, Urgency.READ)
