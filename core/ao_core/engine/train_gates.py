"""The gates of a train: those of the project, run on what each member becomes on the way.

They run in the scratch tree, with nobody's credentials, as they do for a worker's word.
"""

import shlex
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path

import anyio

from ao_core.engine.engine import Engine
from ao_core.engine.environment import layered
from ao_core.engine.gates import MARK, Findings, end_strays, plain_environment, run_gates
from ao_core.engine.project import Project
from ao_core.engine.side import run_in
from ao_core.errors import WrongState
from ao_core.git.train import Gate
from ao_core.ids import SessionId
from ao_core.model.event import EventKind
from ao_core.model.evidence import GateRun
from ao_core.redact import visible

_TAIL = 1_500


class CalledOff(WrongState):
    """Somebody ends a member, or pauses everybody: nothing is waited for any more."""


def gate_of(engine: Engine, project: Project, ids: Sequence[SessionId]) -> Gate | None:
    """What proves each member of a train; None where the project has no gates."""
    settings, clean = project.settings, engine.projects.redactor.clean
    if not settings.gates:
        return None
    env, since = _environment(engine, project, ids), engine.records.head

    async def gate(folder: Path, commit: str) -> str | None:
        run = run_in(project, folder)
        async with unless_called_off(engine, ids, since, "gates ran"):
            found = await run_gates(
                settings.gates, run, folder, commit, engine.clock, env=env, clean=clean
            )
        return _complaint(found)

    return gate


@asynccontextmanager
async def unless_called_off(
    engine: Engine, ids: Sequence[SessionId], since: int, during: str
) -> AsyncGenerator[None]:
    """Until a member is to end, or everybody to pause: nobody waits for a train then."""
    why: list[str] = []

    async def watch(wait: Callable[[], Awaitable[object]], reason: str) -> None:
        await wait()
        why.append(reason)
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for id in ids:
            tasks.start_soon(watch, partial(engine.told_to_end, id), f"{id} is being ended")
        tasks.start_soon(watch, partial(_braked, engine, since), "all workers are paused")
        yield
        tasks.cancel_scope.cancel()
    if why:
        hint = "Nothing was moved. Merge again, without whoever ended."
        raise CalledOff(f"The merge was called off while {during}: {why[0]}.", hint=hint)


async def _braked(engine: Engine, since: int) -> None:
    async with aclosing(engine.records.follow(since)) as journal:
        async for event in journal:
            if event.kind is EventKind.ENGINE_PAUSED:
                return


async def end_left(engine: Engine, id: SessionId) -> None:
    """End the gates of a train that was led by this session, when its engine was killed."""
    await end_strays(_mark(engine, [id]))


def _environment(engine: Engine, project: Project, ids: Sequence[SessionId]) -> dict[str, str]:
    settings, sessions = project.settings, [engine.session(id) for id in ids]
    granted = next((known for id in ids if (known := engine.granted(id))), None)
    secret = {*settings.credentials, *settings.secret_env}
    secret |= {name for one in sessions for name in one.credentials}
    shell = layered({}, granted, engine.login())
    env = plain_environment(shell, settings.env, secret, engine.projects.redactor.clean)
    return env | {MARK: _mark(engine, ids)}


def _mark(engine: Engine, ids: Sequence[SessionId]) -> str:
    return f"{engine.home.id}/train/{min(ids)}"


def _complaint(found: Findings) -> str | None:
    """Why it does not pass. What it leaves beside the work does not count: it is a scratch tree."""
    failed = [run for run in found.runs if not run.passed]
    if found.runs and not failed:
        return None
    return "\n\n".join(map(_failure, failed)) or found.why or "the gates could not be run"


def _failure(run: GateRun) -> str:
    command = visible(shlex.join(run.command), 300)
    head = f"gate {visible(run.name, 80)} ({command}) {run.ending}"
    return f"{head}:\n{run.tail[-_TAIL:]}" if run.tail else head
