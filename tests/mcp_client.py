"""Clients of the real relay and the real engine: the SDK's, and one that hears every line."""

import json
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from queue import Queue
from typing import Any

from mcp import Client, StdioServerParameters, stdio_client

from ao_core.wire import SEQ
from faces.home import Home, RelayClient, request
from team import Team, eventually

ERAS = ["legacy", "2026-07-28"]
RELAY = [sys.executable, "-I", "-m", "ao_mcp"]
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def client_of(team: Team, era: str, **more: Any) -> Client:
    command, *arguments = RELAY
    relay = StdioServerParameters(
        command=command, args=arguments, env=team.env, cwd=str(team.repository)
    )
    return Client(stdio_client(relay), mode=era, **more)


class Listener(RelayClient):
    """A client that writes down what it is told unasked."""

    def __init__(self, team: Team) -> None:
        super().__init__(Home(team.home, team.env), RELAY, str(team.repository))
        self.told: list[dict[str, Any]] = []
        self.answers: Queue[dict[str, Any]] = Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            message = json.loads(line)
            (self.answers.put if "method" not in message else self.told.append)(message)

    def ask(self, call: int | str, method: str, params: object = None) -> dict[str, Any]:
        self.say(request(call, method, params or {}))
        answer = self.answers.get(timeout=30)
        assert answer["id"] == call, answer
        return answer

    def seen(self, address: str) -> list[int]:
        """The journal's lines that it was told of, for one resource."""
        updates = [one["params"] for one in self.told if one["method"].endswith("/updated")]
        return [one["_meta"][SEQ] for one in updates if one["uri"] == address]

    def follow(self, era: str, *addresses: str, name: str = "test") -> None:
        """Subscribe, in the way of an era."""
        if era == "legacy":
            self.shake_hands(name)
            for number, address in enumerate(addresses, 1):
                assert "result" in self.ask(number, "resources/subscribe", {"uri": address})
            return
        wanted = {"resourceSubscriptions": list(addresses), "resourcesListChanged": True}
        self.say(
            request("stream", "subscriptions/listen", {"_meta": MODERN, "notifications": wanted})
        )
        eventually(lambda: bool(self.told))
        granted = {name: one for name, one in wanted.items() if one}
        assert self.told[0]["params"]["notifications"] == granted


@contextmanager
def listener(team: Team) -> Generator[Listener]:
    client = Listener(team)
    with client:
        yield client
