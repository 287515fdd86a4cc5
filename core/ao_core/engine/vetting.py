"""Whose process calls. A worker's own, and what the engine runs itself, speak for nobody else.

What a connection says of itself is a claim, and the token of a worker is in its environment, which
the same user can read. So it is looked at who opened the socket: a process that descends from a
worker's is that worker's, whatever it says, and what the engine runs (gates, hooks of git) is code
that workers wrote. Whoever leaves its family behind is not found out: see docs/security.md.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import anyio.to_thread

from ao_core.engine.caller import Role
from ao_core.engine.engine import Engine
from ao_core.engine.gates import MARK as GATES
from ao_core.errors import AoError, Refused
from ao_core.ids import SessionId, session_id
from ao_core.lineage import environment, lineage
from ao_core.model.event import EventKind, NewEvent, Said

MARK = "AO_SPOOL"  # what every worker of this home is started with, and nobody else
_SPELL = timedelta(minutes=1)  # in which the same is not told again
_HINT = "Use a terminal of your own. Workers have `report`, `ask`, `inbox` and `message`."


@dataclass(frozen=True, slots=True)
class Family:
    """Where a process comes from."""

    sessions: frozenset[str] = frozenset()  # the workers it descends from
    engines: bool = False  # whether the engine runs it
    known: bool = True  # whether it was there to be looked at


class Vetting:
    """Refuses whoever claims to be somebody else, and has it told."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._told: dict[SessionId, datetime] = {}

    async def __call__(self, role: Role, session: SessionId | None, pid: int | None) -> None:
        """Raises `Refused` where that process cannot be whom it claims to be."""
        if pid is None or pid == os.getpid():
            return
        home = self._engine.home
        family = await anyio.to_thread.run_sync(family_of, pid, home.path, home.id)
        if not family.known:
            raise Refused("Whoever opened this connection is gone.", hint="Connect again.")
        if others := family.sessions - ({session} if role is Role.WORKER else set()):
            await self._note(others, role)
            raise Refused(f"A worker's own process is not {_CLAIMED[role]}.", hint=_HINT)
        if family.engines and role is not Role.WORKER:
            raise Refused(f"What the engine runs is not {_CLAIMED[role]}.", hint=_HINT)

    async def _note(self, sessions: Iterable[str], role: Role) -> None:
        """Tell of it in the journal, of each worker once in a while."""
        now, elapsed = self._engine.clock.now(), self._engine.clock.course.elapsed
        for name in sessions:
            try:
                session = self._engine.session(session_id(name))
            except AoError:  # a folder of that name is not enough
                continue
            last = self._told.get(session.id)
            if last is None or elapsed(last, now) >= _SPELL:
                self._told[session.id] = now
                text = f"a process of this worker claimed to be {_CLAIMED[role]}; it was refused"
                event = NewEvent(
                    EventKind.SESSION_OVERSTEPPED, Said(text), session.project, session.id
                )
                await self._engine.records.commit([], [event])


_CLAIMED = {Role.PERSON: "a person", Role.LEAD: "the lead", Role.WORKER: "another worker"}


def family_of(pid: int, home: Path, id: str) -> Family:
    """Where a process comes from, as far as can be seen."""
    found = lineage(pid)
    started = [environment(one) for one in found]
    spools = {Path(os.path.realpath(env.get(MARK, "/"))) for env in started}
    folder = os.path.realpath(home)
    sessions = frozenset(spool.name for spool in spools if spool.is_relative_to(folder))
    # what has lost its parents is the first process's child, also where we are that one
    ours = os.getpid() in found[1:] and os.getpid() != 1
    return Family(sessions, ours or any(id in env.get(GATES, "") for env in started), bool(found))
