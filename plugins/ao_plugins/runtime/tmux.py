"""tmux: each agent is the one program of a pane on a private server.

https://man.openbsd.org/tmux

The agent is the pane's own process, never a shell's child: when it ends, the pane is dead, and what
is typed then reaches nobody. TERM is the only variable added to its environment. A handle names
server, pane and process, and every step that types checks all three inside tmux, where it happens.
"""

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import anyio

from ao_core.deaths import Deaths
from ao_core.errors import (
    CommandFailed,
    NotInstalled,
    PluginError,
    TimedOut,
    Unavailable,
    WrongState,
)
from ao_core.launchpad import launchpad
from ao_core.model.session import RuntimeHandle, RuntimeState
from ao_core.platform import default_env, make_private, runtime_dir
from ao_core.plugin import Config, Detection, Manifest
from ao_core.process import alive, end_tree
from ao_core.slots.runtime import (
    AttachInfo,
    Measurable,
    Metrics,
    Mourning,
    Seen,
    Start,
)
from ao_core.usage import Usage, end_orphans
from ao_plugins._here import Here
from ao_plugins.runtime._tmux import server
from ao_plugins.runtime._tmux.control import Control, TmuxRefused, command
from ao_plugins.runtime._tmux.keyboard import TmuxKeyboard, trimmed
from ao_plugins.runtime._tmux.panes import (
    LIST,
    Row,
    absent,
    handle_of,
    pane_of,
    process_of,
    rows,
    server_of,
)
from ao_plugins.runtime._tmux.processes import fetched

_LINES_LIMIT = 5000
_TRIES = 20  # round trips in which tmux learns of a death that we know of


class TmuxConfig(Config):
    """Settings for tmux."""

    socket: Path | None = None
    deadline: float = 20.0  # seconds in which a program must have been started
    grace: float = 3.0  # seconds an agent has to end by itself when it is told to


