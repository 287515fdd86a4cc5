"""JSON schemas of requests and replies, as small as they can be and still say everything."""

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from pydantic import BaseModel

Schema: TypeAlias = dict[str, Any]

_DEFINITIONS = "#/$defs/"
_NOTHING = {"type": "null"}


def input_schema(model: type[BaseModel]) -> Schema:
    """What a tool takes. An optional argument is left out rather than null."""
    return _whole(model.model_json_schema(mode="validation"))


def output_schema(model: type[BaseModel]) -> Schema:
    """What a tool answers. Fields that are empty are left out of it, so none is promised."""
    schema = _whole(model.model_json_schema(mode="serialization"))
    return cast("Schema", _silent(schema))


def _whole(schema: Schema) -> Schema:
    definitions = cast("dict[str, Schema]", schema.pop("$defs", {}))
    small = _small(schema, definitions, ())
    kept = {name: _small(body, definitions, (name,)) for name, body in definitions.items()}
    used = {name: body for name, body in kept.items() if f'"{_DEFINITIONS}{name}"' in _text(small)}
    small.setdefault("type", "object")
    small.pop("description", None)  # the tool has one of its own
    return small | ({"$defs": used} if used else {})


def _small(schema: Schema, definitions: Mapping[str, Schema], inside: tuple[str, ...]) -> Schema:
    """Without titles and nulls, with every definition that does not hold itself put in place."""
    schema = _resolved(_without_null(schema), definitions, inside)
    name = str(schema.pop("$defs-name", ""))
    inside = (*inside, name) if name else inside
    small: Schema = {}
    for key, value in schema.items():
        if key == "properties":
            fields = cast("dict[str, Schema]", value)
            small[key] = {name: _small(one, definitions, inside) for name, one in fields.items()}
        elif key == "required":
            small[key] = _required(schema)
        elif not _is_noise(key, value):
            small[key] = _inner(value, definitions, inside)
    return {key: value for key, value in small.items() if value != []}


def _is_noise(key: str, value: object) -> bool:
    """Titles repeat names; nothing is the default; of a length's limit one is told when met."""
    return key in _NOISE or (key == "default" and not value)


def _inner(value: object, definitions: Mapping[str, Schema], inside: tuple[str, ...]) -> object:
    if isinstance(value, dict):
        return _small(cast("Schema", value), definitions, inside)
    if isinstance(value, list):
        return [_inner(one, definitions, inside) for one in cast("list[object]", value)]
    return value


def _resolved(schema: Schema, definitions: Mapping[str, Schema], inside: tuple[str, ...]) -> Schema:
    name = str(schema.get("$ref", "")).removeprefix(_DEFINITIONS)
    if name not in definitions or name in inside:
        return dict(schema)
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    # what a definition is for is said by the field that uses it
    body = {key: value for key, value in definitions[name].items() if key != "description"}
    return {**body, **beside, "$defs-name": name}


def _without_null(schema: Schema) -> Schema:
    choices = cast("list[Schema]", schema.get("anyOf", []))
    left = [choice for choice in choices if choice != _NOTHING]
    if len(left) == len(choices):
        return schema
    beside = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**left[0], **beside} if len(left) == 1 else {**beside, "anyOf": left}


def _required(schema: Schema) -> list[str]:
    fields = cast("dict[str, Schema]", schema.get("properties", {}))
    names = cast("list[str]", schema["required"])
    return [name for name in names if _NOTHING not in fields.get(name, {}).get("anyOf", [])]


def _silent(value: object) -> object:
    """Without what only helps whoever writes arguments."""
    if isinstance(value, list):
        return [_silent(one) for one in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    schema = cast("Schema", value)
    kept = {key: _silent(one) for key, one in schema.items() if not _is_told(key, one)}
    if "properties" in schema:  # whose keys are names, and may be any word
        fields = cast("Schema", schema["properties"])
        kept["properties"] = {name: _silent(one) for name, one in fields.items()}
    return kept


def _is_told(key: str, value: object) -> bool:
    """What whoever reads an answer sees anyway."""
    return key in _PROSE or (key == "items" and value == _WORD)


def _text(schema: Schema) -> str:
    import json

    return json.dumps(schema)


_NOISE = frozenset({"title", "minLength", "maxLength", "maxItems"})
_PROSE = frozenset({"description", "default", "examples", "required"})
_WORD = {"type": "string"}
