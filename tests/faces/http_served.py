"""HTTP over the tests' own operations, in this very process, and what talks to it."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from ao_core.config.listening import Http
from ao_core.engine.caller import Role
from ao_core.engine.engine import Engine
from ao_mcp.http import listen
from ao_mcp.http.address import Place, listen_at
from ao_mcp.http.mcp import IDLE, McpRoom
from ao_mcp.http.tokens import HomeToken, own_token
from ao_mcp.mcp.face import McpFace
from ao_mcp.operations.contract import AnyOperation
from ao_mcp.service import Service
from faces.fake_operations import OPERATIONS, authenticate

HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}
MODERN = "2026-07-28"
ACCEPT = {"Accept": "application/json, text/event-stream"}


@dataclass(slots=True)
class Served:
    """One that listens."""

    home: Path
    place: Place
    learnt: list[str] = field(default_factory=list[str])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.place.port}/mcp"

    @property
    def token(self) -> str:
        return own_token(self.home)

    def headers(self, token: str | None = None, **more: str) -> dict[str, str]:
        known = {"Authorization": f"Bearer {token or self.token}", **ACCEPT}
        return known | {name.replace("_", "-"): value for name, value in more.items()}

    @asynccontextmanager
    async def client(
        self, era: str, path: str = "", token: str | None = None
    ) -> AsyncGenerator[Client]:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {token or self.token}"}) as http,
            Client(streamable_http_client(self.url + path, http_client=http), mode=era) as client,
        ):
            yield client

    async def ask(
        self, message: Mapping[str, object] | None = None, path: str = "", **headers: Any
    ) -> httpx2.Response:
        """One request by hand: `initialize`, unless told otherwise."""
        said = self.headers() | {name.replace("_", "-"): text for name, text in headers.items()}
        said = {name: text for name, text in said.items() if text}
        async with httpx2.AsyncClient() as http:
            return await http.post(self.url + path, json=message or hello(), headers=said)

    async def raw(self, *parts: bytes, patience: float = 5.0) -> bytes:
        """What comes back for these bytes, until the other side hangs up."""
        line = await self.connect()
        for part in parts:
            await line.send(part)
        return await line.rest(patience)

    async def connect(self, window: int | None = None) -> "RawLine":
        opened = socket.socket()
        if window:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        opened.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(opened, ("127.0.0.1", self.place.port))
        reader, writer = await asyncio.open_connection(sock=opened)
        return RawLine(reader, writer)

    def head(
        self, length: int | None = None, method: str = "POST", path: str = "/mcp", **more: Any
    ) -> bytes:
        """The head of a request of ours."""
        said = {"Host": f"127.0.0.1:{self.place.port}", "Content-Type": "application/json"}
        said |= self.headers() | more | ({} if length is None else {"Content-Length": str(length)})
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {text}" for name, text in said.items())]
        return "\r\n".join([*lines, "", ""]).encode()


@dataclass(slots=True)
class RawLine:
    """A connection, byte by byte."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        with suppress(ConnectionError):
            await self.writer.drain()

    async def until(self, end: bytes, patience: float = 5.0) -> bytes:
        with anyio.fail_after(patience):
            return await self.reader.readuntil(end)

    async def rest(self, patience: float = 5.0) -> bytes:
        """All that still comes, until it is over; it has to be over in time."""
        found = b""
        with anyio.fail_after(patience), suppress(ConnectionError):
            while chunk := await self.reader.read(65536):
                found += chunk
        await self.close()
        return found

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


def hello(call: int = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": call, "method": "initialize", "params": HELLO}


def asks(method: str, call: int = 2, **params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": call, "method": method, "params": params}


def events(response: httpx2.Response) -> list[dict[str, Any]]:
    """The messages of a stream that has ended."""
    lines = response.text.splitlines()
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return [json.loads(one) for one in data if one]


@asynccontextmanager
async def served(
    home: Path,
    wanted: Http | None = None,
    engine: Engine | None = None,
    operations: tuple[AnyOperation, ...] = OPERATIONS,
    idle: float = IDLE,
    face: type[McpFace] = McpFace,
    rooms: Sequence[listen.Room] = (),
) -> AsyncGenerator[Served]:
    """For as long as the block lasts; it has to end in time, whoever is still connected."""
    wanted = wanted or Http(enabled=True)
    own_token(home)
    made = Served(home, listen_at(home, wanted))
    service = Service(
        cast("Engine", engine), operations, "h", "0.1.0", authenticate, {Role.LEAD: "Lead."}
    )
    token = HomeToken(home, made.learnt.extend)
    room = McpRoom(face(service), idle)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen.serve, made.place, wanted, token, [room, *rooms])
        try:
            yield made
        finally:
            tasks.cancel_scope.cancel()
