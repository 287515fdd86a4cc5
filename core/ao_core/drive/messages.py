"""JSON-RPC 2.0, one message a line: read from pieces that end anywhere, and written."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from ao_core.drive.loose import mapping

LINE_LIMIT = 16 * 1024 * 1024

Id: TypeAlias = int | str
Params: TypeAlias = Mapping[str, Any]

GARBLED, BAD_REQUEST, NO_METHOD = -32700, -32600, -32601
BAD_PARAMS, INTERNAL, NO_RESOURCE = -32602, -32603, -32002
LOGIN_REQUIRED = -32000

_ERROR_LIMIT = 1_000
_HALVES = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody wants an answer."""

    id: Id
    method: str
    params: Params


@dataclass(frozen=True, slots=True)
class Notice:
    """Somebody tells something."""

    method: str
    params: Params


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to a request."""

    id: Id
    value: Params


@dataclass(frozen=True, slots=True)
class Failure:
    """A request was refused."""

    id: Id
    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Noise:
    """A line that is no message: some agents print to their output what is meant for people."""

    text: str


Message: TypeAlias = Request | Notice | Result | Failure | Noise


class Splitter:
    """Puts lines together. One that is too long is dropped, up to its end."""

    def __init__(self, limit: int = LINE_LIMIT, *, dropping: bool = False) -> None:
        self._left = bytearray()
        self._limit, self._dropping = limit, dropping

    @property
    def empty(self) -> bool:
        """Whether nothing is kept of a line that has not ended."""
        return not self._left

    @property
    def dropping(self) -> bool:
        """Whether it goes on in the midst of a line that was too long."""
        return self._dropping

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that are whole now, without their ends."""
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._left += end
            line, self._left = bytes(self._left), bytearray()
            dropped, self._dropping = self._dropping, False
            if line.strip() and not dropped:
                yield line
        self._left += rest
        if len(self._left) > self._limit:
            self._left, self._dropping = bytearray(), True


def parse(line: bytes) -> Message:
    """One message; what cannot be understood is noise."""
    try:
        said = line.decode()  # json itself would let halves of characters through
        loaded: object = _whole(json.loads(said)) if _HALVES.search(line) else json.loads(said)
    except (ValueError, RecursionError):
        return _noise(line)
    if not isinstance(loaded, dict):
        return _noise(line)
    found = cast("dict[str, Any]", loaded)
    method, id = found.get("method"), found.get("id")
    known = isinstance(id, int | str) and not isinstance(id, bool)
    if isinstance(method, str):
        params = mapping(found.get("params"))
        return Request(cast("Id", id), method, params) if known else Notice(method, params)
    if not known:
        return _noise(line)
    return _answer(cast("Id", id), found)


def _whole(loaded: object) -> object:
    """The same without halves of characters, which nothing can store."""
    return json.loads(json.dumps(loaded, ensure_ascii=False).encode(errors="replace"))


def _answer(id: Id, said: Mapping[str, Any]) -> Message:
    if "error" not in said:
        return Result(id, mapping(said.get("result")))
    error = mapping(said["error"])
    code, message = error.get("code"), error.get("message")
    detail = error.get("data")
    text = str(message) if not isinstance(detail, str) else f"{message}: {detail}"
    return Failure(id, code if isinstance(code, int) else 0, text[:_ERROR_LIMIT])


def request(id: Id, method: str, params: Params) -> bytes:
    """A request as a line."""
    return _line({"id": id, "method": method, "params": params})


def notice(method: str, params: Params) -> bytes:
    """A notice as a line."""
    return _line({"method": method, "params": params})


def result(id: Id, value: Params) -> bytes:
    """An answer as a line."""
    return _line({"id": id, "result": value})


def refusal(id: Id | None, code: int, message: str) -> bytes:
    """A refusal as a line; without an id where none could be read."""
    return _line({"id": id, "error": {"code": code, "message": message}})


def _line(said: Mapping[str, object]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **said}).encode() + b"\n"


def _noise(line: bytes) -> Noise:
    return Noise(line[:_ERROR_LIMIT].decode(errors="replace"))
