"""Ports of its own for each session, so that workers' servers do not meet.

They lie below those that systems hand out by themselves. The next block is always sought after the
last, so that two that are sought at once differ, and one just given up is not used again at once.
"""

import errno
import socket
import zlib
from collections.abc import Collection
from dataclasses import replace

from anyio import to_thread

from ao_core.engine.engine import Engine
from ao_core.engine.project import Project
from ao_core.engine.records import Step
from ao_core.errors import Conflict, WrongState
from ao_core.model.session import Session
from ao_core.store.contract import Put
from ao_core.store.records import COUNTER, SESSION, Counter

FIRST, LAST = 20_000, 31_999
_NEXT = "ports"
_ATTEMPTS = 20
_HOSTS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


def variables(session: Session) -> dict[str, str]:
    """What a worker is told of its ports."""
    return {f"AO_PORT_{place}": str(port) for place, port in enumerate(session.ports)}


async def assigned(engine: Engine, project: Project, session: Session) -> Session:
    """The session with as many ports as the project wants: those it had, if nobody has them now."""
    count, taken = project.settings.ports, _taken(engine, session)
    had = session.ports
    if len(had) == count and taken.isdisjoint(had) and await to_thread.run_sync(_are_free, had):
        return session
    block = await _block(engine, count, taken) if count else ()
    return await engine.records.update(
        SESSION, session.id, lambda now: Step(replace(now, ports=block))
    )


def _taken(engine: Engine, session: Session) -> set[int]:
    others = (one for one in engine.live() if one.id != session.id)
    return {port for one in others for port in one.ports}


async def _block(engine: Engine, count: int, taken: Collection[int]) -> tuple[int, ...]:
    store = engine.records.store
    for _ in range(_ATTEMPTS):
        row = await store.read(COUNTER, _NEXT)
        start = row.value.value if row else _start(engine.home.id)
        block = await to_thread.run_sync(_free_block, start, count, taken)
        after = Counter(_NEXT, block[-1] + 1)
        try:
            await engine.records.commit([Put(COUNTER, _NEXT, after, row.revision if row else 0)])
        except Conflict:  # another session was given some
            continue
        return block
    raise Conflict("Too many sessions are being started at once.", hint="Try again.")


def _start(home: str) -> int:
    """Where to begin: homes on one machine should not seek in the same place."""
    return FIRST + zlib.crc32(home.encode()) % (LAST - FIRST)


def _free_block(start: int, count: int, taken: Collection[int]) -> tuple[int, ...]:
    """The next ports in a row that nobody has, once around."""
    at, end = start, start + (LAST - FIRST) + count
    while at < end:
        first = FIRST + (at - FIRST) % (LAST - FIRST + 1)
        block = tuple(range(first, first + count))
        if block[-1] <= LAST and not set(block) & set(taken) and _are_free(block):
            return block
        at += 1
    message = f"There are no {count} free ports in a row from {FIRST} to {LAST}."
    raise WrongState(message, hint="End some sessions, or lower `ports`.")


def _are_free(ports: Collection[int]) -> bool:
    return all(_is_free(*where, port) for port in ports for where in _HOSTS)


def _is_free(family: socket.AddressFamily, host: str, port: int) -> bool:
    try:
        with socket.socket(family) as probe:
            probe.bind((host, port))
    except OSError as exc:  # no such family here is nobody's port
        return exc.errno not in (errno.EADDRINUSE, errno.EACCES)
    return True
