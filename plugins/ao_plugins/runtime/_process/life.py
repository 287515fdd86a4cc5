"""What became of a program and its host, and their end."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress

import anyio

from ao_core.deaths import gone
from ao_core.errors import AoError, TimedOut, Unavailable
from ao_core.model.session import RuntimeReason, RuntimeState
from ao_core.process import end_tree
from ao_core.slots.runtime import Seen
from ao_core.usage import end_orphans
from ao_plugins.runtime._process.client import connected
from ao_plugins.runtime._process.held import Held, this_boot
from ao_plugins.runtime._process.places import Ended, Place, how_it_ended

_LOST_GRACE = 0.3  # seconds an agent has to end whose host is gone
_PASSING = 2.0  # seconds a host has to go once its program has ended
_WRITING = 0.3  # seconds a host needs to write down how that was, unless the disk is full


async def all_seen(asked: Mapping[str, Held], place: Callable[[str], Place]) -> dict[str, Seen]:
    """One look at each, at the same time: one that is slow to end holds up no other."""
    found, failed = dict[str, Seen](), list[AoError]()

    async def look(id: str, held: Held) -> None:
        try:
            found[id] = await seen(held, place(id))
        except AoError as exc:
            failed.append(exc)

    async with anyio.create_task_group() as tasks:
        for each in asked.items():
            tasks.start_soon(look, *each)
    if failed:
        raise failed[0]
    return found


async def seen(held: Held, place: Place) -> Seen:
    """One look, at the kernel's table and a file or two."""
    told = await _settled(held, place)
    ours, hosted, output = place.is_of(held), held.is_hosted(), str(place.extent()[1])
    if hosted and held.runs():
        detail = None if ours else "its log was removed"
        return Seen(RuntimeState.ALIVE, held.child, output=output, detail=detail)
    if not ours and not hosted and held.boot == this_boot():
        return Seen(RuntimeState.MISSING, detail="nothing is left of it")
    if (ended := place.exit(held)) or hosted:
        status, signal = ended or told or (None, None)
        last = place.complaints(1) or None
        return Seen(RuntimeState.EXITED, held.child, status, signal, output, last)
    if held.boot != this_boot():
        detail, why = "the machine was started anew", RuntimeReason.REBOOTED
        return Seen(RuntimeState.MISSING, detail=detail, reason=why)
    return await _lost(held, output)


async def end(held: Held, place: Place, grace: float) -> None:
    """End what there still is of a program, and its host."""
    if held.boot != this_boot():
        return
    await end_tree(held.child, started=held.child_started, grace=grace)
    if place.is_of(held):
        await end_orphans(held.child, grace, before=place.ended_at())
    with anyio.move_on_after(_PASSING):
        await gone(held.host, held.host_started)
    await end_tree(held.host, started=held.host_started, grace=0.0)
    with suppress(OSError):
        os.unlink(held.socket)


async def _settled(held: Held, place: Place) -> Ended | None:
    """Wait until a host has written down how its program ended; it says so where it cannot."""
    if not _is_settling(held, place):
        return None
    with anyio.move_on_after(_WRITING):
        await gone(held.host, held.host_started)
    if not _is_settling(held, place):
        return None
    with suppress(Unavailable, TimedOut), anyio.move_on_after(_WRITING):
        async with connected(held) as host:
            return how_it_ended((await host.status()).get("exit", ""))
    return None


def _is_settling(held: Held, place: Place) -> bool:
    return held.is_hosted() and not held.runs() and not place.exit(held)


async def _lost(held: Held, output: str) -> Seen:
    """Its host is gone without a word: it cannot be spoken to any more, and is ended."""
    if held.runs():
        await end_tree(held.child, started=held.child_started, grace=_LOST_GRACE)
        await end_orphans(held.child, _LOST_GRACE)
    detail = "its session host was ended from outside"
    reason = RuntimeReason.HOST_LOST
    return Seen(RuntimeState.EXITED, held.child, output=output, detail=detail, reason=reason)
