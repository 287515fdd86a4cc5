"""Makes a session's conversation: where its agent is held, and how it is to be opened."""

from dataclasses import replace
from pathlib import Path
from typing import cast

from ao_core.drive.opening import Opening, servers
from ao_core.engine.conversation import Conversation, Held
from ao_core.engine.engine import Engine
from ao_core.engine.project import Project
from ao_core.errors import BadRequest
from ao_core.model.session import RuntimeHandle, Session
from ao_core.slots.agent import Conversable
from ao_core.slots.runtime import Piped


async def conversation(
    engine: Engine, project: Project, session: Session, handle: RuntimeHandle
) -> Conversation:
    """The conversation with the agent behind this handle."""
    runtime = await engine.runtime_of(session)
    if not isinstance(runtime, Piped):
        raise BadRequest(f"Runtime {runtime.name} cannot hold an agent by its pipes.")
    opening = await _opening(engine, project, session)
    held = Held(session.id, session.generation, cast("Piped", runtime), handle, opening)
    agent = await engine.projects.agent(project, session.agent)
    if isinstance(agent, Conversable):
        held = replace(held, trouble=agent.trouble)
    return Conversation(engine, held)


async def _opening(engine: Engine, project: Project, session: Session) -> Opening:
    agent = await engine.projects.agent(project, session.agent)
    face = engine.worker_face(session)
    return Opening(
        workspace=Path(session.path),
        version=engine.version,
        servers=servers("ao", *face) if face else (),
        native_id=session.native_id if session.generation > 1 else None,
        mode=agent.mode(session.permissions) if isinstance(agent, Conversable) else None,
        counts=agent.counts if isinstance(agent, Conversable) else True,
    )
