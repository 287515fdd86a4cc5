"""MCP over one connection of the engine's socket: the SDK's server between two pumps."""

from collections.abc import Callable
from typing import TypeAlias

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCRequest,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

from ao_core.errors import BadRequest
from ao_core.wire import LINE_LIMIT, decode
from ao_mcp.mcp.desk import Desk, welcome
from ao_mcp.mcp.tools import too_large
from ao_mcp.peer import IN_FLIGHT, LAST_WORDS, MALFORMED, Peer

ToServer: TypeAlias = MemoryObjectSendStream[SessionMessage | Exception]
ToClient: TypeAlias = MemoryObjectSendStream[SessionMessage]
FromServer: TypeAlias = MemoryObjectReceiveStream[SessionMessage]

_ID_LIMIT = 200
_CLOSED = (anyio.BrokenResourceError, anyio.ClosedResourceError)


async def serve_mcp(desk: Desk, peer: Peer) -> None:
    """Serve one connection to its end, in whichever era of the protocol the client opens."""
    to_server, from_client = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_client, from_server = anyio.create_memory_object_stream[SessionMessage](0)
    server = desk.server()
    pumps = _Pumps(peer)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pumps.write, from_server, tasks.cancel_scope.cancel)
        async with anyio.create_task_group() as reading:
            reading.start_soon(pumps.read, to_server, to_client.clone())
            await server.run(from_client, to_client, welcome(server))
            reading.cancel_scope.cancel()
        tasks.cancel_scope.deadline = anyio.current_time() + LAST_WORDS


class _Pumps:
    """Moves messages between socket and server. Only so many calls are let in at a time."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._room = anyio.Semaphore(IN_FLIGHT)

    async def read(self, to_server: ToServer, to_client: ToClient) -> None:
        """Lines into messages, until the client hangs up or talks nonsense."""
        malformed = 0
        async with to_server, to_client:
            try:
                async for line in self._peer.lines():
                    if (fault := await self._take(line, to_server)) is not None:
                        malformed += fault.id is None
                        await self._refuse(fault, to_client)
                    if malformed >= MALFORMED:
                        return
            except BadRequest as error:
                await to_client.send(_error(None, ErrorData(code=PARSE_ERROR, message=str(error))))
            except _CLOSED:  # the server is done with this client
                return

    async def write(self, from_server: FromServer, give_up: Callable[[], None]) -> None:
        """Messages into lines."""
        async with from_server:
            async for item in from_server:
                message = item.message
                if isinstance(message, JSONRPCResponse | JSONRPCError) and message.id is not None:
                    self._room.release()
                if not await self._peer.send(_line(item)):
                    give_up()

    async def _refuse(self, fault: JSONRPCError, to_client: ToClient) -> None:
        if fault.id is not None:  # as a call that was let in: its answer makes room again
            await self._room.acquire()
        await to_client.send(SessionMessage(fault))

    async def _take(self, line: bytes, to_server: ToServer) -> JSONRPCError | None:
        """Hand one message on; says what is wrong with a line that is none."""
        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValidationError:
            return _fault(line)
        if not isinstance(message, JSONRPCRequest):
            await to_server.send(SessionMessage(message))
            return None
        await self._room.acquire()
        settled = ServerMessageMetadata(on_request_unanswered=self._settle)
        await to_server.send(SessionMessage(message, settled))
        return None

    async def _settle(self) -> None:
        self._room.release()


def _line(item: SessionMessage) -> bytes:
    line = _dumped(item)
    if len(line) > LINE_LIMIT and isinstance(item.message, JSONRPCResponse):
        refused = ErrorData(code=INTERNAL_ERROR, message="Too large.", data=too_large(LINE_LIMIT))
        line = _dumped(_error(item.message.id, refused))
    return line + b"\n"


def _dumped(item: SessionMessage) -> bytes:
    return item.message.model_dump_json(by_alias=True, exclude_unset=True).encode()


def _error(call: int | str | None, error: ErrorData) -> SessionMessage:
    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=call, error=error))


def _fault(line: bytes) -> JSONRPCError:
    """What is wrong with a line; under its id where it has one, so that nobody waits in vain."""
    try:
        call = decode(line).get("id")
    except BadRequest as error:
        fault = ErrorData(code=PARSE_ERROR, message=error.message)
        return JSONRPCError(jsonrpc="2.0", id=None, error=fault)
    known = isinstance(call, str | int) and not isinstance(call, bool)
    usable = known and len(str(call)) <= _ID_LIMIT and str(call).isprintable()
    fault = ErrorData(code=INVALID_REQUEST, message="The line is not a JSON-RPC 2.0 message.")
    return JSONRPCError(jsonrpc="2.0", id=call if usable else None, error=fault)
