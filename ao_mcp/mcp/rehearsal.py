"""Asks our own server what every client asks first, in every version of the protocol."""

from collections.abc import Mapping
from typing import Any

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCRequest, JSONRPCResponse
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from ao_mcp.mcp.desk import Desk, welcome

_CLIENT = {"name": "rehearsal", "version": "0"}
_META = "io.modelcontextprotocol/"


async def rehearse(desk: Desk) -> dict[str, dict[str, object]]:
    """The answers, by version and method."""
    answers: dict[str, dict[str, object]] = {}
    for version in HANDSHAKE_PROTOCOL_VERSIONS:
        hello = {"protocolVersion": version, "capabilities": {}, "clientInfo": _CLIENT}
        answers[version] = await _ask(desk, {"initialize": hello, "tools/list": {}})
    for version in MODERN_PROTOCOL_VERSIONS:
        meta = {"protocolVersion": version, "clientInfo": _CLIENT, "clientCapabilities": {}}
        asked = {"_meta": {_META + name: value for name, value in meta.items()}}
        answers[version] = await _ask(desk, {"server/discover": asked, "tools/list": asked})
    return answers


async def _ask(desk: Desk, asked: Mapping[str, dict[str, Any]]) -> dict[str, object]:
    """Play a lead's connection: one question after the other."""
    to_server, from_client = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_client, from_server = anyio.create_memory_object_stream[SessionMessage](0)
    server = desk.server()
    answers: dict[str, object] = {}
    async with anyio.create_task_group() as tasks, to_server, from_server:
        options = welcome(server)
        tasks.start_soon(server.run, from_client, to_client, options)
        for number, (method, params) in enumerate(asked.items()):
            request = JSONRPCRequest(jsonrpc="2.0", id=number, method=method, params=params)
            await to_server.send(SessionMessage(request))
            answer = (await from_server.receive()).message
            if isinstance(answer, JSONRPCResponse):
                answers[method] = answer.result
        tasks.cancel_scope.cancel()
    return answers
