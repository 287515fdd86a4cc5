"""An HTTP server on loopback that is a model behind all four APIs, strictly.

It knows the routes that real agents take and no other, wants its key, and refuses a body that the
real API would refuse. What it answers is up to whoever is put behind it.
"""

import json
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol, TypeVar

from pydantic import ValidationError

from models.dialects import Asked, Chat, Dialect, Gemini, Messages, Reply, Responses, Wrong

KEY = "a-key-for-tests"
MODEL = "scripted"
_GEMINI = f"/v1beta/models/{MODEL}"
ROUTES: Mapping[str, Dialect] = {
    "/v1/messages": Messages(),
    "/v1/responses": Responses(),
    "/v1/chat/completions": Chat(),
    f"{_GEMINI}:generateContent": Gemini(),
    f"{_GEMINI}:streamGenerateContent": Gemini(),
}
_LONGEST = 20_000_000


class Answerer(Protocol):
    """Who thinks. `refused` keeps what was asked wrongly."""

    url: str
    refused: list[str]

    def answer(self, asked: Asked) -> Reply:
        """The next thing to say."""
        ...


AnswererT = TypeVar("AnswererT", bound=Answerer)


class Handler(BaseHTTPRequestHandler):
    """One connection; `model` is put in by whoever serves it."""

    model: Answerer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._send(b"", "text/plain")  # whether there is a server at all

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/v1/models":
            return self._refuse(404, "there is nothing here")
        self._put({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or -1)
        if not 0 <= length <= _LONGEST:
            self.close_connection = True
            return self._refuse(411, "how long is it?")
        body, path = self.rfile.read(length), self.path.partition("?")[0]
        dialect = ROUTES.get(path)
        if dialect is None:
            return self._refuse(404, "there is nothing here")
        given = self.headers.get(dialect.key, "")
        if given not in (KEY, f"Bearer {KEY}"):
            return self._refuse(401, "that is not the key")
        try:
            asked = replace(dialect.read(path, body), body=body.decode())
            reply = self.model.answer(asked)
        except (Wrong, ValidationError, ValueError) as error:
            return self._refuse(400, str(error)[:2000])
        except LookupError as error:  # a client has put a result in a way that nobody reads
            return self._refuse(400, repr(error))
        self._reply(dialect, asked, reply)

    def _reply(self, dialect: Dialect, asked: Asked, reply: Reply) -> None:
        if not asked.stream:
            return self._put(dialect.whole(reply))
        parts: list[str] = []
        for frame in dialect.frames(reply):
            if isinstance(frame, str):
                parts.append(f"data: {frame}\n\n")
                continue
            name = f"event: {frame['type']}\n" if dialect.named else ""
            parts.append(f"{name}data: {json.dumps(frame)}\n\n")
        self._send("".join(parts).encode(), "text/event-stream")

    def _put(self, value: object, status: int = 200) -> None:
        self._send(json.dumps(value).encode(), "application/json", status)

    def _refuse(self, status: int, why: str) -> None:
        self.model.refused.append(f"{self.command} {self.path}: {status} {why}")
        self._put({"error": {"message": why, "code": status, "type": "refused"}}, status)

    def _send(self, data: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


@contextmanager
def serving(model: AnswererT) -> Generator[AnswererT]:
    """Serve it while the block lasts."""
    handler = type("Bound", (Handler,), {"model": model})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    model.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
