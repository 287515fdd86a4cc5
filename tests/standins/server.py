"""An HTTP server on loopback whose answers may be late, cut short or lost."""

import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

Ending = Literal["whole", "cut", "lost"]


@dataclass(frozen=True)
class Request:
    """One request as it arrived; the names of its headers are in small letters."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def path(self) -> str:
        return urlsplit(self.target).path

    @cached_property
    def query(self) -> Sequence[tuple[str, str]]:
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)


@dataclass(frozen=True)
class Reply:
    """What is answered, when, and how much of it arrives."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    after: float = 0.0
    ending: Ending = "whole"


class Server:
    """Enter it to listen. Whatever is answered comes from `answer`, on a thread a connection."""

    def __init__(self, answer: Callable[[Request], Reply], port: int = 0) -> None:
        self._over = threading.Event()
        self._open: set[socket.socket] = set()
        self._answer = answer
        self._server = _Listener(("127.0.0.1", port), _handler(self), self._open)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()

    def answered(self, request: Request) -> Reply:
        reply = self._answer(request)
        if reply.after:
            self._over.wait(reply.after)
        return reply


class _Listener(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, at: tuple[str, int], handler: Any, alive: set[socket.socket]) -> None:
        self._alive = alive
        super().__init__(at, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._alive.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._alive.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked hung up."""


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def take(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, _body(self, headers))
            reply = server.answered(request)
            self.close_connection |= reply.ending != "whole"
            if reply.ending != "lost":
                self._give(reply)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = take

        def _give(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status not in (204, 304):
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            half = len(reply.body) // 2 if reply.ending == "cut" else None
            self.wfile.write(reply.body[:half])

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler


def _body(handler: BaseHTTPRequestHandler, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return handler.rfile.read(int(headers.get("content-length", 0)))
    pieces: list[bytes] = []
    while size := int(handler.rfile.readline(), 16):
        pieces.append(handler.rfile.read(size))
        handler.rfile.readline()
    handler.rfile.readline()
    return b"".join(pieces)
