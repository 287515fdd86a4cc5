"""Changes one entry in YAML, whose other bytes stay as they are: whole lines come and go."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import yaml

from ao_mcp.clients.form import Broken, Entry, Unfit

_STEP = "  "
_NOTHING = ("", "~", "null")


class Yaml:
    """One document of YAML that holds a mapping."""

    def read(self, text: str) -> Mapping[str, object]:
        """What it says; an empty document says nothing."""
        try:
            data = cast("object", yaml.safe_load(text))
        except yaml.MarkedYAMLError as exc:
            mark = exc.problem_mark
            at = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            raise Broken(*at, exc.problem or "it is not YAML") from exc
        except (yaml.YAMLError, RecursionError, ValueError) as exc:
            raise Broken(1, 1, "it is not YAML") from exc
        if not isinstance(data, dict | None):
            raise Broken(1, 1, "it is not a mapping")
        return cast("dict[str, object]", data or {})

    def put(self, text: str, keys: Sequence[str], name: str, entry: Entry) -> str:
        """Before the first of its kind, indented as that one is."""
        (key,) = keys
        text = self.drop(text, keys, name)
        found = _pair(_top(text), key)
        newline = "\r\n" if "\r\n" in text else "\n"
        block = _Block(name, entry, newline)
        if found is None:
            gap = "" if not text or text.endswith("\n") else newline
            return f"{text}{gap}{key}:{newline}{block.lines(_STEP)}"
        if isinstance(found[1], yaml.MappingNode) and _pairs(found[1]):
            return _among(text, found[1], block)
        return _first(text, found, block)

    def drop(self, text: str, keys: Sequence[str], name: str) -> str:
        """Takes its lines out."""
        (key,) = keys
        found = _pair(_top(text), key)
        ours = _pair(found[1], name) if found else None
        if found is None or ours is None:
            return text
        start, end = _line_start(text, ours[0].start_mark.index), _line_end(text, _end(ours[1]))
        if text[start : ours[0].start_mark.index].strip() or _is_flow(found[1]):
            raise Unfit(f"`{name}` does not stand on lines of its own")
        if len(_pairs(found[1])) > 1:
            return text[:start] + text[end:]
        colon = text.index(":", found[0].end_mark.index) + 1
        return f"{text[:colon]} {{}}{text[colon:start]}{text[end:]}"


FORMS = {"yaml": Yaml()}


@dataclass(frozen=True, slots=True)
class _Block:
    """The entry as it is written."""

    name: str
    entry: Entry
    newline: str

    def lines(self, indent: str) -> str:
        """Its lines, each with its end."""
        plain = json.loads(json.dumps({self.name: self.entry}))
        dumped = yaml.safe_dump(
            plain, sort_keys=False, allow_unicode=True, default_flow_style=False, width=10_000
        )
        return "".join(indent + line + self.newline for line in dumped.splitlines())


def _among(text: str, others: yaml.Node, block: _Block) -> str:
    if _is_flow(others):
        raise Unfit("its entries share a line")
    line = _line_start(text, others.start_mark.index)
    return text[:line] + block.lines(" " * others.start_mark.column) + text[line:]


def _first(text: str, found: tuple[yaml.Node, yaml.Node], block: _Block) -> str:
    """In place of `{}` or of nothing; what is behind it on its line stays there."""
    key, value = found
    if not isinstance(value, yaml.MappingNode) and cast("object", value.value) not in _NOTHING:
        raise Unfit(f"`{cast('object', key.value)}` is not a mapping")
    start, end = value.start_mark.index, value.end_mark.index
    line = _line_end(text, end)
    behind = text[end:line].rstrip("\r\n")
    head = text[:start].rstrip(" ") + behind + block.newline
    return head + block.lines(" " * key.start_mark.column + _STEP) + text[line:]


def _top(text: str) -> yaml.Node | None:
    return yaml.compose(text, Loader=yaml.SafeLoader)


def _pairs(node: yaml.Node | None) -> Sequence[tuple[yaml.Node, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        return ()
    return cast("list[tuple[yaml.Node, yaml.Node]]", node.value)


def _pair(node: yaml.Node | None, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    found = [pair for pair in _pairs(node) if cast("object", pair[0].value) == name]
    return found[-1] if found else None


def _is_flow(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and bool(node.flow_style)


def _end(node: yaml.Node) -> int:
    """Where the last thing in it ends; its own mark is where the next thing begins."""
    if _is_flow(node) or isinstance(node, yaml.ScalarNode):
        return node.end_mark.index
    children = cast("list[object]", node.value)
    last = children[-1] if children else None
    if isinstance(last, tuple):
        last = cast("tuple[yaml.Node, yaml.Node]", last)[1]
    return _end(last) if isinstance(last, yaml.Node) else node.end_mark.index


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", max(0, at - 1))
    return len(text) if found < 0 else found + 1
