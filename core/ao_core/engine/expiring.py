"""Messages that are of use only for a while: what is too late is given up, at its time."""

from datetime import datetime

import anyio

from ao_core.engine.engine import Engine


async def expire_messages(engine: Engine) -> None:
    """Until cancelled. Whoever delivers refuses what is too late, too: this tells of it in time."""
    while True:
        await engine.patiently(engine.outbox.expire, "what is too late is given up")
        await _until_due(engine, engine.outbox.next_expiry())


async def _until_due(engine: Engine, due: datetime | None) -> None:
    """Until then, or until another is the first."""
    async with anyio.create_task_group() as tasks:

        async def sleep() -> None:
            if due is not None:
                await engine.clock.sleep_until(due)
                tasks.cancel_scope.cancel()

        tasks.start_soon(sleep)
        await engine.records.until(lambda: engine.outbox.next_expiry() != due or None)
        tasks.cancel_scope.cancel()
