"""Reads one YAML file into plain values, each with its line. Nothing in it can name code.

Words are values: only `true`, `false`, `null` and plainly written numbers are anything but text, so
that `on`, `1.10` and `12:30` stay what they look like. Size, depth and what aliases expand to are
limited.
"""

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import yaml
from pydantic.alias_generators import to_camel

from ao_core.config.problem import ConfigProblems, Problem, Where, problem

SIZE_LIMIT = 1024 * 1024
_DEPTH_LIMIT = 40
_NODE_LIMIT = 20_000

_WORDS: dict[str, object] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FRACTION = re.compile(r"-?[0-9]{1,15}\.[0-9]{1,15}")
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
_YAML = "tag:yaml.org,2002:"
_PLAIN_TAGS = {
    _YAML + name for name in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge")
}


@dataclass(frozen=True, slots=True)
class Document:
    """A file as values, and where each of them stands."""

    path: Path
    data: dict[str, object]
    lines: dict[Where, int]
    text: str = field(default="", repr=False)

    def line(self, where: Where) -> int:
        """The line of a place, or of the nearest thing around it."""
        for length in range(len(where), 0, -1):
            if (line := self.exact(where[:length])) is not None:
                return line
        return 1

    def exact(self, where: Where) -> int | None:
        """The line of a place, its last name in either spelling; None if it is not here."""
        last = where[-1] if where else ""
        other = to_camel(last) if isinstance(last, str) else last
        return self.lines.get(where) or self.lines.get((*where[:-1], other))


def read(path: Path) -> Document:
    """Read a file; raises `ConfigProblems`."""
    return parse(path, _text(path))


def parse(path: Path, text: str) -> Document:
    """Read a file's text; raises `ConfigProblems` with everything that is wrong with it."""
    node = _compose(path, text)
    reader = _Reader(path)
    data: object = reader.value(node, ()) if node else None
    if data is None:
        data = cast("dict[str, object]", {})
    if not isinstance(data, dict):
        reader.complain(node, (), "the file should hold settings, one `name: value` a line")
    if reader.problems:
        raise ConfigProblems(reader.problems)
    return Document(path, cast("dict[str, object]", data), reader.lines, text)


class _TooMuch(Exception):
    """The file is nested too deeply, or says too much."""


class _Composer(yaml.SafeLoader):
    """Builds nodes only, and only so many."""

    depth = 0
    count = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth, self.count = self.depth + 1, self.count + 1
        if self.depth > _DEPTH_LIMIT or self.count > _NODE_LIMIT:
            raise _TooMuch
        made = super().compose_node(parent, index)
        self.depth -= 1
        return made


def _compose(path: Path, text: str) -> yaml.Node | None:
    try:
        loader = _Composer(text)
        return loader.get_single_node()
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        said = f"this is not YAML: {exc.problem or exc.context}"
        raise ConfigProblems([_first(path, said, mark.line + 1 if mark else 1)]) from None
    except yaml.YAMLError:
        message = "it holds characters that no text holds"
        raise ConfigProblems([_first(path, message)]) from None
    except (_TooMuch, RecursionError):
        raise ConfigProblems([_first(path, "it is nested too deeply, or too long")]) from None
    except (ValueError, OverflowError, IndexError):
        raise ConfigProblems([_first(path, "this is not YAML")]) from None


def _text(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigProblems([_first(path, "it is not a plain file")])
            data = file.read(SIZE_LIMIT + 1)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or "its name is not a path"
        raise ConfigProblems([_first(path, f"it cannot be read: {reason}")]) from exc
    if len(data) > SIZE_LIMIT:
        raise ConfigProblems([_first(path, f"it is longer than {SIZE_LIMIT} bytes")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise ConfigProblems([_first(path, "this is not text in UTF-8", line)]) from None


def _first(path: Path, message: str, line: int = 1) -> Problem:
    return problem(path, line, (), message)


@dataclass(slots=True)
class _Reader:
    """Turns nodes into values, noting lines and problems."""

    path: Path
    lines: dict[Where, int] = field(default_factory=dict[Where, int])
    problems: list[Problem] = field(default_factory=list[Problem])
    _open: list[yaml.Node] = field(default_factory=list[yaml.Node])
    _left: int = _NODE_LIMIT

    def complain(self, node: yaml.Node | None, where: Where, message: str) -> None:
        line = _line(node) if node else 1
        self.problems.append(problem(self.path, line, where, message))

    def value(self, node: yaml.Node, where: Where) -> object:
        self._left -= 1
        self.lines.setdefault(where, _line(node))
        if self._left < 0 or len(where) > _DEPTH_LIMIT:
            raise ConfigProblems([_first(self.path, "its aliases stand for too much", _line(node))])
        if any(node is one for one in self._open):
            self.complain(node, where, "an alias holds itself")
            return None
        self._open.append(node)
        try:
            return self._converted(node, where)
        finally:
            self._open.pop()

    def _converted(self, node: yaml.Node, where: Where) -> object:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, where)
        if isinstance(node, yaml.SequenceNode):
            items = cast("list[yaml.Node]", node.value)
            return [self.value(item, (*where, index)) for index, item in enumerate(items)]
        return self._scalar(node, where)

    def _scalar(self, node: yaml.Node, where: Where) -> object:
        text = cast("str", node.value)
        plain = cast("yaml.ScalarNode", node).style is None
        if node.tag not in _PLAIN_TAGS:
            self.complain(node, where, "tags such as `!name` are not understood")
        if _NOT_TEXT.search(text):
            self.complain(node, where, "it holds characters that no text holds")
        return _meaning(text) if plain else text

    def _mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, object]:
        pairs = cast("list[tuple[yaml.Node, yaml.Node]]", node.value)
        made: dict[str, object] = {}
        merged: dict[str, object] = {}
        for key, value in pairs:
            if key.tag == _YAML + "merge":
                merged = self._merge(value, where) | merged
            elif (name := self._key(key, where, made)) is not None:
                self.lines[(*where, name)] = _line(key)
                made[name] = self.value(value, (*where, name))
        return merged | made

    def _key(self, key: yaml.Node, where: Where, made: dict[str, object]) -> str | None:
        if not isinstance(key, yaml.ScalarNode) or _NOT_TEXT.search(cast("str", key.value)):
            self.complain(key, where, "a name should be a word")
            return None
        name = cast("str", key.value)
        if name in made:
            first = self.lines[(*where, name)]
            self.complain(key, (*where, name), f"it is written twice, first on line {first}")
            return None
        return name

    def _merge(self, node: yaml.Node, where: Where) -> dict[str, object]:
        several = isinstance(node, yaml.SequenceNode)
        parts = cast("list[yaml.Node]", node.value) if several else [node]
        merged: dict[str, object] = {}
        for part in parts:
            found = self.value(part, where)
            if isinstance(found, dict):
                merged = cast("dict[str, object]", found) | merged
            else:
                self.complain(part, where, "`<<` should name settings")
        return merged


def _line(node: yaml.Node) -> int:
    return cast("int", node.start_mark.line) + 1


def _meaning(text: str) -> object:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FRACTION.fullmatch(text) and repr(float(text)) == text:
        return float(text)
    return text
