"""What became of a program and its host, and their end."""

import os
from contextlib import suppress

import anyio

from ao_core.model.session import RuntimeReason, RuntimeState
from ao_core.platform import boot_id
from ao_core.process import end_tree
from ao_core.slots.runtime import Seen
from ao_core.usage import end_orphans
from ao_plugins.runtime._process.places import Held, Place

_LOST_GRACE = 0.3  # seconds an agent has to end whose host is gone
_PASSING = 2.0  # seconds a host needs at most to write down how its program ended, and go
_LOOK_AGAIN = 0.005


async def seen(held: Held, place: Place) -> Seen:
    """One look, at the kernel's table and a file or two."""
    await _settled(held, place)
    ours, hosted, output = place.is_of(held), held.is_hosted(), str(place.extent()[1])
    if hosted and held.runs():
        detail = None if ours else "its log was removed"
        return Seen(RuntimeState.ALIVE, held.child, output=output, detail=detail)
    if not ours and not hosted:
        return Seen(RuntimeState.MISSING, detail="nothing is left of it")
    if (ended := place.exit(held)) or hosted:
        status, signal = ended or (None, None)
        last = place.complaints(1) or None
        return Seen(RuntimeState.EXITED, held.child, status, signal, output, last)
    if held.boot != boot_id():
        return Seen(RuntimeState.MISSING, detail="the machine was started anew")
    return await _lost(held, output)


async def end(held: Held, place: Place, grace: float) -> None:
    """End what there still is of a program, and its host."""
    if held.boot != boot_id():
        return
    await end_tree(held.child, started=held.child_started, grace=grace)
    if place.is_of(held):
        await end_orphans(held.child, grace, before=place.ended_at())
    with anyio.move_on_after(_PASSING):
        while held.is_hosted():  # noqa: ASYNC110
            await anyio.sleep(_LOOK_AGAIN)
    await end_tree(held.host, started=held.host_started, grace=0.0)
    with suppress(OSError):
        os.unlink(held.socket)


async def _settled(held: Held, place: Place) -> None:
    """Wait until a host has written down how its program ended."""
    with anyio.move_on_after(_PASSING):
        while held.is_hosted() and not held.runs() and not place.exit(held):  # noqa: ASYNC110
            await anyio.sleep(_LOOK_AGAIN)


async def _lost(held: Held, output: str) -> Seen:
    """Its host is gone without a word: it cannot be spoken to any more, and is ended."""
    if held.runs():
        await end_tree(held.child, started=held.child_started, grace=_LOST_GRACE)
        await end_orphans(held.child, _LOST_GRACE)
    detail = "its session host was ended from outside"
    reason = RuntimeReason.HOST_LOST
    return Seen(RuntimeState.EXITED, held.child, output=output, detail=detail, reason=reason)
