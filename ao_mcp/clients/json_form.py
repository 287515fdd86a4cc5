"""Changes one entry in JSON, whose other bytes, comments included, stay as they are."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ao_mcp.clients.form import Entry, Unfit
from ao_mcp.clients.json_reader import Member, Node, Reader

_INDENT = re.compile(r"^([ \t]+)\S", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Json:
    """JSON as standardized, or relaxed: with comments and commas after the last one."""

    relaxed: bool

    def read(self, text: str) -> Mapping[str, object]:
        """What it says; an empty file says nothing."""
        if not text.strip():
            return {}
        return cast("dict[str, object]", Reader(text, relaxed=self.relaxed).document().data)

    def put(self, text: str, keys: Sequence[str], name: str, entry: Entry) -> str:
        """Written in the style of what stands around it."""
        reader = Reader(text if text.strip() else "{}\n", relaxed=self.relaxed)
        node = reader.document()
        path = [*keys, name]
        for depth, key in enumerate(path):
            if node.members is None:
                raise Unfit(f"`{path[depth - 1]}` is not an object")
            member = node.member(key)
            if member is None:
                return _insert(reader, node, key, _nested(path[depth + 1 :], entry))
            node = member.value
        return _replace(reader.text, node, entry)

    def drop(self, text: str, keys: Sequence[str], name: str) -> str:
        """Takes the comma along that it no longer needs."""
        reader = Reader(text, relaxed=self.relaxed)
        node = reader.document()
        for key in keys:
            found = node.member(key)
            if found is None:
                return text
            node = found.value
        member = node.member(name)
        return text if member is None else _remove(reader, node, member)


FORMS = {"json": Json(relaxed=False), "jsonc": Json(relaxed=True)}


def _nested(keys: Sequence[str], entry: Entry) -> Entry:
    for key in reversed(keys):
        entry = {key: entry}
    return entry


def _insert(reader: Reader, node: Node, name: str, value: Entry) -> str:
    text, members = reader.text, node.members or ()
    last = members[-1].value.end if members else node.start + 1
    if _compact(text, node):
        told = f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
        return f"{text[:last]}{', ' if members else ''}{told}{text[last:]}"
    outer = _indent_at(text, node.start)
    indent = _indent_at(text, members[0].start) if members else outer + _unit(text)
    told = f"{_newline(text)}{indent}{json.dumps(name)}: {_dumped(text, indent, value)}"
    if not members:
        at = reader.rest_of_line(last)
        rest = text[at:].lstrip(" \t")
        closing = _newline(text) + outer if rest.startswith("}") else ""
        return f"{text[:at]}{told}{closing}{rest if closing else text[at:]}"
    comma = reader.comma(last)
    at = reader.rest_of_line(last if comma is None else comma + 1)
    before, behind = (",", "") if comma is None else ("", ",")
    return f"{text[:last]}{before}{text[last:at]}{told}{behind}{text[at:]}"


def _replace(text: str, node: Node, entry: Entry) -> str:
    if node.members and "\n" not in text[node.start : node.end]:
        told = json.dumps(entry, ensure_ascii=False)
    else:
        told = _dumped(text, _indent_at(text, node.start), entry)
    return text[: node.start] + told + text[node.end :]


def _remove(reader: Reader, node: Node, member: Member) -> str:
    text, members = reader.text, node.members or ()
    start = len(text[: member.start].rstrip(" \t\r\n"))
    comma = reader.comma(member.value.end)
    end = member.value.end if comma is None else comma + 1
    position = members.index(member)
    if comma is None and position:
        earlier = reader.comma(members[position - 1].value.end)
        between = text[(earlier or start) + 1 : start]
        return text[:earlier] + between + text[end:]
    left, right = text[:start], text[end:]
    if len(members) == 1 and left.endswith("{"):
        right = right.lstrip(" \t\r\n") if right.lstrip(" \t\r\n").startswith("}") else right
    return left + right


def _compact(text: str, node: Node) -> bool:
    """Whether it is written on one line, and more is to go there."""
    if node.members:
        return "\n" not in text[node.start : node.members[0].start]
    return "\n" not in text.strip() and text.strip() != text[node.start : node.end]


def _dumped(text: str, indent: str, value: Entry) -> str:
    lines = json.dumps(value, indent=_unit(text), ensure_ascii=False).split("\n")
    return (_newline(text) + indent).join(lines)


def _indent_at(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _unit(text: str) -> str:
    found = _INDENT.search(text)
    return found[1] if found else "  "


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
