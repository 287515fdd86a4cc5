"""What was said in a session driven by protocol, whether its agent lives or not."""

from collections.abc import Sequence
from contextlib import aclosing
from importlib import import_module
from typing import cast

from anyio import to_thread

from ao_core.drive.messages import parse
from ao_core.drive.transcript import Item
from ao_core.engine.engine import Engine
from ao_core.errors import Unavailable
from ao_core.model.session import RuntimeHandle, Session
from ao_core.slots.runtime import Piped


async def conversed(engine: Engine, session: Session) -> Sequence[Item]:
    """The conversation with its present agent, or with its last."""
    known = engine.conversations.of(session.id)
    if known is not None:
        return known.ledger.transcript.items
    runtime, handle = await engine.runtime_of(session), session.run.handle
    if handle is None or not isinstance(runtime, Piped):
        return ()
    await to_thread.run_sync(import_module, "ao_core.drive.ledger")
    try:
        return await _from_the_log(cast("Piped", runtime), handle)
    except Unavailable:  # its log is gone
        return ()


async def _from_the_log(runtime: Piped, handle: RuntimeHandle) -> Sequence[Item]:
    from ao_core.drive.ledger import Ledger, recalled, splitters

    async with runtime.line(handle) as line:
        ledger = recalled(line.note) if line.note else Ledger()
        split = splitters(ledger)
        if line.begins >= line.known:
            return ledger.transcript.items
        async with aclosing(line.entries()) as entries:
            async for entry in entries:
                for raw in split[entry.direction].feed(entry.data):
                    ledger.take(entry.direction, parse(raw))
                if entry.end >= line.known:
                    break
    return ledger.transcript.items
