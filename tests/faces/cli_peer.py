"""An engine played by a thread, for the command line: real socket, real lines, made-up answers."""

import json
import queue
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ao_core import wire
from ao_core.errors import AoError
from ao_mcp.start import socket_path

Answer = Callable[[str, dict[str, Any]], dict[str, Any]]


def echo(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"method": method, "params": params}


def says(reply: dict[str, Any]) -> Answer:
    """The same answer to everything."""

    def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
        return reply

    return answer


class Peer:
    """Answers every client by a function, and remembers what it heard."""

    def __init__(self, path: Path, answer: Answer = echo) -> None:
        self.answer = answer
        self.heard: queue.Queue[dict[str, Any]] = queue.Queue()
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.unlink(missing_ok=True)  # of a run that was ended in its midst
        self._listener.bind(str(path))
        self._listener.listen()
        self._serving = threading.Thread(target=self._serve)
        self._serving.start()

    def next(self) -> dict[str, Any]:
        """What a client said, in order; the first line of each is its preamble."""
        return self.heard.get(timeout=10)

    def calls(self) -> list[tuple[str, dict[str, Any]]]:
        """The calls so far."""
        found: list[tuple[str, dict[str, Any]]] = []
        with suppress(queue.Empty):
            while True:
                said = self.heard.get_nowait()
                if "method" in said:
                    found.append((said["method"], said["params"]))
        return found

    def close(self) -> None:
        """Listen no more; clients that are served are served to their end."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._serving.join(10)
        self._listener.close()
        self._path.unlink()
        self._path.parent.rmdir()

    def _serve(self) -> None:
        clients: list[threading.Thread] = []
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                clients.append(threading.Thread(target=self._client, args=(client,)))
                clients[-1].start()
        for one in clients:
            one.join(10)

    def _client(self, client: socket.socket) -> None:
        received = bytearray()
        with client, suppress(OSError):
            self._hear(client, received)
            client.sendall(wire.Greeting("0.1.0", "0123abcd").line())
            while True:
                said = self._hear(client, received)
                if "method" in said:
                    reply = self._reply(said)
                    with suppress(BrokenPipeError):  # what it said before it left is still read
                        client.sendall(reply)

    def _hear(self, client: socket.socket, received: bytearray) -> dict[str, Any]:
        said = json.loads(wire.receive_line(client, received, None))
        if said.get("face") or "id" in said:
            self.heard.put(said)
        return said

    def _reply(self, said: dict[str, Any]) -> bytes:
        try:
            return wire.encode(
                {"id": said["id"], "result": self.answer(said["method"], said["params"])}
            )
        except AoError as error:
            return wire.encode({"id": said["id"], "error": error.wire()})


@contextmanager
def played(home: Path, environment: dict[str, str]) -> Generator[Peer]:
    """A peer where the engine of a home would listen."""
    peer = Peer(socket_path(home, environment))
    try:
        yield peer
    finally:
        peer.close()
