"""The wire of the Agent Client Protocol: JSON-RPC 2.0, one message a line, over stdin and stdout.

https://agentclientprotocol.com
"""

import json
import os
import selectors
from collections.abc import Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, Protocol, TypeAlias, cast

from ao_core.drive import messages
from ao_core.drive.loose import mapping
from ao_core.drive.messages import (
    BAD_REQUEST,
    GARBLED,
    LINE_LIMIT,
    Id,
    Notice,
    Params,
    Request,
)
from ao_plugins._console.asides import Asides

_PIECE = 7
_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Answer:
    """To a request of ours; nothing in it, where it was refused."""

    id: Id | None
    result: Params


Message: TypeAlias = Request | Notice | Answer


class Refusal(Exception):
    """What cannot be done, as the other side is told; `id` is the request's, if it has one."""

    def __init__(self, code: int, message: str, id: Id | None = None) -> None:
        super().__init__(message)
        self.code, self.id = code, id


class Peer(Protocol):
    """Whoever is told what came. `due` is when it wants to be woken."""

    @property
    def over(self) -> int | None: ...
    @property
    def due(self) -> float | None: ...
    def take(self, message: Message) -> None: ...
    def wake(self) -> None: ...


class Wire:
    """The one place where a worker that speaks the protocol waits. Writing never does."""

    def __init__(self, stdin: int, stdout: int, *, split: bool = False) -> None:
        self._stdin, self._stdout = stdin, stdout
        self._piece = _PIECE if split else None
        self._asides = Asides()
        self.aside = self._asides.do
        self._left = bytearray()
        self._closed = False
        self._out: SimpleQueue[bytes | None] = SimpleQueue()
        self._writer = Thread(target=self._write, daemon=True)

    def request(self, id: int, method: str, params: Params) -> None:
        """Ask for something; the answer comes to the peer."""
        self._out.put(messages.request(id, method, params))

    def notify(self, method: str, params: Params) -> None:
        """Tell something."""
        self._out.put(messages.notice(method, params))

    def answer(self, id: Id, result: Params) -> None:
        """Answer a request."""
        self._out.put(messages.result(id, result))

    def refuse(self, refusal: Refusal) -> None:
        """Say why not."""
        self._out.put(messages.refusal(refusal.id, refusal.code, str(refusal)))

    def serve(self, peer: Peer) -> int:
        """Until the peer has had enough or the other side is gone; returns its status."""
        self._writer.start()
        with selectors.PollSelector() as selector:
            selector.register(self._stdin, selectors.EVENT_READ)
            selector.register(self._asides.read_end, selectors.EVENT_READ)
            while peer.over is None and not self._closed:
                self._turn(selector, peer)
        self._out.put(None)
        self._writer.join(_PATIENCE)
        return peer.over or 0

    def _turn(self, selector: selectors.BaseSelector, peer: Peer) -> None:
        pause = None if peer.due is None else max(0.0, peer.due - monotonic())
        ready = {key.fd for key, _ in selector.select(pause)}
        if self._stdin in ready:
            self._read(peer)
        if self._asides.read_end in ready:
            self._asides.settle()
        if peer.due is not None and peer.due <= monotonic():
            peer.wake()

    def _read(self, peer: Peer) -> None:
        data = os.read(self._stdin, 65536)
        if not data:
            return self._close()
        for line in self._lines(data):
            try:
                message = parsed(line)
            except Refusal as refusal:
                self.refuse(refusal)
            else:
                peer.take(message)

    def _lines(self, data: bytes) -> Iterator[bytes]:
        *ends, rest = data.split(b"\n")
        for end in ends:
            line, self._left = bytes(self._left + end), bytearray()
            if line.strip():
                yield line
        self._left += rest[: LINE_LIMIT - len(self._left)]  # what is cut off cannot be parsed

    def _close(self) -> None:
        self._closed = True

    def _write(self) -> None:
        try:
            while (line := self._out.get()) is not None:
                left = memoryview(line)
                while left:
                    left = left[os.write(self._stdout, left[: self._piece]) :]
        except OSError:
            self._asides.call(self._close)


def parsed(line: bytes) -> Message:
    """One message; raises `Refusal`."""
    try:
        loaded: object = json.loads(line.decode())
    except (ValueError, RecursionError) as exc:
        raise Refusal(GARBLED, "that is no JSON") from exc
    if not isinstance(loaded, dict):
        raise Refusal(BAD_REQUEST, "that is no message")
    said = cast("dict[str, Any]", loaded)
    id, method, params = said.get("id"), said.get("method"), cast("object", said.get("params"))
    if not isinstance(id, int | str | None) or isinstance(id, bool):
        raise Refusal(BAD_REQUEST, "that is no id")
    if method is None and "id" in said and {"result", "error"} & said.keys():
        return Answer(id, mapping(said.get("result")))
    if said.get("jsonrpc") != "2.0" or not isinstance(method, str):
        raise Refusal(BAD_REQUEST, "that is no request", id)
    if "id" not in said:
        return Notice(method, mapping(params))
    if id is None:
        raise Refusal(BAD_REQUEST, "that is no id")
    return Request(id, method, mapping(params))
