"""Processes of one's own: each agent is held by a small host that outlives the engine.

https://man7.org/linux/man-pages/man7/pty.7.html

An agent that speaks a protocol is held by its pipes, any other by a terminal. The host keeps what
is said in both directions in a log that this runtime reads; what is typed goes through the host,
which takes it only if the screen is still the one that was judged. See `ao_core.host`.
"""

import errno
import os
import shutil
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import ClassVar, Self

import anyio
from pydantic import Field, model_validator

from ao_core.deaths import Deaths
from ao_core.errors import (
    AoError,
    BadRequest,
    CommandFailed,
    StoreUnavailable,
    Unavailable,
    WrongState,
)
from ao_core.launchpad import launchpad
from ao_core.model.session import RuntimeHandle
from ao_core.platform import disk_remedy, is_full, make_private, runtime_dir
from ao_core.plugin import Config, Detection, Manifest
from ao_core.slots.runtime import (
    AttachInfo,
    Command,
    Forgetting,
    Line,
    Measurable,
    Metrics,
    Mourning,
    Piped,
    Seen,
    Start,
)
from ao_core.usage import Usage
from ao_plugins._here import Here
from ao_plugins.runtime._process import attach
from ao_plugins.runtime._process.client import connected
from ao_plugins.runtime._process.held import PIPES, Held, handle_of, held_of, this_boot
from ao_plugins.runtime._process.keyboard import ProcessKeyboard
from ao_plugins.runtime._process.life import all_seen, end
from ao_plugins.runtime._process.line import HostLine
from ao_plugins.runtime._process.places import checked_id, host_command

_LINES_LIMIT = 5000
_TERM = "xterm-256color"


