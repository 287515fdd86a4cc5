"""Agents of which only the screen and a log tell are glanced at every second, all at once.

What has moved and then stood still for a glance is looked at properly: so a dialog is seen when it
is there, not at the next round. What moves on and on, or not at all, costs no more than the glance.
"""

from collections.abc import Mapping, Sequence

import anyio

from ao_core.engine.engine import Engine
from ao_core.engine.seeing import all_seen
from ao_core.ids import SessionId
from ao_core.model.session import Drive, RuntimeState, Session

_EVERY = 1.0


class Glances:
    """What was seen of each, and what has been looked at."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._last: Mapping[SessionId, str] = {}
        self._looked: dict[SessionId, str] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await anyio.sleep(_EVERY)
            await self.once()

    async def once(self) -> None:
        """One glance at all of them."""
        watched = await self._watched()
        seen = await all_seen(self._engine, watched)
        alive = (pair for pair in seen.items() if pair[1].state is RuntimeState.ALIVE)
        now = {id: one.output for id, one in alive}
        still = [id for id, output in now.items() if self._last.get(id) == output]
        told = [id for id in still if self._looked.get(id) != now[id]]
        self._last = now
        looked = {**self._looked, **{id: now[id] for id in told}}
        self._looked = {one.id: looked[one.id] for one in watched if one.id in looked}
        if told:
            self._engine.nudge(*told)

    async def _watched(self) -> Sequence[Session]:
        typed = (one for one in self._engine.live() if one.drive is Drive.TERMINAL)
        running = [one for one in typed if one.run.state is RuntimeState.ALIVE]
        return [one for one in running if (await self._engine.agent_of(one)).watched]
