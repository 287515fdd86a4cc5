"""The engine's socket, as its clients see it. Standard library only: the relay imports it.

A client opens with one line, the preamble; the engine answers with one line, its greeting or a
refusal. Then the face named in the preamble begins: `mcp` is MCP's own JSON-RPC, line by line;
`operations` is requests `{id, method, params}` with replies `{id, result | error | progress}`.
"""

import json
import os
import re
import socket
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NamedTuple, TypeAlias, cast

from ao_core import errors
from ao_core.errors import AoError, BadRequest, EngineRestarted, EngineUnreachable, TimedOut

PROTOCOL = 1
LINE_LIMIT = 4 * 1024 * 1024
SEQ = "ao-mcp/seq"  # in `_meta`: the number of the journal's line that is told of
PREAMBLE_LIMIT = 1024 * 1024
ENVIRONMENT_LIMIT = 512 * 1024
MCP, OPERATIONS = "mcp", "operations"
FACES = (MCP, OPERATIONS)
ROLES = ("lead", "person", "worker")

Message: TypeAlias = dict[str, Any]
OnProgress: TypeAlias = Callable[[float, float | None, str], None]

_TEXTS = ("version", "cwd", "token", "config", "client", "toolsets")
_TEXT_LIMIT = 4096
_VALUE_LIMIT = 64 * 1024
_CHUNK = 64 * 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
_JUNK = re.compile(r"_|PWD|OLDPWD|SHLVL|LS_COLORS|TERMCAP|PS[0-4]|PROMPT_COMMAND|BASH_FUNC_.*")


class Preamble(NamedTuple):
    """Who connects, from where and with what environment. Shown without its secrets."""

    face: str
    role: str = "lead"
    version: str = ""
    cwd: str = ""
    pid: int = 0
    token: str = ""
    config: str = ""
    client: str = ""
    toolsets: str = ""
    read_only: bool = False
    env: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"Preamble(face={self.face!r}, role={self.role!r}, pid={self.pid!r})"

    def line(self) -> bytes:
        """The client's first line."""
        return encode({"ao": PROTOCOL, **self._asdict(), "env": dict(self.env)})


class Greeting(NamedTuple):
    """The engine's first line."""

    version: str
    home: str
    seq: int = 0  # the journal's last line

    def line(self) -> bytes:
        """As it goes over the wire."""
        return encode({"ao": PROTOCOL, **self._asdict()})


def encode(message: Mapping[str, object]) -> bytes:
    """One message as one line. Plain ASCII, so that no text in it can break the line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Message:
    """One line as one message."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise BadRequest("The line is not JSON.", hint="Send one JSON object a line.") from exc
    if not isinstance(message, dict):
        raise BadRequest("The line is not a JSON object.", hint="Send one JSON object a line.")
    return cast("Message", message)


def refusal(error: AoError) -> bytes:
    """The engine's first line where it takes no connection."""
    return encode({"ao": PROTOCOL, "error": error.wire()})


def read_preamble(line: bytes) -> Preamble:
    """Check a client's first line. Nothing of it is quoted in an error."""
    message = decode(line)
    _same_protocol(message)
    face, role, env = message.get("face"), message.get("role"), message.get("env", {})
    if face not in FACES or role not in ROLES:
        raise BadRequest("The preamble names no face or role there is.", hint=_UPGRADE)
    pid = message.get("pid", 0)
    return Preamble(
        face=str(face),
        role=str(role),
        pid=pid if isinstance(pid, int) else 0,
        env=_environment(env),
        read_only=message.get("read_only") is True,
        **{name: _text(message, name) for name in _TEXTS},
    )


def read_greeting(line: bytes) -> Greeting:
    """Check the engine's first line; raises what it refused with."""
    message = decode(line)
    if "error" in message:
        raise error_from_wire(message["error"])
    _same_protocol(message)
    seq = message.get("seq")
    known = seq if isinstance(seq, int) else 0
    return Greeting(_text(message, "version"), _text(message, "home"), known)


def environment_snapshot(environment: Mapping[str, str]) -> dict[str, str]:
    """What a client hands over: all but what belongs to its shell alone, up to a total size."""
    snapshot: dict[str, str] = {}
    room = ENVIRONMENT_LIMIT
    for name, value in sorted(environment.items(), key=lambda item: len(item[1])):
        room -= len(json.dumps(value)) + len(name)
        if _is_variable(name, value) and not _JUNK.fullmatch(name) and room >= 0:
            snapshot[name] = value
    return snapshot


def error_from_wire(shown: object) -> AoError:
    """The error a peer sent, of our own class where we know its code."""
    told = cast("Message", shown) if isinstance(shown, dict) else {}
    code, message, hint = told.get("code"), str(told.get("message", "")), told.get("hint")
    problems = told.get("problems")
    if code == errors.Several.code and isinstance(problems, list):
        return errors.Several([error_from_wire(one) for one in cast("list[object]", problems)])
    kind = _kinds().get(str(code))
    error = kind(message) if kind else Told(message, told)
    error.hint = str(hint) if hint else None
    return error


class Told(AoError):
    """An error this version has no class for; it is shown as it came."""

    def __init__(self, message: str, shown: Mapping[str, object]) -> None:
        super().__init__(message)
        self._shown = dict(shown)

    def wire(self) -> dict[str, object]:
        """As it came."""
        return super().wire() | self._shown


