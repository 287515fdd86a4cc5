"""What the relay does with notifications while there is no engine; tests play both ends."""

import json
import socket
import threading

from ao_core.errors import ConfigError
from ao_core.wire import Connection, Greeting
from faces.both_ends import relayed
from faces.home import LEGACY, request

INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def test_a_notification_asks_for_no_engine() -> None:
    """Else the call after it would be refused for what was true before it."""
    dials: list[None] = []

    def dial(_: object) -> Connection:
        dials.append(None)
        raise ConfigError("It cannot be had.")

    with relayed(dial) as client:
        assert "error" in client.ask(request(0, "initialize", LEGACY))
        before = len(dials)
        assert client.ask(INITIALIZED, "nonsense")["id"] is None  # so it has taken the notification
    assert len(dials) == before


def test_what_was_notified_while_there_was_no_engine_is_told_to_the_next() -> None:
    ends = [socket.socketpair() for _ in range(2)]
    ours, theirs = zip(*ends, strict=True)
    next_engine = iter(theirs)

    def dial(_: object) -> Connection:
        return Connection(next(next_engine), Greeting("1", "home"))

    with ours[0], ours[1], theirs[0], theirs[1], relayed(dial) as client:
        answer = threading.Thread(target=_answer, args=(ours[0], 0))
        answer.start()
        assert "result" in client.ask(request(0, "initialize", LEGACY))
        answer.join()
        ours[0].close()
        for _ in range(2):  # once it has answered, it has looked at the engine's end as well
            client.ask("nonsense")
        answer = threading.Thread(target=_answer, args=(ours[1], 1, heard := []))
        answer.start()
        assert "result" in client.ask(INITIALIZED, request(1, "ping", {}))
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
