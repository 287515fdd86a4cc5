"""What a client follows, so that the next engine can go on telling it. Standard library only.

The relay asks here what to send anew, and from which line of the journal on; the client hears
neither of the question nor of its answer.
"""

import json
from collections.abc import Iterator
from typing import cast

from ao_core import wire

LISTEN = "subscriptions/listen"
_SUBSCRIBE, _UNSUBSCRIBE = "resources/subscribe", "resources/unsubscribe"
_LIST, _CANCEL = "resources/list", "notifications/cancelled"
FOLLOWS = frozenset({LISTEN, _SUBSCRIBE, _UNSUBSCRIBE, _LIST, _CANCEL})
_ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
_STREAM = "io.modelcontextprotocol/subscriptionId"
_LISTS = "notifications/resources/list_changed"
NOTICE = "notifications/claude/channel"
_ID = "ao-mcp-follow-"
_MOST = 500  # an engine takes no more of one client


def takes_notices(client: str) -> bool:
    """Whether a client of this name may be sent notices."""
    return client.lower().startswith("claude")


class Followed:
    """By the address of a resource, or the id of a stream: the request, and the line it is at."""

    def __init__(self) -> None:
        self._requests: dict[str, wire.Message] = {}
        self._at: dict[str, int] = {}
        self._asked: dict[str, str] = {}  # the address, by the id of a request under way
        self._acknowledged: set[str] = set()
        self._lists = False
        self._notices = False
        self._noticed: int | None = None  # the last notice's line, or where the first engine was

    def __bool__(self) -> bool:
        return bool(self._requests) or self._notices

    def begins(self, seq: int) -> None:
        """An engine is there, at that line. A client hears from the first one's on."""
        if self._noticed is None:
            self._noticed = seq

    def greeted(self, message: wire.Message) -> None:
        """The client says who it is."""
        client = _member(_member(message, "params"), "clientInfo")
        self._notices = takes_notices(str(client.get("name")))

    def holds(self, key: str) -> bool:
        """Whether the next engine is asked again for what this request wants."""
        return key in self._requests or key in self._asked

    def sent(self, message: wire.Message) -> None:
        """The client asks for something."""
        method, key, address = message.get("method"), _key(message.get("id")), _address(message)
        if method == LISTEN and len(self._requests) < _MOST:
            self._requests[key] = message
        elif method == _SUBSCRIBE and len(self._requests) < _MOST:
            self._asked[key] = address
            self._requests[address] = message
        elif method == _LIST:
            self._lists = True
        elif method == _UNSUBSCRIBE:
            self._forget(address)
        elif method == _CANCEL:
            self._forget(_key(_member(message, "params").get("requestId")))

    def heard(self, message: wire.Message) -> bool:
        """The engine says something; whether it is for the client."""
        if "method" in message:
            return self._told(message)
        key, seq = _key(message.get("id")), _seq(message, "result")
        if key.startswith(f'"{_ID}'):
            return False
        address = self._asked.pop(key, None)
        if address is not None and "error" in message:
            self._forget(address)
        elif address is not None and seq is not None:
            self._at[address] = seq
        elif key in self._requests:  # a stream has ended
            self._forget(key)
        return True

    def _told(self, message: wire.Message) -> bool:
        params, seq = _member(message, "params"), _seq(message, "params")
        if message.get("method") == NOTICE:
            self._noticed = _line(params)
        stream = _member(params, "_meta").get(_STREAM)
        key = str(params.get("uri")) if stream is None else _key(stream)
        if key in self._requests and seq is not None:
            self._at[key] = seq
        if message.get("method") != _ACKNOWLEDGED:
            return True
        again, _ = key in self._acknowledged, self._acknowledged.add(key)
        return not again

    def anew(self) -> Iterator[bytes]:
        """What to ask the next engine."""
        asked = set(self._asked.values())
        for count, (name, request) in enumerate(self._requests.items()):
            params = _member(request, "params")
            seq = {wire.SEQ: self._at[name]} if name in self._at else {}
            meta = {**_member(params, "_meta"), **seq}
            ours = request.get("method") == _SUBSCRIBE and name not in asked
            own = {"id": f"{_ID}{count}"} if ours else {}
            yield wire.encode({**request, **own, "params": {**params, "_meta": meta}})

    def initialized(self, message: wire.Message) -> bytes:
        """A client's own, for the next engine: notices go on where they were."""
        params = _member(message, "params")
        meta = {**_member(params, "_meta"), wire.SEQ: self._noticed}
        return wire.encode({**message, "params": {**params, "_meta": meta}})

    def missed(self) -> bytes:
        """What a client is told that has listed resources: that the list may be another one."""
        return wire.encode({"jsonrpc": "2.0", "method": _LISTS}) if self._lists else b""

    def _forget(self, name: str) -> None:
        self._requests.pop(name, None)
        self._at.pop(name, None)
        self._acknowledged.discard(name)


def _key(call: object) -> str:
    return json.dumps(call)


def _address(message: wire.Message) -> str:
    return str(_member(message, "params").get("uri"))


def _seq(message: wire.Message, where: str) -> int | None:
    seq = _member(_member(message, where), "_meta").get(wire.SEQ)
    return seq if isinstance(seq, int) else None


def _line(notice: wire.Message) -> int:
    line = str(_member(notice, "meta").get("line"))
    return int(line) if line.isdecimal() else 0


def _member(message: wire.Message, name: str) -> wire.Message:
    found = message.get(name)
    return cast("wire.Message", found) if isinstance(found, dict) else {}
