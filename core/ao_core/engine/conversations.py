"""The conversations of one engine: one for each agent driven by protocol."""

from importlib import import_module
from typing import TYPE_CHECKING

from anyio import to_thread

from ao_core.engine.project import Project
from ao_core.errors import WrongState
from ao_core.ids import SessionId
from ao_core.model.session import RuntimeHandle, Session

if TYPE_CHECKING:
    from ao_core.engine.conversation import Conversation
    from ao_core.engine.engine import Engine

OPENING_DEADLINE = 90.0


class Conversations:
    """Which conversation belongs to which session."""

    def __init__(self) -> None:
        self._known: dict[SessionId, Conversation] = {}

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
        known = self._known.get(session.id)
        if known is not None and known.handle == handle and not known.over:
            return known
        # what speaks the protocol takes half a second to load
        await to_thread.run_sync(import_module, "ao_core.engine.holding")
        from ao_core.engine.holding import conversation

        made = await conversation(engine, project, session, handle)
        self._known[session.id] = made
        engine.tasks.start_soon(made.run)
        return made
