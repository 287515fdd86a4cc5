"""The operations, for the command line: requests, replies, progress and cancellation by line."""

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from ao_core.engine.caller import Caller
from ao_core.errors import AoError, BadRequest, Unknown
from ao_core.wire import LINE_LIMIT, Message, decode, encode
from ao_mcp.faults import told
from ao_mcp.operations.contract import AnyOperation, Call
from ao_mcp.peer import IN_FLIGHT, LAST_WORDS, MALFORMED, Peer
from ao_mcp.perform import perform, shown
from ao_mcp.service import Service

CallId: TypeAlias = int | str

_ID_LIMIT = 200
_PROGRESS_PATIENCE = 0.5  # a reader slower than this is not told of a step


async def serve_operations(peer: Peer, service: Service, caller: Caller) -> None:
    """Serve one connection to its end."""
    to_client, outgoing = anyio.create_memory_object_stream[bytes](0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_write, peer, outgoing, tasks)
        async with to_client, anyio.create_task_group() as calls:
            await _Calls(service, caller, to_client, calls).read(peer)
            calls.cancel_scope.cancel()
        tasks.cancel_scope.deadline = anyio.current_time() + LAST_WORDS


async def _write(peer: Peer, lines: MemoryObjectReceiveStream[bytes], tasks: TaskGroup) -> None:
    async with lines:
        async for line in lines:
            if not await peer.send(line):
                tasks.cancel_scope.cancel()


class _Calls:
    """The calls of one connection that are under way."""

    def __init__(
        self,
        service: Service,
        caller: Caller,
        to_client: MemoryObjectSendStream[bytes],
        tasks: TaskGroup,
    ) -> None:
        self._service, self._caller = service, caller
        self._operations = {operation.name: operation for operation in service.operations}
        self._to_client, self._tasks = to_client, tasks
        self._scopes: dict[CallId, anyio.CancelScope] = {}
        self._room = anyio.Semaphore(IN_FLIGHT)

    async def read(self, peer: Peer) -> None:
        """Take line after line, until the client hangs up or talks nonsense."""
        for _ in range(MALFORMED):
            try:
                async for line in peer.lines():
                    await self._take(decode(line))
                return
            except BadRequest as error:
                await self._to_client.send(encode({"id": None, "error": error.wire()}))

    async def _take(self, message: Message) -> None:
        call = _call_id(message)
        if message.get("cancel") is True:
            if scope := self._scopes.get(call):
                scope.cancel()
            return
        if call in self._scopes:
            raise BadRequest("A call with this id is under way.", hint=_HINT)
        method, params = message.get("method"), message.get("params", {})
        if not isinstance(method, str) or not isinstance(params, dict):
            raise BadRequest("A request has a method, and params that are an object.", hint=_HINT)
        await self._room.acquire()
        self._scopes[call] = anyio.CancelScope()
        self._tasks.start_soon(self._answer, call, method, cast("dict[str, Any]", params))

    async def _answer(self, call: CallId, method: str, params: Mapping[str, object]) -> None:
        try:
            with self._scopes[call]:
                await self._to_client.send(await self._reply(call, method, params))
        finally:
            del self._scopes[call]
            self._room.release()

    async def _reply(self, call: CallId, method: str, params: Mapping[str, object]) -> bytes:
        try:
            operation = self._operation(method)
            reply = await perform(operation, self._call(call), params)
            return _fitting(call, reply.model_dump_json().encode())
        except AoError as error:
            return encode({"id": call, "error": error.wire()})
        except Exception as error:
            return encode({"id": call, "error": told(error, f"`{shown(method)}`").wire()})

    def _operation(self, name: str) -> AnyOperation:
        if found := self._operations.get(name):
            return found
        raise Unknown(f"There is no operation `{shown(name)}`.", hint="Is the engine older?")

    def _call(self, call: CallId) -> Call:
        async def progress(done: float, total: float | None, text: str) -> None:
            step = {"done": done, "total": total, "text": text}
            with anyio.move_on_after(_PROGRESS_PATIENCE):
                await self._to_client.send(encode({"id": call, "progress": step}))

        return Call(self._service.engine, self._caller, progress)


def _call_id(message: Message) -> CallId:
    found = message.get("id")
    if isinstance(found, bool) or not isinstance(found, int | str):
        raise BadRequest("A request has an id.", hint=_HINT)
    if len(str(found)) > _ID_LIMIT:
        raise BadRequest("The id is too long.", hint=_HINT)
    return found


def _fitting(call: CallId, result: bytes) -> bytes:
    if len(result) > LINE_LIMIT - 1024:
        text = f"The answer is larger than {LINE_LIMIT} bytes."
        raise BadRequest(text, hint="Ask for less: by `cursor`, `max_chars` or a filter.")
    return encode({"id": call})[:-2] + b',"result":' + result + b"}\n"


_HINT = 'Send {"id": 1, "method": "list", "params": {}} in one line.'
