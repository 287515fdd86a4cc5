"""After the machine was started anew: nobody who ran before runs now, and that is known at once."""

from datetime import UTC, datetime

import anyio

from ao_core.engine.engine import Engine
from ao_core.engine.loop import Loop
from ao_core.ids import SessionId

_PATIENCE = 10.0  # seconds; the loop looks again anyway


async def look_after_boot(engine: Engine, loop: Loop) -> None:
    """Look at whoever was seen last before the machine was started; before anybody asks."""
    late = {one.id: one.run.observed_at for one in engine.live() if one.run.handle is not None}
    if not late:
        return
    began = await anyio.to_thread.run_sync(_machine_began)
    before = frozenset(SessionId(id) for id, seen in late.items() if seen and seen < began)
    if before:
        with anyio.move_on_after(_PATIENCE):
            await loop.look(before)


def _machine_began() -> datetime:
    import psutil

    return datetime.fromtimestamp(psutil.boot_time(), UTC)
