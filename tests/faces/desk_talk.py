"""A desk as its client hears it, without an engine process between them."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCRequest, JSONRPCResponse

from ao_mcp.mcp.desk import Desk, welcome
from faces.home import LEGACY

Ask: TypeAlias = Callable[..., Awaitable[dict[str, Any]]]


@asynccontextmanager
async def talk(desk: Desk) -> AsyncGenerator[Ask]:
    """Hands were shaken; what is asked is answered by a result, or by an error with its code."""
    to_server, from_client = anyio.create_memory_object_stream[SessionMessage | Exception](8)
    to_client, from_server = anyio.create_memory_object_stream[SessionMessage](8)
    server, number = desk.server(), 0

    async def ask(method: str, **params: Any) -> dict[str, Any]:
        nonlocal number
        number += 1
        request = JSONRPCRequest(jsonrpc="2.0", id=number, method=method, params=params)
        await to_server.send(SessionMessage(request))
        async for one in from_server:
            if isinstance(one.message, JSONRPCResponse):
                return one.message.result
            if isinstance(one.message, JSONRPCError):
                return {"code": one.message.error.code}
        raise AssertionError("it hung up")

    async with anyio.create_task_group() as tasks, to_server, from_server:
        tasks.start_soon(server.run, from_client, to_client, welcome(server))
        assert "capabilities" in await ask("initialize", **LEGACY)
        yield ask
        tasks.cancel_scope.cancel()
