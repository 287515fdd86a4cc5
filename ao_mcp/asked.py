"""What an engine asks its client, under ids that no other engine has. Standard library only.

Each engine counts its requests from one. So a client is shown an id of the relay's; its answer goes
back under the engine's own, to the engine that asked and to no other. Of what nobody waits for any
more the client is told, and an answer to it is dropped.
"""

from collections.abc import Iterator

from ao_core import wire
from ao_mcp.lines import member

_CANCELLED = "notifications/cancelled"


class Asked:
    """Open requests of the one engine there is: its own id, by the id that the client knows."""

    def __init__(self) -> None:
        self._generation = 0
        self._open: dict[str, object] = {}

    def shown(self, message: wire.Message) -> wire.Message:
        """A request of the engine's, or that it withdraws one, as its client is to see it."""
        if "id" in message:
            name = self._name(message["id"])
            self._open[name] = message["id"]
            return {**message, "id": name}
        params = member(message, "params")
        name = self._name(params.get("requestId"))
        known = self._open.pop(name, None) is not None
        return {**message, "params": {**params, "requestId": name}} if known else message

    def answered(self, message: wire.Message) -> wire.Message | None:
        """A client's answer, as the engine waits for it; None where none does."""
        name = str(message["id"])
        return {**message, "id": self._open.pop(name)} if name in self._open else None

    def withdrawn(self) -> Iterator[bytes]:
        """The engine is gone: what a client is told of each question that is open."""
        for name in self._open:
            params = {"requestId": name, "reason": "The engine went away."}
            yield wire.encode({"jsonrpc": "2.0", "method": _CANCELLED, "params": params})
        self._open = {}
        self._generation += 1

    def _name(self, call: object) -> str:
        return f"ao-{self._generation}-{call}"


def is_asking(message: wire.Message) -> bool:
    """Whether what an engine says names a request of its own."""
    return message.get("method") == _CANCELLED or ("method" in message and "id" in message)


def is_answer(message: wire.Message) -> bool:
    """Whether what a client says answers a request of an engine's."""
    has_word = "result" in message or "error" in message
    return "id" in message and "method" not in message and has_word
