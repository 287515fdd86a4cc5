"""An HTTP server on loopback: it remembers what was sent to it, and answers as it is told."""

import json
import ssl
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Sent:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What is answered to one request.

    `hang` never answers, `drop` hangs up instead, and `stall` answers and does not hang up.
    """

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    reason: str | None = None
    body: bytes = b""
    hang: bool = False
    drop: bool = False
    stall: bool = False


def says(document: object, status: int = 200, **headers: str) -> Answer:
    """An answer in JSON; `x_y` stands for the header `x-y`."""
    body = json.dumps(document).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    kind = {"content-type": "application/json", "content-length": str(len(body))}
    return Answer(status, {**kind, **given}, body=body)


class Receiver:
    """Enter it to listen. What it was not told to answer, it answers with 204."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._scheme = "https" if tls else "http"
        self.sent: list[Sent] = []
        self.answers: deque[Answer] = deque()
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = False
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def took(self, sent: Sent, handler: BaseHTTPRequestHandler) -> None:
        self.sent.append(sent)
        answer = self.answers.popleft() if self.answers else Answer()
        if answer.hang:
            self._over.wait()
        if answer.hang or answer.drop:
            return
        handler.send_response(answer.status, answer.reason)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(answer.body)
        if answer.stall:
            self._over.wait()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.took(Sent(self.command, self.path, headers, body), self)

        do_GET = do_POST = do_PUT = do_DELETE = take

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler
