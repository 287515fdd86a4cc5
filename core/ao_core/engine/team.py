"""The team as it was: who went down with a stop, a runtime or the machine, and brings back all."""

import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio

from ao_core.engine.caller import Caller
from ao_core.engine.engine import Engine
from ao_core.engine.keys import Ticket
from ao_core.engine.restore import restore
from ao_core.errors import AoError, Internal
from ao_core.ids import ProjectId, SessionId
from ao_core.model.session import RuntimeReason, Session, SessionReason, is_terminal
from ao_core.store.records import SESSION

_log = logging.getLogger(__name__)
_AT_ONCE = 4
_DOWN = frozenset({SessionReason.RUNTIME_LOST, SessionReason.ENGINE_STOPPED})
_SHUTDOWN = frozenset({signal.SIGHUP, signal.SIGTERM})  # what a machine says that goes down


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
    return sorted(filter(_is_down, every), key=lambda one: (one.created_at, one.id))


def _is_down(session: Session) -> bool:
    killed = session.workspace_gone or session.run.reason is RuntimeReason.KILL_REQUESTED
    if killed or not is_terminal(session):
        return False
    reason = session.facts.reason
    if reason is SessionReason.AGENT_PROCESS_EXITED:
        return session.run.exit_signal in _SHUTDOWN
    failed = reason is SessionReason.ERROR_IN_PROCESS and session.generation > 1
    return failed or reason in _DOWN  # one that could not be brought back is still wanted


async def bring_back(
    engine: Engine,
    caller: Caller,
    project: ProjectId | None,
    tell: Callable[[int, int, SessionId], Awaitable[None]],
) -> Sequence[Back]:
    """All of them, a few at a time. One that fails keeps no other, and stays wanted."""
    wanted = [session.id for session in gone_down(engine, project)]
    found: dict[SessionId, Back] = {}
    room = anyio.Semaphore(_AT_ONCE)

    async def one(id: SessionId) -> None:
        async with room:
            found[id] = await _back(engine, caller, id)
            await tell(len(found), len(wanted), id)

    async with anyio.create_task_group() as tasks:
        for id in wanted:
            tasks.start_soon(one, id)
    return [found[id] for id in wanted]


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
