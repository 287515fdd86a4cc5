"""Long calls say every few seconds that they go on: a client gives up what is silent for long."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from ao_core.errors import AoError
from ao_mcp.operations.contract import Call, Progress

T = TypeVar("T")

EVERY = 5.0


async def kept_up(
    call: Call, work: Callable[[], Awaitable[T]], text: Callable[[], str],
    total: float | None = None,
) -> T:  # fmt: skip
    """Do it, and tell meanwhile what is done, by the seconds it has taken so far."""
    found: list[T] = []
    error: AoError | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_tell, call, text, total)
        try:
            found.append(await work())
        except AoError as exc:  # raised in here, it would reach the caller as one of a group
            error = exc
        tasks.cancel_scope.cancel()
    if error is not None:
        raise error
    return found[0]


async def _tell(call: Call, text: Callable[[], str], total: float | None) -> None:
    began = call.engine.clock.monotonic()
    while True:
        await call.progress(call.engine.clock.monotonic() - began, total, text())
        await call.engine.clock.sleep(EVERY)


def rising(tell: Progress) -> Progress:
    """Ever further, as the protocol wants it, also where one count follows upon another."""
    last, before = -1.0, 0.0

    async def told(done: float, total: float | None, text: str) -> None:
        nonlocal last, before
        if before + done <= last:
            before = last + 1 - done
        last = before + done
        await tell(last, None if total is None else before + total, text)

    return told
