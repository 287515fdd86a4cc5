"""Permissions that only a screen asks for, of agents that have no hook to ask for them.

What is asked becomes a request once its dialog is seen, and ends with it. A dialog that has just
been answered may still be drawn: it is no new one until that could not be so any more.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from ao_core.engine.engine import Engine
from ao_core.engine.launching import launch_of
from ao_core.engine.permissions import Permissions
from ao_core.ids import SessionId, new_id
from ao_core.model.activity import ActivityState
from ao_core.model.session import Session
from ao_core.slots.agent import Agent, Asked, Look
from ao_core.store.records import Permission

Claim: TypeAlias = Callable[[str, str, str], Awaitable[bool]]

_SEEN = "seen"  # what the names of these requests begin with, after the session's
_DRAWN = timedelta(seconds=2)  # a dialog after its answer, at most


@dataclass(frozen=True, slots=True)
class _Open:
    asked: Asked
    request: str


class Dialogs:
    """What each agent's screen was last seen to ask for."""

    def __init__(self) -> None:
        self._known: dict[SessionId, _Open] = {}

    async def look(
        self, permissions: Permissions, session: Session, agent: Agent[Any], look: Look,
        claim: Claim,
    ) -> bool:  # fmt: skip
        """Take in what its screen asks for now; whether it has to be looked at again soon."""
        asked = await agent.asks(look)
        if asked is None:
            if look.screen is not None and _is_clear(agent, look.screen):
                await self._closed(permissions, session, look)
            return False
        known, pending = self._known.get(session.id), permissions.pending(session.id)
        if pending and (known is None or known.asked == asked):  # None: by an earlier engine
            self._known[session.id] = _Open(asked, pending[0].id)
            return False
        if known and known.asked == asked and _just_ended(permissions.find(known.request), look):
            return True
        await self._closed(permissions, session, look)
        request = f"{session.id}.{new_id(_SEEN)}"
        self._known[session.id] = _Open(asked, request)
        await claim(request, asked.tool, asked.arguments)
        return False

    def forget(self, session: SessionId) -> None:
        """It has ended."""
        self._known.pop(session, None)

    async def _closed(self, permissions: Permissions, session: Session, look: Look) -> None:
        self._known.pop(session.id, None)
        mine = f"{session.id}.{_SEEN}-"
        if any(asked.id.startswith(mine) for asked in permissions.pending(session.id)):
            await permissions.closed(session.id, look.now)


async def is_open(
    engine: Engine, session: Session, agent: Agent[Any], asked: Permission, screen: str
) -> bool:
    """Whether the dialog that a request was made of is the one on the screen now."""
    if not asked.id.startswith(f"{session.id}.{_SEEN}-"):
        return True
    launch = launch_of(engine, await engine.project_of(session), session)
    found = await agent.asks(Look(launch, True, engine.clock.now(), session.created_at, screen))
    return found is not None and engine.permissions.is_for(asked, found.tool, found.arguments)


def _just_ended(request: Permission | None, look: Look) -> bool:
    ended = request.ended_at if request else None
    return ended is not None and look.now - ended < _DRAWN


def _is_clear(agent: Agent[Any], screen: str) -> bool:
    return agent.classify(screen) not in (None, ActivityState.WAITING_INPUT)
