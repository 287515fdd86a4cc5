"""What workers ask GitHub by their own `gh`: it comes out of the same hourly budget as ours."""

import anyio.to_thread

from ao_core.engine.engine import Engine
from ao_core.gh_use import GhUse, gh_use
from ao_core.model.session import Session
from ao_core.store.records import PROJECT


async def gh_use_of(engine: Engine, session: Session) -> GhUse:
    """What one worker has asked so far; no project is opened for it."""
    row = await engine.records.store.read(PROJECT, session.project)
    if row is None:
        return GhUse()
    spool = engine.home.path / row.value.folder / "spool" / session.id
    return await anyio.to_thread.run_sync(gh_use, spool)


async def asked_github(engine: Engine) -> dict[str, int]:
    """How often each live worker has; those that have not are left out."""
    counted = {one.id: (await gh_use_of(engine, one)).total for one in engine.live()}
    return {str(id): total for id, total in counted.items() if total}
