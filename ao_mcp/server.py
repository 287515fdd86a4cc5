"""The engine's side of its socket: who connects, by which face, and that no client harms another.

Each connection is a task of its own with all its errors inside. The MCP SDK is loaded in a thread
for the first client that speaks MCP, or else a while after the socket listens: whoever started the
engine by a command is not to share the processor with it. Clients that come sooner wait, each in
its own connection.
"""

import logging
import os
import stat
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import anyio
from anyio.abc import SocketAttribute, SocketListener, SocketStream, TaskStatus

from ao_core import platform, wire
from ao_core.config.own import Confirm
from ao_core.engine.caller import Caller, Role
from ao_core.engine.engine import Engine
from ao_core.errors import (
    AoError,
    BadRequest,
    EngineUnreachable,
    Refused,
    StoreError,
    StoreUnavailable,
)
from ao_core.files import write_atomic
from ao_mcp.faults import told
from ao_mcp.handshake import written
from ao_mcp.operations.contract import AnyOperation
from ao_mcp.operations_face import serve_operations
from ao_mcp.peer import Peer
from ao_mcp.service import Authenticate, Service, Vet, anybody, as_by_default
from ao_mcp.toolsets import Offer, chosen

if TYPE_CHECKING:
    from ao_mcp.mcp.face import McpFace

Load: TypeAlias = "Callable[[], Awaitable[McpFace]]"
Beside: TypeAlias = Callable[[Load], Coroutine[None, None, None]]

CONNECTIONS = 256
PREAMBLE_DEADLINE = 5.0

_LOG = logging.getLogger("ao_mcp")
_PATH_LIMIT = 103  # bytes, where macOS has least
_NO_ROOM_PAUSE = 0.1
_UNASKED = 5.0  # seconds until the SDK is loaded, though nobody speaks MCP


