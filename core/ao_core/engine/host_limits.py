"""How much hosts let us ask, told when it becomes little, and when there is enough again."""

import math
from datetime import datetime

import anyio

from ao_core.allowance import BucketState, BudgetState, watch
from ao_core.engine.engine import Engine
from ao_core.model.event import EventKind, NewEvent, Said


async def tell_of_limits(engine: Engine) -> None:
    """Until cancelled."""
    send, told = anyio.create_memory_object_stream[BudgetState](math.inf)
    end = watch(send.send_nowait)
    try:
        with send, told:
            async for state in told:
                kind = EventKind.HOST_SLOW if state.slow else EventKind.HOST_FREE
                await engine.records.commit([], [NewEvent(kind, Said(in_words(state)))])
    finally:
        end()


def in_words(state: BudgetState) -> str:
    """What is left, and what that means."""
    left = [found for one in state.buckets.values() if (found := _left(one))]
    said = ", ".join(left) or "nothing is known of its limits yet"
    if state.blocked_until:
        said = f"it is not asked before {_clock(state.blocked_until)}, as it wishes; {said}"
    slow = "; looks wait for acts, so news of pull requests comes later" if state.slow else ""
    return f"{state.name}: {said}{slow}"


def _left(one: BucketState) -> str | None:
    if one.limit is None or one.remaining is None:
        return None
    until = f" until {_clock(one.resets_at)}" if one.resets_at else ""
    return f"{one.remaining} of {one.limit} left of {one.name}{until}"


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S} UTC"
