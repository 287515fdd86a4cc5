"""Carries MCP between a client's pipes and the engine, and outlives the engine. Standard library.

Whole lines go both ways; of each only id and method are looked at. When the engine goes away, calls
under way are answered with an error a client can act on, and the next connection begins with the
client's own handshake, replayed. One thread carries; another one connects, which may take a while:
meanwhile a client's first questions are answered as the last engine answered them.
"""

import json
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

from ao_core import wire
from ao_core.errors import AoError, BadRequest, EngineRestarted, EngineUnreachable
from ao_mcp.asked import Asked, is_answer, is_asking
from ao_mcp.followed import FOLLOWS, LISTEN, Followed
from ao_mcp.handshake import Handshake
from ao_mcp.lines import Line, Lines, id_of_cut, is_sound, key_of, member, read

PARSE_ERROR, INVALID_REQUEST, INTERNAL_ERROR = -32700, -32600, -32603
LAST_WORDS = 1.0  # seconds after the client's end, or the last answer, for calls that may take long
ANSWERS = 20.0  # the same for what an engine answers at once, once it is there, and has the time
CRASHES_APART = 5.0  # an engine that lived shorter is not started again unasked
RETURN = 120.0  # seconds in which one that said farewell is looked out for, if it is followed

_LONG = ("tools/call", LISTEN)
_STARTING, _DONE = b"s", b"d"
_REPLAY = "ao-mcp-replay"
_BUFFER = 256 * 1024  # above this, one side waits for the other
_CHUNK = 64 * 1024
_PIPE = 4096  # a pipe that is writable takes this much without blocking
_GLANCE = 1.0
_HINT = "Look with `list` what came of it, then call again."


Dial: TypeAlias = Callable[[Callable[[], None]], wire.Connection]
Join: TypeAlias = Callable[[float], wire.Connection]  # starts none