async def serve(
    engine: Engine,
    operations: Sequence[AnyOperation],
    socket_path: Path,
    *,
    home_id: str,
    version: str,
    authenticate: Authenticate,
    instructions: Mapping[Role, str] | None = None,
    confirm: Callable[[], Awaitable[Confirm]] = as_by_default,
    vet: Vet = anybody,
    handshake: Path | None = None,
    beside: Beside | None = None,
    task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Listen until cancelled. The home's lock must be held: a socket found there is a dead one.

    Into `handshake` goes what relays tell their clients while the next engine starts. `beside` is
    another way to the same MCP face, which it loads as it needs it.
    """
    service = Service(
        engine, tuple(operations), home_id, version, authenticate, instructions or {}, confirm, vet
    )
    listener = await _listen(socket_path)
    try:
        async with listener, anyio.create_task_group() as tasks:
            server = _Server(service)
            tasks.start_soon(server.prepare, handshake)
            if beside:
                tasks.start_soon(beside, server.load)
            task_status.started()
            await server.accept(listener)
    finally:
        _leave(socket_path)


async def _listen(path: Path) -> SocketListener:
    _prepare(path)
    try:
        return await anyio.create_unix_listener(path, mode=0o600)
    except OSError as exc:
        hint = "Set XDG_RUNTIME_DIR to a folder that is writable."
        raise StoreUnavailable(f"{path} cannot be made: {exc.strerror}", hint=hint) from exc


def _prepare(path: Path) -> None:
    if len(os.fsencode(path)) > _PATH_LIMIT:
        hint = "Set XDG_RUNTIME_DIR to a shorter folder."
        raise StoreUnavailable(f"The socket's path {path} is too long.", hint=hint)
    platform.make_private(path.parent)
    if os.path.lexists(path) and not stat.S_ISSOCK(path.lstat().st_mode):
        raise StoreUnavailable(f"{path} is in the way of the socket.", hint="Remove it.")
    _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _leave(path: Path) -> None:
    """Take the socket away, and its folder where nothing else is in it."""
    with suppress(OSError):
        _remove(path)
        path.parent.rmdir()


class _Server:
    """Everybody who is connected."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._names = count(1)
        self._connected = 0
        self._mcp: McpFace | None = None
        self._loading = anyio.Lock()
        self._asked = anyio.Event()

    async def accept(self, listener: SocketListener) -> None:
        """Take everybody in."""
        async with anyio.create_task_group() as tasks:
            while True:
                try:
                    tasks.start_soon(self._connection, await listener.accept())
                except anyio.BrokenResourceError:  # no file descriptor left: some will be freed
                    _LOG.exception("A client could not be taken in.")
                    await anyio.sleep(_NO_ROOM_PAUSE)

    async def load(self) -> "McpFace":
        """Load the SDK and make the tools, once."""
        self._asked.set()
        async with self._loading:
            if self._mcp is None:
                self._mcp = await anyio.to_thread.run_sync(_load_mcp, self._service)
        return self._mcp

    async def prepare(self, handshake: Path | None) -> None:
        """Be ready for the next client, and for those who come while the next engine starts."""
        with anyio.move_on_after(_UNASKED):
            await self._asked.wait()
        face = await self.load()
        if handshake is None:
            return
        text = written(self._service.version, await face.rehearse())
        try:
            await anyio.to_thread.run_sync(write_atomic, handshake, text)
        except StoreError:  # only the next start is slower for it
            _LOG.exception("The handshake could not be kept.")

    async def _connection(self, stream: SocketStream) -> None:
        """One client from its first line to its last; no error leaves it."""
        peer = Peer(stream)
        self._connected += 1
        try:
            async with stream:
                await self._greet_and_serve(stream, peer)
        except AoError as error:
            _LOG.info("A client was refused: %s", error.message)
        except Exception as error:
            told(error, "A connection")
        finally:
            self._connected -= 1

    async def _greet_and_serve(self, stream: SocketStream, peer: Peer) -> None:
        try:
            preamble = await self._preamble(stream, peer)
            caller = await self._caller(stream, preamble) if preamble else None
        except AoError as error:
            await peer.send(wire.refusal(error))
            raise
        if preamble is None or caller is None:
            return
        service = self._service
        at = service.engine.records.head
        await peer.send(wire.Greeting(service.version, service.home_id, at).line())
        try:
            await self._face(preamble, peer, caller)
        except anyio.get_cancelled_exc_class():
            await peer.farewell()
            raise

    async def _preamble(self, stream: SocketStream, peer: Peer) -> wire.Preamble | None:
        """The checked first line; None from a client that only looked whether we are there."""
        uid = platform.peer_uid(stream.extra(SocketAttribute.raw_socket))  # noqa: S610
        if uid is not None and uid != os.getuid():
            raise Refused("The engine serves its own user only.", hint="Use an engine of your own.")
        if self._connected > CONNECTIONS:
            raise EngineUnreachable("Too many clients.", hint="Close some, then connect again.")
        with anyio.move_on_after(PREAMBLE_DEADLINE):
            line = await peer.line(wire.PREAMBLE_LIMIT)
            return None if line is None else wire.read_preamble(line)
        raise BadRequest("The preamble did not come in time.", hint="Send it at once.")

    async def _caller(self, stream: SocketStream, preamble: wire.Preamble) -> Caller:
        role = Role(preamble.role)
        session = await self._service.authenticate(role, preamble.token)
        if role is Role.WORKER and session is None:
            hint = "Workers connect from their own session, while it lives."
            raise Refused("The token is not one of a live session.", hint=hint)
        pid = platform.peer_pid(stream.extra(SocketAttribute.raw_socket))  # noqa: S610
        await self._service.vet(role, session, pid)
        cwd = _absolute(preamble.cwd)
        return Caller(
            role=role,
            connection=f"c{next(self._names)}",
            cwd=cwd,
            config=_absolute(preamble.config, cwd),
            session=session,
            client=preamble.client,
            environment=preamble.env,
        )

    async def _face(self, preamble: wire.Preamble, peer: Peer, caller: Caller) -> None:
        if preamble.face == wire.OPERATIONS:
            return await serve_operations(peer, self._service, caller)
        mcp = await self.load()
        await mcp.serve(peer, caller, Offer(chosen(preamble.toolsets), preamble.read_only))


def _load_mcp(service: Service) -> "McpFace":
    """Runs in a thread: the import takes a second."""
    from ao_mcp.mcp.face import McpFace

    return McpFace(service)


def _absolute(path: str, beside: Path | None = None) -> Path | None:
    found = Path(path) if path else None
    if found and beside and not found.is_absolute():
        found = beside / found
    return found if found and found.is_absolute() else None