class ProcessConfig(Config):
    """Settings for processes."""

    deadline: float = 20.0  # seconds in which a program must have been started
    grace: float = 3.0  # seconds an agent has to end by itself when it is told to
    segment: int = Field(default=4 << 20, ge=4096)  # bytes of a log that are dropped at once
    log: int = Field(default=64 << 20, ge=1 << 20)  # bytes of a log that are kept

    @model_validator(mode="after")
    def _drops_before_it_is_full(self) -> Self:
        if "segment" in self.model_fields_set and 2 * self.segment > self.log:
            sizes = f"`segment` ({self.segment:,}) is more than half of `log` ({self.log:,} bytes)"
            raise ValueError(f"{sizes}: leave it out, or make `log` {2 * self.segment:,} or more")
        return self

    @property
    def dropped_at_once(self) -> int:
        """The size of a segment; a log that holds but one could never be shortened."""
        return min(self.segment, self.log // 2)


class Process(ProcessKeyboard, Here[ProcessConfig], Piped, Mourning, Measurable, Forgetting):
    """Runs agents in processes."""

    manifest: ClassVar[Manifest] = Manifest(
        "process", "runtime", "Agents in processes of their own, by terminal or pipes", "1.0.0"
    )
    config_type: ClassVar[type[Config]] = ProcessConfig

    @classmethod
    async def detect(cls, config: Config, environment: Mapping[str, str]) -> Detection:
        """Whether there are processes that can be forked."""
        hint = "Use another runtime."
        return Detection(True) if hasattr(os, "fork") else Detection(False, "no fork", hint)

    async def open(self) -> None:
        """Prepare; each agent brings its own host."""
        self._sockets = make_private(runtime_dir(self.scope.state, self.scope.environment))
        self.state = make_private(self.scope.state)
        self.feeds = {}
        self._deaths = Deaths()
        self._stack.callback(self._deaths.close)
        self._usage = Usage()
        self._stack.callback(self._tidy)
        self._creating: dict[str, anyio.Lock] = {}

    async def create(self, start: Start) -> RuntimeHandle:
        """Start the command under a host of its own."""
        name = checked_id(start.id)
        async with self._creating.setdefault(name, anyio.Lock()):
            found = await self.find(name)
            if found and await self.alive(found):
                return found
            if found:
                await end(held_of(found), self.place(name), self.config.grace)
                self._let_go(name, held_of(found))
            await anyio.to_thread.run_sync(self.place(name).put_aside)
            return await self._launch(name, start)

    async def find(self, id: str) -> RuntimeHandle | None:
        """What runs, or ran since the machine started, under this id."""
        place = self.place(checked_id(id))
        held = await anyio.to_thread.run_sync(place.recorded)
        if held is None or (held.boot != this_boot() and place.exit(held) is None):
            return None
        return handle_of(id, held)

    async def destroy(self, handle: RuntimeHandle) -> None:
        """End the agent with all it started; its log is put aside."""
        held, place = held_of(handle), self.place(handle.id)
        await end(held, place, self.config.grace)
        if place.is_of(held):
            await anyio.to_thread.run_sync(place.put_aside)
        self._let_go(handle.id, held)

    async def forget(self, id: str) -> None:
        """Remove the logs of one that has ended, also what was put aside."""
        place = self.place(checked_id(id))
        async with self._creating.setdefault(id, anyio.Lock()):
            held = place.held()
            if held is None or place.exit(held) or not (held.runs() or held.is_hosted()):
                await anyio.to_thread.run_sync(place.remove)

    async def look(self, handles: Sequence[RuntimeHandle]) -> Mapping[str, Seen]:
        """A look at the kernel's table and a file or two for each."""
        return await all_seen({handle.id: held_of(handle) for handle in handles}, self.place)

    async def output(self, handle: RuntimeHandle, lines: int = 50) -> str:
        """The last lines; of a piped program, what it complained of."""
        wanted, place = max(1, min(lines, _LINES_LIMIT)), self.own_place(handle)
        if held_of(handle).piped:
            return place.complaints(wanted)
        return "\n".join((await self.shown(handle)).whole()[-wanted:])

    async def write(self, handle: RuntimeHandle, text: str) -> None:
        """Paste the text as it is; a piped program is told it."""
        if not await self.type_text(handle, text):
            raise WrongState(f"{handle.id} has ended; nothing can be typed to it")

    async def attach_info(self, handle: RuntimeHandle) -> AttachInfo:
        """A terminal is attached to another; a piped program is attached to through the engine."""
        held = held_of(handle)
        attached = (sys.executable, "-I", "-m", attach.__name__, held.socket, held.kind)
        return AttachInfo("process", handle.id, () if held.piped else attached)

    @asynccontextmanager
    async def line(self, handle: RuntimeHandle) -> AsyncGenerator[Line]:
        """Open the line to a piped program."""
        held, place = held_of(handle), self.own_place(handle)
        if not held.piped:
            raise BadRequest(f"{handle.id} has a terminal, and no line")
        known = place.extent()[1]
        with suppress(Unavailable):  # the files have all there is
            async with connected(held) as host:
                known = int((await host.status())["end"])
        yield HostLine(handle.id, held, self.own_place(handle), known)

    def deaths(self) -> AsyncGenerator[RuntimeHandle]:
        """Yield each agent as it ends."""
        return self._deaths.each()

    async def watch(self, handle: RuntimeHandle) -> None:
        """Tell of this one's death, too; its host ends with it."""
        held = held_of(handle)
        self._deaths.watch(handle, held.host, held.host_started)

    async def metrics(self, handle: RuntimeHandle) -> Metrics | None:
        """What the agent and its children use."""
        held = held_of(handle)
        return await self._usage.of(held.child, held.child_started)

    def _let_go(self, id: str, held: Held) -> None:
        self._deaths.forget(id, held.host)
        self._usage.forget(held.child)
        self.feeds.pop(held.token, None)

    def _tidy(self) -> None:
        with suppress(OSError):  # there are sockets of agents that run on
            self._sockets.rmdir()

    async def _launch(self, name: str, start: Start) -> RuntimeHandle:
        try:
            return await self._started(name, start)
        except BaseException as exc:  # cancelled, too: no host stays of which nobody was told
            full = isinstance(exc, CommandFailed) and _lacks_room(exc, self.state)
            with anyio.CancelScope(shield=True):
                await self._undo(name)
            if full:
                raise _no_room(self.state) from exc
            raise

    async def _started(self, name: str, start: Start) -> RuntimeHandle:
        place, kind, command = self.place(name), PIPES, start.command
        if not start.piped:
            kind = f"{start.columns}x{start.rows}"
            command = Command(command.argv, {**command.env, "TERM": _TERM})
        sizes = (self.config.dropped_at_once, self.config.log)
        async with launchpad(self._sockets, command, start.workspace) as pad:
            argv = host_command(place.folder, self._sockets, pad.path, kind, sizes)
            done = await self.scope.run(argv, env={}, deadline=self.config.deadline)
            done.check("starting a session host")
            await pad.started(self.config.deadline)
        held = await anyio.to_thread.run_sync(place.recorded)
        if held is None:
            raise Unavailable(f"the host of {name} did not say who it is")
        handle = handle_of(name, held)
        await self.watch(handle)
        return handle

    async def _undo(self, name: str) -> None:
        with suppress(AoError):  # what is reported is why it did not start
            if held := self.place(name).held():
                await end(held, self.place(name), self.config.grace)
                self._let_go(name, held)
        shutil.rmtree(self.place(name).folder, ignore_errors=True)


def _lacks_room(failed: CommandFailed, folder: Path) -> bool:
    # a host that has left its starter has nobody to complain to
    return os.strerror(errno.ENOSPC) in failed.message or is_full(folder)


def _no_room(folder: Path) -> StoreUnavailable:
    hint = disk_remedy(OSError(errno.ENOSPC, ""))
    return StoreUnavailable(f"{folder} has no room for what an agent says", hint=hint)