class Tmux(TmuxKeyboard, Here[TmuxConfig], Mourning, Measurable):
    """Runs agents in tmux."""

    manifest: ClassVar[Manifest] = Manifest("tmux", "runtime", "Agents in tmux panes", "1.0.0")
    config_type: ClassVar[type[Config]] = TmuxConfig

    @classmethod
    async def detect(cls, config: Config, environment: Mapping[str, str]) -> Detection:
        """Whether a tmux is there that is new enough."""
        return await server.detect(environment)

    async def open(self) -> None:
        """Prepare; the server is started by the first who needs it."""
        env = default_env(self.scope.environment)
        program = server.find_tmux(env) or "tmux"  # who needs it is told that it is missing
        state = make_private(self.scope.state)
        self._folder = make_private(runtime_dir(state, self.scope.environment))
        usual = server.checked_socket(self.config.socket or self._folder / "tmux")
        self._socket = server.settled_socket(usual, state)
        settings = server.write_settings(state)
        self._program = program
        self._argv = (program, "-u", "-S", str(self._socket), "-f", str(settings))
        self.control = Control(self._argv, env)
        self._stack.push_async_callback(self._leave)
        self._deaths = Deaths()
        self._stack.callback(self._deaths.close)
        self._usage = Usage()
        self._creating: dict[str, anyio.Lock] = {}

    async def create(self, start: Start) -> RuntimeHandle:
        """Start the command as a pane's own program."""
        name = server.checked_id(start.id)
        async with self._creating.setdefault(name, anyio.Lock()):
            found = await self.find(name)
            if found and await self.alive(found):
                return found
            if found:
                await self.destroy(found)
            return await self._launch(name, start)

    async def find(self, id: str) -> RuntimeHandle | None:
        """What runs, or ran, under this id; once it is clear what an interrupted start became."""
        found = await self._found(server.checked_id(id))
        if found:
            await fetched(process_of(found)[0], self.config.deadline)
        return found

    async def destroy(self, handle: RuntimeHandle) -> None:
        """End the agent with all it started, then its session."""
        pid, started = process_of(handle)
        await end_tree(pid, started=started, grace=self.config.grace)
        row = next((row for row in await self._rows() if row.is_of(handle)), None)
        if row:
            await end_orphans(pid, self.config.grace)
            with suppress(TmuxRefused):  # somebody else was faster
                await self.control.ask(command("kill-session", "-t", row.session))
        self._deaths.forget(handle.id, pid)

    async def look(self, handles: Sequence[RuntimeHandle]) -> Mapping[str, Seen]:
        """One listing for all."""
        if not handles:
            return {}
        try:
            for tmux in {server_of(handle) for handle in handles}:
                await server.revive_socket(self._socket, *tmux)
            found = await self._settled()
        except (Unavailable, TimedOut, NotInstalled) as exc:
            failed = Seen(RuntimeState.PROBE_FAILED, detail=exc.message)
            return dict.fromkeys((handle.id for handle in handles), failed)
        return {handle.id: self._seen(handle, found) for handle in handles}

    async def output(self, handle: RuntimeHandle, lines: int = 50) -> str:
        """The last lines, those that were wrapped made whole."""
        wanted = max(1, min(lines, _LINES_LIMIT))
        span, text = wanted, ""
        while True:
            capture = command("capture-pane", "-p", "-J", "-S", str(-span), "-t", pane_of(handle))
            size = command("display-message", "-p", "-t", pane_of(handle), "#{history_size}")
            text, history = await self._must(handle, capture, size)
            kept = trimmed(text).split("\n")
            if len(kept) > wanted or span >= int(history):
                return "\n".join(kept[-wanted:])
            span *= 4  # wrapped ones take several

    async def write(self, handle: RuntimeHandle, text: str) -> None:
        """Paste the text as it is."""
        if not await self._paste(handle, text, ()):
            raise WrongState(f"{handle.id} has ended; nothing can be typed to it")

    async def attach_info(self, handle: RuntimeHandle) -> AttachInfo:
        """`tmux attach`, on our socket."""
        argv = (self._program, "-u", "-S", str(self._socket), "attach", "-t", f"={handle.id}")
        return AttachInfo("tmux", handle.id, argv)

    def deaths(self) -> AsyncGenerator[RuntimeHandle]:
        """Yield each agent as it ends."""
        return self._deaths.each()

    async def watch(self, handle: RuntimeHandle) -> None:
        """Tell of this one's death, too."""
        self._deaths.watch(handle, *process_of(handle))

    async def metrics(self, handle: RuntimeHandle) -> Metrics | None:
        """What the agent and its children use."""
        return await self._usage.of(*process_of(handle))

    async def _launch(self, name: str, start: Start) -> RuntimeHandle:
        told = server.in_terminal(start.command)
        async with launchpad(self._folder, told, start.workspace) as pad:
            try:
                answer = await self.control.ask(*server.new_session(name, start, pad.argv))
                pane, pid, tmux = answer[0].split(" ")
                handle = handle_of(name, pane, int(pid), int(tmux))
                await pad.started(self.config.deadline)
            except BaseException:  # cancelled, too: no agent runs that nobody knows of
                with anyio.CancelScope(shield=True):
                    await self._undo(name)
                raise
        await self.watch(handle)
        return handle

    async def _leave(self) -> None:
        """Go; a server without agents goes, too."""
        if self.control.connected or server.path_exists(self._socket):
            with suppress(Unavailable, TimedOut, TmuxRefused):  # it went first, or will not go
                if not any(row.lives for row in await self._rows()):
                    await self.control.ask("kill-server")
        await self.control.aclose()
        await server.end_strays(self._argv)
        server.tidy(self._socket)

    async def _undo(self, name: str) -> None:
        with suppress(PluginError, CommandFailed):  # what is reported is why it did not start
            if left := await self._found(name):
                await self.destroy(left)

    async def _found(self, name: str) -> RuntimeHandle | None:
        row = next((row for row in await self._rows() if row.agent == name), None)
        return handle_of(name, row.pane, row.pid, row.server) if row else None

    async def _rows(self) -> list[Row]:
        asked_at = time.time()
        try:
            (listing,) = await self.control.ask(LIST)
        except Unavailable:  # the client had died unnoticed; asking twice is harmless here
            (listing,) = await self.control.ask(LIST)
        return rows(listing, asked_at)

    async def _settled(self) -> list[Row]:
        """A listing after tmux has learned how those ended of which we know that they did."""
        found = await self._rows()
        for _ in range(_TRIES):
            late = {row.server for row in found if self._is_over(row) and not row.told}
            if not late:
                break
            for tmux in late:
                server.nudge(tmux)
            found = await self._rows()
        return found

    def _is_over(self, row: Row) -> bool:
        return row.dead or self._deaths.knows(row.agent, row.pid) or not alive(row.pid)

    def _seen(self, handle: RuntimeHandle, found: Sequence[Row]) -> Seen:
        row = next((row for row in found if row.is_of(handle)), None)
        if row is None:
            return absent(handle, found)
        return row.seen(runs=not self._is_over(row) or alive(*process_of(handle)))
