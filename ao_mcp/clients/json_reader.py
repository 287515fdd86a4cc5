"""Reads JSON, with or without comments, and remembers where in the text everything stands."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from ao_mcp.clients.form import Broken

_BLANK = re.compile(r"[ \t\r\n]*")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_PLAIN = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")


@dataclass(frozen=True, slots=True)
class Node:
    """One value and its place. Only an object has members."""

    start: int
    end: int
    data: object
    members: "tuple[Member, ...] | None" = None

    def member(self, name: str) -> "Member | None":
        """The member of that name; of several the last, as every reader has it."""
        found = [one for one in self.members or () if one.name == name]
        return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class Member:
    """A name with its value; `start` is where the name begins."""

    name: str
    start: int
    value: Node


class Reader:
    """Reads one text. `relaxed` allows comments, and a comma after the last one."""

    def __init__(self, text: str, *, relaxed: bool) -> None:
        self.text = text
        self._relaxed = relaxed

    def document(self) -> Node:
        """The whole text, which has to be an object."""
        try:
            node = self._value(self.skip(0))
        except RecursionError:
            raise self._broken(0, "it is nested too deeply") from None
        end = self.skip(node.end)
        if end != len(self.text):
            raise self._broken(end, "something follows the end")
        if node.members is None:
            raise self._broken(node.start, "it is not an object")
        return node

    def skip(self, at: int) -> int:
        """Past blanks and comments."""
        at = self._end(_BLANK, at)
        while self._relaxed and (comment := _COMMENT.match(self.text, at)):
            at = self._end(_BLANK, comment.end())
        return at

    def rest_of_line(self, at: int) -> int:
        """Past the comments that stand behind something on its line."""
        after = re.compile(r"[ \t]*").match(self.text, at)
        comment = _COMMENT.match(self.text, after.end()) if after and self._relaxed else None
        if comment is None or "\n" in comment[0]:
            return at
        return self.rest_of_line(comment.end() - comment[0].endswith("\r"))

    def comma(self, at: int) -> int | None:
        """Where the comma is that follows, if one does."""
        at = self.skip(at)
        return at if self.text.startswith(",", at) else None

    def _value(self, at: int) -> Node:
        match self.text[at : at + 1]:
            case "{":
                return self._object(at)
            case "[":
                return self._array(at)
            case '"':
                return self._string(at)
            case _:
                return self._token(_PLAIN, at, "a value is missing")

    def _object(self, start: int) -> Node:
        members: list[Member] = []
        at = self.skip(start + 1)
        while not self.text.startswith("}", at):
            name = self._string(at)
            colon = self.skip(name.end)
            if not self.text.startswith(":", colon):
                raise self._broken(colon, "a colon is missing")
            value = self._value(self.skip(colon + 1))
            members.append(Member(cast("str", name.data), name.start, value))
            at = self._next(value.end, "}")
        data = {member.name: member.value.data for member in members}
        return Node(start, at + 1, data, tuple(members))

    def _array(self, start: int) -> Node:
        values: list[object] = []
        at = self.skip(start + 1)
        while not self.text.startswith("]", at):
            value = self._value(at)
            values.append(value.data)
            at = self._next(value.end, "]")
        return Node(start, at + 1, values)

    def _next(self, end: int, closing: str) -> int:
        """Where the next one begins, or the bracket that closes."""
        at = self.skip(end)
        if self.text.startswith(closing, at):
            return at
        if not self.text.startswith(",", at):
            raise self._broken(at, f"a comma or `{closing}` is missing")
        after = self.skip(at + 1)
        if self.text.startswith(closing, after) and not self._relaxed:
            raise self._broken(at, "a comma stands after the last one")
        return after

    def _string(self, at: int) -> Node:
        return self._token(_STRING, at, "a string is missing, or does not end")

    def _token(self, pattern: re.Pattern[str], at: int, lacking: str) -> Node:
        found = pattern.match(self.text, at)
        if found is None:
            raise self._broken(at, lacking)
        try:
            return Node(at, found.end(), json.loads(found[0]))
        except ValueError as exc:
            raise self._broken(at, "it cannot be read") from exc

    def _end(self, pattern: re.Pattern[str], at: int) -> int:
        found = pattern.match(self.text, at)
        return found.end() if found else at

    def _broken(self, at: int, why: str) -> Broken:
        before: Sequence[str] = self.text[:at].split("\n")
        return Broken(len(before), len(before[-1]) + 1, why)
