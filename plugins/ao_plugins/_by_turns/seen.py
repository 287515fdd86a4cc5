"""How what runs an agent by turns is typed to, and what its screen shows."""

import re

from ao_core.model.activity import ActivityState
from ao_core.slots.agent import Composer
from ao_core.store.records import Delivery
from ao_plugins._bottom import bottom
from ao_plugins._by_turns.picture import DRAFT, READY, WORKING

COMPOSER = Composer(
    interrupt=("C-c",),
    working=(WORKING,),
    draft=DRAFT,
    ready=READY,  # during a turn nothing is typed: a message waits where it is safe
    best=Delivery.ACCEPTED,  # said once its command runs, with the message's token
)


def shown(screen: str) -> ActivityState | None:
    """By what is lowest."""
    if re.search(READY, screen):
        return ActivityState.IDLE
    return ActivityState.ACTIVE if bottom(screen, 1) == [WORKING] else None
