"""The composition root: home, store, registry, engine and faces, brought up in order."""

import logging
import os
import shlex
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import anyio

import ao_plugins
from ao_core import prompt
from ao_core.clock import SystemClock
from ao_core.config.load import engine_settings
from ao_core.config.models import Settings
from ao_core.config.own import Confirm, Retention
from ao_core.config.problem import ConfigProblems
from ao_core.engine import wrappers
from ao_core.engine.awake import Awake
from ao_core.engine.boot import look_after_boot
from ao_core.engine.budgets import Budgets
from ao_core.engine.caller import Role
from ao_core.engine.cleanup import Cleanup
from ao_core.engine.engine import Engine
from ao_core.engine.expiring import expire_messages
from ao_core.engine.giving_up import give_up
from ao_core.engine.glances import Glances
from ao_core.engine.home import Home, open_home
from ao_core.engine.host_limits import tell_of_limits
from ao_core.engine.login import login_environment
from ao_core.engine.loop import Loop
from ao_core.engine.outlets import Outlets
from ao_core.engine.overlap import Overlaps
from ao_core.engine.projects import Projects
from ao_core.engine.pull_looks import Pulls
from ao_core.engine.queue import Queue
from ao_core.engine.reactions import Reactions
from ao_core.engine.records import Records
from ao_core.engine.recover import recover
from ao_core.engine.retention import keep_small
from ao_core.engine.room import Room
from ao_core.engine.stocking import Stocking
from ao_core.engine.timekeeping import keep_time
from ao_core.engine.vetting import Vetting
from ao_core.engine.webhook_looks import ToldLooks
from ao_core.errors import AoError
from ao_core.files import private_dir, write_atomic
from ao_core.ids import SessionId
from ao_core.log import LogFile
from ao_core.model.budget import Budget
from ao_core.model.event import EventKind, NewEvent, Said
from ao_core.redact import RedactingFilter, Redactor
from ao_core.registry import Registry
from ao_core.store.choice import chosen, open_store, require_data
from ao_core.store.convert import settle
from ao_core.store.kind import StoreKind
from ao_mcp import __version__, handshake
from ao_mcp.beside import http_beside
from ao_mcp.operations.every import OPERATIONS
from ao_mcp.server import serve
from ao_mcp.start import socket_path

_log = logging.getLogger("ao_mcp")
_GLANCE = 5.0
_GRACE = 0.2
_WORKER_FACE = (sys.executable, "-I", "-m", "ao_mcp", "--worker")


async def run(home: Path, ready: Callable[[], None], lock: int | None = None) -> None:
    """Serve a home until told to stop, or until the home is gone."""
    async with engine_on(home, lock) as engine, anyio.create_task_group() as tasks:
        await _note(engine, EventKind.ENGINE_STARTED, f"version {__version__}")
        loop = Loop(engine)
        await look_after_boot(engine, loop)
        tasks.start_soon(loop.run)
        await recover(engine)
        await tasks.start(_listen, engine)
        engine.home.announce(__version__, engine.socket, engine.http)
        ready()
        tasks.start_soon(_while_home_lasts, engine)
        tasks.start_soon(_going_on, "screens are seen only now and then", Glances(engine).run)
        tasks.start_soon(_going_on, "nothing is reacted to any more", Reactions(engine).run)
        tasks.start_soon(_going_on, "no notifier is told any more", Outlets(engine).run)
        tasks.start_soon(_going_on, "nobody in the queue starts any more", Queue(engine).run)
        tasks.start_soon(_going_on, "nothing is cleared away any more", Cleanup(engine).run)
        tasks.start_soon(_going_on, "what the ended have left is not looked at", Pulls(engine).run)
        tasks.start_soon(_going_on, "nobody is told of limits", partial(tell_of_limits, engine))
        tasks.start_soon(_going_on, "what webhooks tell is not looked at", ToldLooks(engine).run)
        tasks.start_soon(_going_on, "overlaps are no longer told of", Overlaps(engine).run)
        tasks.start_soon(_going_on, "no workspace is kept ready", Stocking(engine).run)
        tasks.start_soon(_going_on, "no message expires any more", partial(expire_messages, engine))
        giving_up = partial(give_up, engine)
        tasks.start_soon(_going_on, "no permission is denied in time any more", giving_up)
        budgets = Budgets(engine, partial(_ceiling, engine.home))
        tasks.start_soon(_going_on, "nobody is held to a budget any more", budgets.run)
        tasks.start_soon(_going_on, "nobody keeps the time any more", partial(keep_time, engine))
        tasks.start_soon(_keep_awake, engine)
        tasks.start_soon(keep_small, engine, partial(_kept, engine.home))
        await engine.stopping.wait()
        await _note_the_end(engine)
        await anyio.sleep(_GRACE)  # the reply to `stop` is still on its way
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def engine_on(path: Path, lock: int | None = None) -> AsyncGenerator[Engine]:
    """An engine that holds its home, without faces."""
    home = open_home(path, lock)
    try:
        redactor = Redactor()
        _write_log(home, redactor, (await _settings(home)).retention)
        async with AsyncExitStack() as stack:
            yield await _engine(home, stack, redactor)
    finally:
        home.close()


