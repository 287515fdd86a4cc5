"""Bytes into lines, and what little of a message is looked at. Standard library only."""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple, cast

from ao_core import wire

_MODERN = "io.modelcontextprotocol/protocolVersion"
_ENDS = 4096  # what is kept of both ends of a line that is too long
_ID = r'"id"\s*:\s*(-?\d{1,18}|"(?:[^"\\]|\\.){0,200}")'
_END = r'\s*(?:,\s*"jsonrpc"\s*:\s*"2.0"\s*)?}\s*$'


class Line(NamedTuple):
    """One message of the client's."""

    data: bytes
    method: str = ""
    key: str = ""  # the id as JSON; empty for a notification
    modern: bool = False


class Lines:
    """Bytes into lines; of a line that is too long, only both ends are kept."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._searched = 0
        self._cut = False

    def __len__(self) -> int:
        return len(self._held)

    def feed(self, chunk: bytes) -> Iterator[tuple[bytes, bool]]:
        """Each line that is whole now, and whether it was cut."""
        self._held += chunk
        while (end := self._held.find(b"\n", self._searched)) >= 0:
            line, cut = bytes(self._held[:end]), self._cut or end > wire.LINE_LIMIT
            del self._held[: end + 1]
            self._searched, self._cut = 0, False
            yield line, cut
        if len(self._held) > wire.LINE_LIMIT:
            del self._held[_ENDS:-_ENDS]
            self._cut = True
        self._searched = len(self._held)


def read(data: bytes, message: wire.Message) -> Line:
    """What of a message matters to who only passes it on."""
    method = message.get("method")
    is_call = isinstance(method, str) and "id" in message
    modern = _MODERN in member(member(message, "params"), "_meta")
    key = key_of(message["id"]) if is_call else ""
    return Line(data + b"\n", method if isinstance(method, str) else "", key, modern)


def is_sound(message: wire.Message) -> bool:
    """Whether it can be JSON-RPC. Only what answers nothing that is known has null for an id."""
    call = message.get("id", None if "method" not in message else 0)
    known = isinstance(call, str | int) and not isinstance(call, bool)
    return message.get("jsonrpc") == "2.0" and (known or (call is None and "method" not in message))


def key_of(call: object) -> str:
    """An id as JSON; empty for what is none."""
    return json.dumps(call) if isinstance(call, str | int | float) else ""


def member(message: wire.Message, name: str) -> wire.Message:
    """An object in it; an empty one where there is none."""
    found = message.get(name)
    return cast("wire.Message", found) if isinstance(found, dict) else {}


def id_of_cut(line: bytes) -> str:
    """The id of a message of which only both ends are left, if it stands where ids stand."""
    text = line.decode(errors="replace")
    head = text[:_ENDS].partition('"params"')[0]
    found = re.search(_ID, head) or re.search(_ID + _END, text)
    return found[1] if found else "null"
