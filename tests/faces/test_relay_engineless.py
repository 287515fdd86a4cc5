"""What the relay does with notifications while there is no engine; tests play both ends."""

import json
import os
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from ao_core.errors import ConfigError, EngineUnreachable
from ao_core.wire import Connection, Greeting
from ao_mcp.handshake import Handshake
from ao_mcp.relay import Relay
from faces.home import LEGACY, request

INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
Say = Callable[..., dict[str, Any]]


def join(patience: float) -> Connection:
    raise EngineUnreachable("The engine does not run.")


@contextmanager
def relayed(dial: Callable[[object], Connection]) -> Generator[Say]:
    """Say lines to a relay, and hear the next answer."""
    (asks, says), (hears, answers) = os.pipe(), os.pipe()
    runs = threading.Thread(target=Relay(dial, join, Handshake(None, "1"), asks, answers).run)
    runs.start()
    with os.fdopen(hears) as heard:

        def say(*lines: object) -> dict[str, Any]:
            os.write(says, "".join(f"{json.dumps(line)}\n" for line in lines).encode())
            return json.loads(heard.readline())

        try:
            yield say
        finally:
            os.close(says)
            runs.join(10)
    for pipe in (asks, answers):
        os.close(pipe)


def test_a_notification_asks_for_no_engine() -> None:
    """Else the call after it would be refused for what was true before it."""
    dials: list[None] = []

    def dial(_: object) -> Connection:
        dials.append(None)
        raise ConfigError("It cannot be had.")

    with relayed(dial) as say:
        assert "error" in say(request(0, "initialize", LEGACY))
        before = len(dials)
        assert say(INITIALIZED, "nonsense")["id"] is None  # so it has taken the notification
    assert len(dials) == before


def test_what_was_notified_while_there_was_no_engine_is_told_to_the_next() -> None:
    ends = [socket.socketpair() for _ in range(2)]
    ours, theirs = zip(*ends, strict=True)
    next_engine = iter(theirs)

    def dial(_: object) -> Connection:
        return Connection(next(next_engine), Greeting("1", "home"))

    with ours[0], ours[1], theirs[0], theirs[1], relayed(dial) as say:
        answer = threading.Thread(target=_answer, args=(ours[0], 0))
        answer.start()
        assert "result" in say(request(0, "initialize", LEGACY))
        answer.join()
        ours[0].close()
        for _ in range(2):  # once it has answered, it has looked at the engine's end as well
            say("nonsense")
        answer = threading.Thread(target=_answer, args=(ours[1], 1, heard := []))
        answer.start()
        assert "result" in say(INITIALIZED, request(1, "ping", {}))
        answer.join()
    assert heard == ["initialize", "notifications/initialized", "ping"]


def _answer(engine: socket.socket, call: int, heard: list[str] | None = None) -> None:
    """Read until a call comes, and answer it."""
    heard = [] if heard is None else heard
    with engine.makefile("rw") as stream:
        for line in stream:
            message = json.loads(line)
            heard.append(message["method"])
            if message.get("id") == call:
                stream.write(json.dumps({"jsonrpc": "2.0", "id": call, "result": {}}) + "\n")
                return