class Connection:
    """A client's end of the operations face: one call at a time, from one thread."""

    def __init__(self, opened: socket.socket, greeting: Greeting, received: bytes = b"") -> None:
        self.greeting = greeting
        self._socket = opened
        self._received = bytearray(received)
        self._calls = 0

    def call(
        self,
        method: str,
        params: Mapping[str, object] | None = None,
        deadline: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Message:
        """Ask and wait for the answer; raises the engine's error as our own."""
        until = None if deadline is None else time.monotonic() + deadline
        self._calls += 1
        request = {"id": self._calls, "method": method, "params": params or {}}
        try:
            self._send(encode(request), until)
            return self._answer(self._calls, until, on_progress)
        except TimeoutError as exc:
            self._cancel(self._calls)
            message = f"`{method}` was not answered within {deadline:g} s."
            raise TimedOut(message, hint="Call again, with more time.") from exc
        except KeyboardInterrupt:
            self._cancel(self._calls)
            raise

    def detach(self) -> tuple[socket.socket, bytes]:
        """Hand over the socket, and what came after the greeting."""
        return self._socket, bytes(self._received)

    def close(self) -> None:
        """Hang up. The engine gives up what this client still waits for."""
        self._socket.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _answer(self, call: int, until: float | None, on_progress: OnProgress | None) -> Message:
        while True:
            message = decode(self._line(until))
            if message.get("id") != call:  # what came too late for a call given up
                continue
            if "error" in message:
                raise error_from_wire(message["error"])
            if "result" in message:
                return cast("Message", message["result"])
            _tell(message.get("progress"), on_progress)

    def _line(self, until: float | None) -> bytes:
        try:
            return receive_line(self._socket, self._received, until)
        except TimeoutError:
            raise
        except OSError as exc:
            raise EngineRestarted("The engine went away.", hint=_GONE) from exc

    def _send(self, line: bytes, until: float | None) -> None:
        try:
            self._socket.settimeout(remaining(until))
            self._socket.sendall(line)
        except TimeoutError:
            raise
        except OSError as exc:
            raise EngineRestarted("The engine went away.", hint=_GONE) from exc

    def _cancel(self, call: int) -> None:
        try:
            self._send(encode({"id": call, "cancel": True}), time.monotonic() + 0.1)
        except (TimeoutError, EngineRestarted):
            self.close()


def connect(path: str | os.PathLike[str], preamble: Preamble, timeout: float) -> Connection:
    """Open a connection and shake hands."""
    until = time.monotonic() + timeout
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        opened.settimeout(remaining(until))
        opened.connect(os.fspath(path))
        opened.sendall(preamble.line())
        received = bytearray()
        greeting = read_greeting(receive_line(opened, received, until))
        opened.settimeout(None)
    except OSError as exc:
        opened.close()
        raise EngineUnreachable("The engine does not answer.", hint=_START) from exc
    except BaseException:  # whatever it was, the socket is closed and it is raised
        opened.close()
        raise
    return Connection(opened, greeting, bytes(received))


def call(
    path: str | os.PathLike[str],
    preamble: Preamble,
    method: str,
    params: Mapping[str, object] | None = None,
    deadline: float = 60.0,
) -> Message:
    """Connect, ask once, hang up."""
    with connect(path, preamble, deadline) as connection:
        return connection.call(method, params, deadline)


def receive_line(opened: socket.socket, received: bytearray, until: float | None) -> bytes:
    """The next line; what follows it stays in `received`."""
    searched = 0
    while (end := received.find(b"\n", searched)) < 0:
        searched = len(received)
        opened.settimeout(remaining(until))
        chunk = opened.recv(_CHUNK)
        if not chunk:
            raise ConnectionResetError("the other side hung up")
        received += chunk
    line = bytes(received[:end])
    del received[: end + 1]
    return line


def remaining(until: float | None) -> float | None:
    """The seconds left; raises TimeoutError where there are none."""
    if until is None:
        return None
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _kinds() -> dict[str, type[AoError]]:
    """Our errors that are made from a message, by code; of two with one code, the first defined."""
    found: dict[str, type[AoError]] = {}
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, AoError) and kind is not errors.Several:
            found.setdefault(kind.code, kind)
    return found


def _tell(progress: object, on_progress: OnProgress | None) -> None:
    if on_progress is None or not isinstance(progress, dict):
        return
    told = cast("Message", progress)
    on_progress(float(told.get("done", 0)), told.get("total"), str(told.get("text", "")))


def _same_protocol(message: Message) -> None:
    theirs = message.get("ao")
    if theirs != PROTOCOL:
        shown = theirs if isinstance(theirs, int) and abs(theirs) < 1000 else "none"
        text = f"Client and engine speak different protocols ({shown} and {PROTOCOL})."
        raise errors.VersionMismatch(text, hint=_UPGRADE)


def _text(message: Message, name: str) -> str:
    value = message.get(name) or ""
    # folders may be named by any bytes but zero; nothing else has reason to
    fits = isinstance(value, str) and len(value) <= _TEXT_LIMIT and "\0" not in value
    if not fits or not (name in ("cwd", "config") or value.isprintable()):
        raise BadRequest(f"`{name}` in the preamble is not a line of text.", hint=_UPGRADE)
    return value


def _environment(env: object) -> dict[str, str]:
    found = cast("Message", env) if isinstance(env, dict) else {}
    return {name: value for name, value in found.items() if _is_variable(name, value)}


def _is_variable(name: str, value: object) -> bool:
    return (
        bool(_NAME.fullmatch(name))
        and isinstance(value, str)
        and len(value) <= _VALUE_LIMIT
        and "\0" not in value
    )


_UPGRADE = "Upgrade ao-mcp where it is older, then run `ao restart`; no agent ends by it."
_START = "Run `ao doctor`; `ao start` starts the engine."
_GONE = "It comes back with the next call; look with `list`, then repeat what is missing."
