"""The team as it was: who went down with a stop, a runtime or the machine, and brings back all."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import anyio

from ao_core.engine.caller import Caller
from ao_core.engine.down import is_down
from ao_core.engine.engine import Engine
from ao_core.engine.keys import Ticket
from ao_core.engine.queue import is_of_the_queue
from ao_core.engine.restore import restore
from ao_core.engine.room import team_of
from ao_core.engine.waiting import without_room
from ao_core.errors import AoError, Internal, WrongState
from ao_core.ids import ProjectId, SessionId
from ao_core.model.session import Session, is_terminal
from ao_core.store.records import SESSION

_log = logging.getLogger(__name__)
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Back:
    """What became of one: it runs again, or why it does not."""

    id: SessionId
    session: Session | None = None
    problem: AoError | None = None


def gone_down(engine: Engine, project: ProjectId | None = None) -> list[Session]:
    """Who did not end by itself and was not killed, nor brought back since; the oldest first.

    The records say so themselves: so neither a stop of other agents nor a crash in the midst of
    one forgets anybody.
    """
    every = [one for one in engine.records.all(SESSION) if project in (None, one.project)]
    return sorted(filter(is_down, every), key=lambda one: (one.created_at, one.id))


async def bring_back(
    engine: Engine,
    caller: Caller,
    project: ProjectId | None,
    tell: Callable[[int, int, SessionId], Awaitable[None]],
) -> Sequence[Back]:
    """All there is room for, a few at a time. One that fails keeps no other, and stays wanted."""
    down = gone_down(engine, project)
    wanted = [session.id for session in down]
    full = await _without_room(engine, down)
    found: dict[SessionId, Back] = {}
    room = anyio.Semaphore(_AT_ONCE)

    async def one(id: SessionId) -> None:
        async with room:
            found[id] = full.get(id) or await _back(engine, caller, id)
            await tell(len(found), len(wanted), id)

    for later in (False, True):  # who is put into the queue takes nobody's place
        async with anyio.create_task_group() as tasks:
            for session in down:
                if is_of_the_queue(session) is later:
                    tasks.start_soon(one, session.id)
    return [found[id] for id in wanted]


async def _without_room(engine: Engine, down: Sequence[Session]) -> Mapping[SessionId, Back]:
    """Who would be one too many, the youngest first. Who waited in the queue waits there again."""
    coming = [one for one in down if not is_of_the_queue(one)]
    limits = await engine.room.measure(engine.projects, {one.project for one in coming})
    full = without_room(team_of(engine.records), limits, coming)
    return {id: Back(id, problem=_no_room(id, why)) for id, why in full.items()}


def _no_room(id: SessionId, why: str) -> AoError:
    hint = "Call again once there is room; `restore` of this one alone goes above the limit."
    return WrongState(f"{id} waits for {why}.", hint=hint)


async def _back(engine: Engine, caller: Caller, id: SessionId) -> Back:
    if not is_terminal(engine.session(id)):  # somebody else has brought it back
        return Back(id, engine.session(id))
    try:
        return Back(id, await restore(engine, caller, id, Ticket()))
    except AoError as exc:
        return Back(id, problem=exc)
    except Exception:  # a plugin of anybody's; the others come back all the same
        _log.exception("%s could not be brought back", id)
        return Back(id, problem=Internal("An internal error.", hint="See `ao logs --engine`."))
