"""One look at many agents: one for each runtime, however many it holds."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ao_core.engine.engine import Engine
from ao_core.errors import AoError
from ao_core.ids import SessionId
from ao_core.model.session import RuntimeState, Session
from ao_core.slots.runtime import Runtime, Seen


async def all_seen(engine: Engine, sessions: Sequence[Session]) -> dict[SessionId, Seen]:
    """What their runtimes see of them; a runtime that cannot say is no evidence of anything."""
    by_runtime: dict[str, list[Session]] = defaultdict(list)
    for session in sessions:
        by_runtime[session.runtime].append(session)
    found: dict[SessionId, Seen] = {}
    for group in by_runtime.values():
        found |= await _seen(await engine.runtime_of(group[0]), group)
    return found


async def _seen(runtime: Runtime[Any], sessions: Sequence[Session]) -> dict[SessionId, Seen]:
    handles = {one.id: one.run.handle for one in sessions if one.run.handle is not None}
    if not handles:
        return {}
    try:
        found = await runtime.look(list(handles.values()))
    except AoError as exc:
        failed = Seen(RuntimeState.PROBE_FAILED, detail=exc.code)
        return dict.fromkeys(handles, failed)
    return {id: found[handle.id] for id, handle in handles.items() if handle.id in found}
