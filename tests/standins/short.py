"""An interface written down in short, where its vendor publishes no description that is true.

A thing is a line of fields: `id:int title description:str? state:opened|closed labels:[str]`. A
type is `str` where none is said, or `int`, `bool`, `num`, `time`, `any`, `csv` (names in a list, or
with commas between), some words of which it is one, another thing, or a list of any of them; `?`
says that it may be null. A field with `*` may be missing. `+Other` stands for all of its fields.

An operation is a paragraph: its name, method and path; after `?` what may be asked in the address
and after `=` in the body, where `!` says what is needed; after `->` what is answered.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Description = Mapping[str, Any]

_PLAIN: Mapping[str, Mapping[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "num": {"type": "number"},
    "bool": {"type": "boolean"},
    "time": {"type": "string", "format": "date-time"},
    "any": {},
    "csv": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
}
_WORDS = {"id", "name", "branch", "sha", "discussion_id", "username"}  # of a path; others count
_MARKS = {"?": "query", "=": "body", "->": "answer"}


def described(things: Mapping[str, str], operations: str) -> Description:
    """The same as an OpenAPI description."""
    schemas = {name: _thing(line, things) for name, line in things.items()}
    paths: dict[str, dict[str, Any]] = {}
    for paragraph in operations.strip().split("\n\n"):
        parts = _parts(paragraph.split())
        name, method, path = parts["name"]
        paths.setdefault(path, {})[method.lower()] = _operation(name, path, parts)
    return {"components": {"schemas": schemas}, "paths": paths}


def _parts(words: list[str]) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {"name": []}
    at = "name"
    for word in words:
        if word in _MARKS:
            at = _MARKS[word]
            parts[at] = []
        else:
            parts[at].append(word)
    return parts


def _operation(name: str, path: str, parts: Mapping[str, list[str]]) -> Description:
    told = parts["answer"]
    status, kind = (told[0], told[1:]) if told and told[0].isdigit() else ("200", told)
    query = [*parts.get("query", ()), *(["page:int", "per_page:int"] if _is_list(kind) else ())]
    answer = {"description": ""} if not kind else {"content": _json(_type(kind[0]))}
    body = {"requestBody": _body(parts["body"])} if "body" in parts else {}
    return {
        "operationId": name,
        "parameters": [*_in_path(path), *map(_in_query, query)],
        "responses": {status: answer},
        **body,
    }


def _is_list(kind: list[str]) -> bool:
    return bool(kind) and kind[0].startswith("[")


def _in_path(path: str) -> Iterator[Description]:
    for step in path.split("/"):
        if step.startswith("{"):
            name = step[1:-1]
            kind = "str" if name in _WORDS else "int"
            yield {"in": "path", "name": name, "required": True, "schema": _PLAIN[kind]}


def _in_query(word: str) -> Description:
    name, schema, needed = _field(word)
    return {"in": "query", "name": name.lstrip("!"), "required": needed == "!", "schema": schema}


def _body(words: list[str]) -> Description:
    fields = [_field(word) for word in words]
    needed = [name for name, _, mark in fields if mark == "!"]
    schema = {"type": "object", "properties": {name: kind for name, kind, _ in fields}}
    told = {**schema, "required": needed} if needed else schema
    return {"required": bool(needed), "content": _json(told)}


def _thing(line: str, things: Mapping[str, str]) -> Description:
    fields = [_field(word) for word in _whole(line, things)]
    needed = [name for name, _, mark in fields if mark != "*"]
    schema = {name: kind for name, kind, _ in fields}
    return {"type": "object", "properties": schema, "required": needed}


def _whole(line: str, things: Mapping[str, str]) -> Iterator[str]:
    for word in line.split():
        if word.startswith("+"):
            yield from _whole(things[word[1:]], things)
        else:
            yield word


def _field(word: str) -> tuple[str, Description, str]:
    """Its name, its schema and the mark it bears."""
    name, _, kind = word.partition(":")
    mark = "!" if name.startswith("!") else "*" if name.endswith("*") else ""
    return name.strip("!*"), _type(kind or "str"), mark


def _type(kind: str) -> Description:
    if kind.endswith("?"):
        return {"nullable": True, **_type(kind[:-1])}
    if kind.startswith("["):
        return {"type": "array", "items": _type(kind[1:-1])}
    if "|" in kind:
        return {"type": "string", "enum": kind.split("|")}
    return _PLAIN.get(kind) or (
        {} if kind == "any" else {"allOf": [{"$ref": f"#/components/schemas/{kind}"}]}
    )


def _json(schema: Description) -> Description:
    return {"application/json": {"schema": schema}}
