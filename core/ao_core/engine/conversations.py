"""The conversations of one engine: one for each agent driven by protocol."""

from collections import defaultdict
from importlib import import_module
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from ao_core.engine.project import Project
from ao_core.errors import WrongState
from ao_core.ids import SessionId
from ao_core.model.session import RuntimeHandle, Session

if TYPE_CHECKING:
    from ao_core.engine.conversation import Conversation
    from ao_core.engine.engine import Engine

OPENING_DEADLINE = 90.0
_ATTENTION = 120.0  # more than whoever follows waits at once


class Conversations:
    """Which conversation belongs to which session."""

    def __init__(self) -> None:
        self._known: dict[SessionId, Conversation] = {}
        self._beginning = defaultdict[SessionId, anyio.Lock](anyio.Lock)
        self._followed: dict[SessionId, float] = {}

    def of(self, session: SessionId) -> "Conversation | None":
        """The conversation that is, or was last, carried on with a session's agent."""
        return self._known.get(session)

    def live(self, session: SessionId) -> "Conversation":
        """The one that goes on, or the reason why there is none."""
        known = self._known.get(session)
        if known is None or known.over:
            raise WrongState(
                f"{session} is not driven by protocol, or has ended.",
                hint="`show` tells how it stands.",
            )
        return known

    async def begin(
        self, engine: "Engine", project: Project, session: Session, handle: RuntimeHandle
    ) -> "Conversation":
        """Carry it on from where its lines end; the one that goes on already, if there is one."""
        async with self._beginning[session.id]:
            known, now = self._known.get(session.id), engine.session(session.id)
            late = now.generation > session.generation  # somebody has brought it back meanwhile
            if known is not None and (late or known.is_with(session, handle)):
                return known
            if known is not None:
                known.close()
            made = self._known[session.id] = await _made(engine, project, session, handle)
            engine.tasks.start_soon(made.run)
        engine.deliver(session.id)
        return made

    def followed(self, session: SessionId, at: float) -> None:
        """A person waits for what is said in it."""
        self._followed[session] = at

    def is_followed(self, session: SessionId, now: float) -> bool:
        """Whether one did a moment ago."""
        last = self._followed.get(session)
        return last is not None and now - last < _ATTENTION

    def forget(self, session: SessionId) -> None:
        """What was said in a session that ended long ago is read from its log, if it is left."""
        known = self._known.get(session)
        if known is not None and known.over:
            del self._known[session]
        self._followed.pop(session, None)


async def _made(
    engine: "Engine", project: Project, session: Session, handle: RuntimeHandle
) -> "Conversation":
    # what speaks the protocol takes half a second to load
    await to_thread.run_sync(import_module, "ao_core.engine.holding")
    from ao_core.engine.holding import conversation

    return await conversation(engine, project, session, handle)