class Relay:
    """One client's connection to whichever engine there is."""

    def __init__(
        self, dial: Dial, join: Join, remembered: Handshake, stdin: int, stdout: int
    ) -> None:
        self._dial_engine, self._join, self._remembered = dial, join, remembered
        self._stdin, self._stdout = stdin, stdout
        self._from_client, self._to_client = Lines(), bytearray()
        self._waiting: deque[Line] = deque()
        self._sending = bytearray()
        self._received = bytearray()
        self._engine: socket.socket | None = None
        self._since = 0.0
        self._farewell = False
        self._under_way: dict[str, Line] = {}
        self._handshake: dict[str, Line] = {}
        self._followed, self._asked = Followed(), Asked()
        self._welcomed = False
        self._ended: float | None = None  # when the client did
        self._stirred = 0.0  # when a call was last sent or answered
        self._dialling = self._starting = self._looks_out = False
        self._dialled: wire.Connection | AoError | None = None
        self._woken, self._wake = os.pipe()

    def run(self) -> None:
        """Carry until the client is gone."""
        self._dial()
        while not self._is_over():
            reads, writes = self._reads(), self._writes()
            readable, writable, _ = select.select(reads, writes, [], self._patience())
            if self._woken in readable:
                self._answered_dial()
            if self._stdin in readable:
                self._read_client()
            if self._engine in readable:
                self._read_engine()
            if self._engine in writable and self._engine:
                self._write_engine(self._engine)
            if self._stdout in writable and not self._write_client():
                return

    def _is_over(self) -> bool:
        calls = any(line.method != LISTEN for line in self._under_way.values())
        done = not (self._waiting or self._sending or calls or self._to_client)
        return self._ended is not None and (done or self._patience() == 0)

    def _patience(self) -> float | None:
        """Seconds for which something is still waited for, once the client has ended."""
        if self._ended is None:
            return None
        unsent = any(line.key for line in self._waiting)
        prompt = any(line.method not in _LONG for line in self._under_way.values())
        until = self._ended + ANSWERS if unsent or prompt else self._stirred + LAST_WORDS
        return max(0.0, until - time.monotonic())

    def _reads(self) -> list[Any]:
        to_client_flows = len(self._to_client) < _BUFFER
        waiting = sum(len(line.data) for line in self._waiting)
        stdin = self._ended is None and waiting < _BUFFER and to_client_flows
        return [
            self._woken,
            *([self._stdin] if stdin else []),
            *([self._engine] if self._engine and to_client_flows else []),
        ]

    def _writes(self) -> list[Any]:
        return [
            *([self._stdout] if self._to_client else []),
            *([self._engine] if self._engine and (self._sending or self._waiting) else []),
        ]

    # the client

    def _read_client(self) -> None:
        try:
            chunk = os.read(self._stdin, _CHUNK)
        except OSError:  # a terminal that was closed
            chunk = b""
        if not chunk:
            self._ended = self._stirred = time.monotonic()
            return
        for line, cut in self._from_client.feed(chunk):
            if cut:
                text = f"The message is longer than {wire.LINE_LIMIT} bytes."
                self._refuse(id_of_cut(line), INVALID_REQUEST, text)
            elif line.strip():
                self._take(line)

    def _take(self, data: bytes) -> None:
        try:
            message = wire.decode(data)
        except BadRequest as error:
            code = PARSE_ERROR if error.__cause__ else INVALID_REQUEST
            self._refuse("null", code, error.message)
            return
        if not is_sound(message):
            self._refuse("null", INVALID_REQUEST, "The line is not a JSON-RPC 2.0 message.")
            return
        line = read(data, message)
        if line.method == "notifications/cancelled":  # such a call is never answered
            self._under_way.pop(key_of(member(message, "params").get("requestId")), None)
        if not line.key and self._engine is None and self._looks_out >= self._dialling:
            self._remember(line)  # it says nothing to an engine there is none of
            return
        self._waiting.append(line)
        if self._engine is None:
            self._dial()
        if self._starting:
            self._answer_from_memory()

    def _write_client(self) -> bool:
        try:
            written = os.write(self._stdout, self._to_client[:_PIPE])
        except BlockingIOError:
            return True
        except OSError:  # the client does not listen any more
            return False
        del self._to_client[:written]
        return True

    def _refuse(self, key: str, code: int, text: str) -> None:
        self._answer(key, {"error": {"code": code, "message": text}})

    def _fail(self, line: Line, error: AoError) -> None:
        """Answer a call in the way its client will show to a model."""
        if not line.key:
            return
        shown = error.wire()
        if line.method == "tools/call":
            text = json.dumps(shown, separators=(",", ":"))
            result = {"content": [{"type": "text", "text": text}], "structuredContent": shown}
            era = {"resultType": "complete"} if line.modern else {}
            self._answer(line.key, {"result": {**result, "isError": True, **era}})
        else:
            text = " ".join(filter(None, (error.message, error.hint)))
            told = {"code": INTERNAL_ERROR, "message": text, "data": shown}
            self._answer(line.key, {"error": told})

    def _answer(self, key: str, body: Mapping[str, object]) -> None:
        self._to_client += wire.encode({"jsonrpc": "2.0", "id": json.loads(key), **body})

    # the engine

    def _dial(self) -> None:
        if not self._dialling:
            self._dialling = True
            threading.Thread(target=self._connect, daemon=True).start()

    def _connect(self) -> None:
        """On a thread of its own: leaves what came of it, then wakes the other."""
        try:
            self._dialled = self._dial_engine(lambda: self._tell(_STARTING))
        except AoError as error:
            self._dialled = error
        except Exception as error:
            self._dialled = EngineUnreachable(f"The engine cannot be reached: {error!r}")
        self._tell(_DONE)

    def _look_out(self) -> None:
        """For an engine that went on purpose, and is followed: it may come back by itself."""
        if not self._dialling:
            self._dialling = self._looks_out = True
            threading.Thread(target=self._see_it_return, daemon=True).start()

    def _see_it_return(self) -> None:
        """On a thread of its own. Whoever calls does not wait for that: an engine is started."""
        until, self._dialled = time.monotonic() + RETURN, None
        while not (self._waiting or self._dialled) and time.monotonic() < until:
            with suppress(AoError):
                self._dialled = self._join(_GLANCE)
        self._tell(_DONE)

    def _tell(self, what: bytes) -> None:
        os.write(self._wake, what)

    def _answered_dial(self) -> None:
        if os.read(self._woken, 1) == _STARTING:
            self._starting = True
            self._answer_from_memory()
            return
        self._dialling = self._starting = self._looks_out = False
        if isinstance(self._dialled, wire.Connection):
            self._begin(self._dialled)
        elif self._dialled:
            for line in self._waiting:
                self._fail(line, self._dialled)
            self._waiting.clear()
        elif self._waiting:
            self._dial()

    def _answer_from_memory(self) -> None:
        """While an engine starts: what it will say to a client's first questions is known."""
        unknown: deque[Line] = deque()
        for line in self._waiting:
            result = self._remembered.result(wire.decode(line.data)) if line.key else None
            if result is None:
                unknown.append(line)
                continue
            if line.method == "initialize":
                self._remember(line)
                self._welcomed = True
            self._answer(line.key, {"result": result})
        self._waiting = unknown

    def _begin(self, connection: wire.Connection) -> None:
        self._engine, received = connection.detach()
        self._followed.begins(connection.greeting.seq)
        self._engine.setblocking(False)
        self._received, self._sending = bytearray(received), bytearray()
        self._since, self._farewell = time.monotonic(), False
        if self._welcomed:
            for line in self._handshake.values():
                is_hello = line.method == "initialize"
                told = line.data if is_hello else self._followed.initialized(wire.decode(line.data))
                self._sending += told
        for request in self._followed.anew():
            self._sending += request

    def _read_engine(self) -> None:
        try:
            chunk = self._engine.recv(_CHUNK) if self._engine else b""
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        self._received += chunk
        *lines, rest = self._received.split(b"\n") if b"\n" in chunk else [self._received]
        self._received = rest
        for line in lines:
            self._pass_on(bytes(line))
        if not chunk:
            self._lose_engine()

    def _pass_on(self, data: bytes) -> None:
        try:
            message = wire.decode(data)
        except BadRequest:  # cut off in the middle
            return
        if "ao" in message:
            self._farewell = bool(message.get("bye"))
            return
        if not self._followed.heard(message):
            return
        if "id" in message and "method" not in message:
            if message["id"] == _REPLAY:
                self._to_client += self._followed.missed()
                return
            answered = self._under_way.pop(key_of(message["id"]), None)
            self._stirred = time.monotonic()
            if answered and answered.method == "initialize":
                self._welcomed = "result" in message
        asks = is_asking(message)
        self._to_client += wire.encode(self._asked.shown(message)) if asks else data + b"\n"

    def _write_engine(self, engine: socket.socket) -> None:
        while self._waiting and len(self._sending) < _CHUNK:
            self._send(self._waiting.popleft())
        try:
            sent = engine.send(self._sending[:_CHUNK])
        except BlockingIOError:
            return
        except OSError:
            self._lose_engine()
            return
        del self._sending[:sent]

    def _send(self, line: Line) -> None:
        self._sending += line.data if line.method else self._answer_of(line)
        if line.key:
            self._under_way[line.key] = line
        self._stirred = time.monotonic()
        self._remember(line)
        if line.method in FOLLOWS:
            self._followed.sent(wire.decode(line.data))

    def _answer_of(self, line: Line) -> bytes:
        """To the engine that asked, of which it is known only now that it is this one."""
        message = wire.decode(line.data)
        if not is_answer(message):  # nonsense, which the engine refuses
            return line.data
        answer = self._asked.answered(message)
        return wire.encode(answer) if answer else b""

    def _remember(self, line: Line) -> None:
        if line.method == "initialize":
            hello = wire.decode(line.data)
            self._followed.greeted(hello)
            replay = {**hello, "id": _REPLAY}
            self._handshake = {line.method: line._replace(data=wire.encode(replay))}
        elif line.method == "notifications/initialized":
            self._handshake[line.method] = line

    def _lose_engine(self) -> None:
        """Answer what was under way; what was not sent yet waits for the next engine."""
        if self._engine:
            self._engine.close()
        self._engine = None
        self._to_client += b"".join(self._asked.withdrawn())
        lost, self._under_way = list(self._under_way.values()), {}
        for line in lost:
            if line.method == "initialize":
                self._waiting.appendleft(line)
            elif self._followed.holds(line.key):
                self._under_way[line.key] = line
            else:
                self._fail(line, EngineRestarted("The engine went away meanwhile.", hint=_HINT))
        lived = time.monotonic() - self._since
        if self._waiting or (not self._farewell and lived > CRASHES_APART):
            self._dial()
        elif self._followed:
            self._look_out()