async def _engine(home: Home, stack: AsyncExitStack, redactor: Redactor) -> Engine:
    clock = SystemClock()
    login = await login_environment(os.environ)
    kind = await anyio.to_thread.run_sync(_store_kind, home)
    store = await stack.enter_async_context(open_store(home.path, kind, clock))
    records = Records(store)
    await records.load()
    registry = Registry(ao_plugins.INDEX)
    projects = Projects(home, records, registry, clock, login, stack, redactor)
    tasks = await stack.enter_async_context(anyio.create_task_group())
    stack.callback(tasks.cancel_scope.cancel)
    engine = Engine(
        home, socket_path(home.path, os.environ), records, registry, projects, clock, tasks,
        version=__version__, worker_command=_WORKER_FACE, room=Room(partial(_most_workers, home)),
    )  # fmt: skip
    stack.callback(engine.spools.close)
    await anyio.to_thread.run_sync(_write_wrapper, home)
    await anyio.to_thread.run_sync(wrappers.write, home)
    return engine


def _write_wrapper(home: Home) -> None:
    """`ao` for workers, whichever is on their own PATH."""
    path = private_dir(home.bin) / "ao"
    script = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -m ao_mcp.cli "$@"\n'
    if not path.exists() or path.read_text() != script:
        write_atomic(path, script, 0o700)


def _store_kind(home: Home) -> StoreKind:
    """The store this home is kept in, also after a conversion that was broken off."""
    settle(home.path, os.environ)
    kind = chosen(home.path, os.environ)
    require_data(home.path, kind)
    return kind


async def _listen(engine: Engine, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    async def authenticate(role: Role, token: str) -> SessionId | None:
        return engine.worker(token) if role is Role.WORKER else None

    beside = await http_beside(engine, (await _settings(engine.home)).http)
    await serve(
        engine,
        OPERATIONS,
        engine.socket,
        home_id=engine.home.id,
        version=__version__,
        authenticate=authenticate,
        instructions={Role.LEAD: prompt.lead_instructions(), Role.WORKER: prompt.face_prompt()},
        confirm=partial(_confirm, engine.home),
        vet=Vetting(engine),
        handshake=engine.home.path / handshake.FILE,
        beside=beside,
        task_status=task_status,
    )


async def _note(engine: Engine, kind: EventKind, text: str) -> None:
    await engine.records.commit([], [NewEvent(kind, Said(text))])


async def _note_the_end(engine: Engine) -> None:
    try:
        await _note(engine, EventKind.ENGINE_STOPPED, f"version {__version__}")
    except AoError:  # a full disk, or a home that is gone, keeps nobody from ending
        _log.exception("the journal does not tell of the end")


async def _kept(home: Home) -> Retention:
    # what cannot be understood might say to keep everything
    own = await anyio.to_thread.run_sync(engine_settings, home.path, os.environ)
    return own.retention


async def _most_workers(home: Home) -> int | None:
    return (await _settings(home)).max_workers


async def _confirm(home: Home) -> Confirm:
    try:
        own = await anyio.to_thread.run_sync(engine_settings, home.path, os.environ)
    except ConfigProblems:  # what cannot be understood might require a person
        return Confirm(merge="require", kill="require", permission="require")
    return own.confirm


async def _ceiling(home: Home) -> Budget:
    return (await _settings(home)).budget.value


async def _going_on(otherwise: str, run: Callable[[], Awaitable[None]]) -> None:
    try:
        await run()
    except Exception:  # an engine that lacks it still serves
        _log.exception(otherwise)


async def _keep_awake(engine: Engine) -> None:
    async def wanted() -> bool:
        return (await _settings(engine.home)).power.prevent_idle_sleep

    path = engine.login().get("PATH", os.defpath)
    try:
        await Awake(engine.records, engine.clock, path, wanted).run()
    except Exception:  # a machine that goes to sleep is no reason to end an engine
        _log.exception("the machine is no longer kept awake")


async def _while_home_lasts(engine: Engine) -> None:
    """An engine whose home was removed has nothing left to hold."""
    lock = engine.home.path / "engine.lock"
    while await anyio.Path(lock).exists():  # noqa: ASYNC110 - nothing tells of a folder removed
        await anyio.sleep(_GLANCE)
    _log.error("the home is gone; so is its engine")
    engine.stopping.set()


async def _settings(home: Home) -> Settings:
    """What the home says of its engine; the defaults where it cannot be understood."""
    try:
        return await anyio.to_thread.run_sync(engine_settings, home.path, os.environ)
    except ConfigProblems as exc:
        _log.warning("the home's own settings are left aside: %s", exc.message)
        return Settings()


def _write_log(home: Home, redactor: Redactor, kept: Retention) -> None:
    handler = LogFile(home.log, kept.logs, kept.log_files)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(RedactingFilter(redactor))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
