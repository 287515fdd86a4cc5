"""A relay in the test's own process, which plays its client, and its engines too."""

import json
import os
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any

from ao_core.errors import EngineUnreachable
from ao_core.wire import Connection, Greeting
from ao_mcp.handshake import Handshake
from ao_mcp.relay import Relay

PATIENCE = 10.0


class Client:
    """The client's end: raw lines."""

    def __init__(self, says: int, heard: TextIOWrapper) -> None:
        self._says, self._heard = says, heard

    def say(self, *lines: object) -> None:
        os.write(self._says, "".join(f"{json.dumps(line)}\n" for line in lines).encode())

    def hear(self) -> dict[str, Any]:
        return json.loads(self._heard.readline())

    def ask(self, *lines: object) -> dict[str, Any]:
        """Say lines, and hear the next one."""
        self.say(*lines)
        return self.hear()


class Engine:
    """One engine's end. Whoever dials gets it."""

    def __init__(self) -> None:
        self._ours, self.theirs = socket.socketpair()
        self._ours.settimeout(PATIENCE)
        self._stream = self._ours.makefile("rw")

    def say(self, **message: object) -> None:
        self._stream.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._stream.flush()

    def hear(self) -> dict[str, Any]:
        return json.loads(self._stream.readline())

    def die(self) -> None:
        self._stream.close()
        self._ours.close()


def join(patience: float) -> Connection:
    raise EngineUnreachable("The engine does not run.")


@contextmanager
def relayed(dial: Callable[[object], Connection]) -> Generator[Client]:
    """A relay, until the block ends."""
    (asks, says), (hears, answers) = os.pipe(), os.pipe()
    runs = threading.Thread(target=Relay(dial, join, Handshake(None, "1"), asks, answers).run)
    runs.start()
    with os.fdopen(hears) as heard:
        try:
            yield Client(says, heard)
        finally:
            os.close(says)
            runs.join(PATIENCE)
    for pipe in (asks, answers):
        os.close(pipe)


@contextmanager
def engines(*every: Engine) -> Generator[Client]:
    """A client, and one engine after the other behind its relay."""
    following = iter(every)
    greeting = Greeting("1", "home")
    try:
        with relayed(lambda _: Connection(next(following).theirs, greeting)) as client:
            yield client
    finally:
        for one in every:
            one.die()
            one.theirs.close()
