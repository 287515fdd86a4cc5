"""Schemas as OpenAPI 3.0 writes them: values are checked against them, and facts filled out."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

Schema = Mapping[str, Any]

_OPEN, _CLOSED = "urn:described", "urn:described:and-no-more"
_WORDS = {"description", "example", "examples", "title", "externalDocs", "deprecated", "x-github"}
_SAID = 300  # characters of a complaint; a validator quotes the whole value

_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or bool(datetime.fromisoformat(value).tzinfo)


class Schemas:
    """The component schemas of one description, and any schema that speaks of them."""

    def __init__(self, components: Mapping[str, Any]) -> None:
        self._raw = components
        self._registry: Registry[Any] = Registry()
        self._known: set[str] = set()
        self._validators: dict[tuple[int, bool], tuple[object, Draft202012Validator]] = {}

    def complaints(self, schema: Schema, value: object, closed: bool = False) -> list[str]:
        """What is wrong with a value; where `closed`, fields that nobody described are."""
        found: Any = self._validator(schema, closed).iter_errors(cast(Any, value))  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return [_said(error.json_path, error.message) for error in found]

    def filled(self, schema: Schema, fact: Any) -> Any:
        """The part of the facts that a schema asks for, and a blank for what it needs besides."""
        schema = self.resolved(schema)
        if fact is None or isinstance(fact, str | int | float):
            return fact
        if isinstance(fact, Mapping):
            return self._object(
                self._fitting(schema, "object", cast(Schema, fact)), cast(Schema, fact)
            )
        items = self._fitting(schema, "array").get("items", {})
        return [self.filled(items, one) for one in fact]

    def resolved(self, schema: Schema) -> Schema:
        """The schema itself, where a reference to it is given."""
        while name := schema.get("$ref"):
            schema = self._raw["schemas"][str(name).rsplit("/", 1)[-1]]
        if parts := schema.get("allOf"):
            return _merged([self.resolved(part) for part in parts], schema)
        return schema

    def _fitting(self, schema: Schema, kind: str, facts: Schema | None = None) -> Schema:
        """The alternative that describes an object, or an array, and does not exclude the facts."""
        schema = self.resolved(schema)
        choices: Sequence[Any] = schema.get("oneOf") or schema.get("anyOf") or ()
        for choice in choices:
            found = self._fitting(choice, kind, facts)
            if found.get("type") == kind and not self._excludes(found, facts or {}):
                return found
        return schema

    def _excludes(self, schema: Schema, facts: Schema) -> bool:
        described: Mapping[str, Schema] = schema.get("properties", {})
        told = (
            (self.resolved(described[name]), facts[name]) for name in described if name in facts
        )
        return any(value not in one.get("enum", [value]) for one, value in told)

    def _object(self, schema: Schema, facts: Schema) -> dict[str, Any]:
        described: Mapping[str, Any] = schema.get("properties", {})
        if not described:
            return dict(facts)
        needed = set(schema.get("required", ()))
        known = {
            name: self.filled(described[name], facts[name]) for name in described if name in facts
        }
        blank = {
            name: self._blank(
                described[name], f"{facts.get('url', 'https://blank.invalid')}/{name}"
            )
            for name in described
            if name in needed - known.keys()
        }
        return {**known, **blank}

    def _blank(self, schema: Schema, address: str) -> Any:
        schema = self.resolved(schema)
        if schema.get("nullable"):
            return None
        if choices := schema.get("enum"):
            return choices[0]
        if choices := schema.get("oneOf") or schema.get("anyOf"):
            return self._blank(choices[0], address)
        match schema.get("type", "object"):
            case "string":
                return address if _is_address(schema, address) else ""
            case "array":
                return []
            case "object":
                return self._object(schema, {"url": address})
            case kind:
                return False if kind == "boolean" else schema.get("minimum", 0)

    def _validator(self, schema: Schema, closed: bool) -> Draft202012Validator:
        key = id(schema), closed
        if key not in self._validators:
            plain = _translated(schema, closed)
            made = Draft202012Validator(
                plain, registry=self._brought(plain), format_checker=_FORMATS
            )
            self._validators[key] = schema, made
        return self._validators[key][1]

    def _brought(self, translated: Any) -> Registry[Any]:
        """The components that a schema speaks of, and those that they do, for the first time."""
        for name in _spoken_of(translated):
            if name not in self._known:
                self._known.add(name)
                kind, _, plain = name.rpartition(":")
                one = _translated(self._raw["schemas"][plain], closed=kind == _CLOSED)
                made = DRAFT202012.create_resource(one)
                self._registry = self._registry.with_resource(name, made)
                self._brought(one)
        return self._registry


def _merged(parts: Sequence[Schema], whole: Schema) -> Schema:
    """One schema for what several ask together."""
    merged: dict[str, Any] = {}
    described: dict[str, Any] = {}
    for part in (*parts, whole):
        merged |= part
        for name, one in part.get("properties", {}).items():
            described[name] = {"allOf": [described[name], one]} if name in described else one
    merged.pop("allOf", None)
    merged["required"] = [name for part in (*parts, whole) for name in part.get("required", ())]
    merged["nullable"] = whole.get("nullable") or all(part.get("nullable") for part in parts)
    return merged | ({"properties": described} if described else {})


def _translated(schema: Any, closed: bool = False) -> Any:
    """The same in JSON Schema's words."""
    if isinstance(schema, list):
        return [_translated(one, closed) for one in cast(list[Any], schema)]
    if not isinstance(schema, Mapping):
        return schema
    told = dict(cast(Schema, schema))
    if "$ref" in told:
        kind = _CLOSED if closed else _OPEN
        return {"$ref": f"{kind}:{str(told['$ref']).rsplit('/', 1)[-1]}"}
    nullable = told.pop("nullable", False)
    plain = {name: _part(name, value, closed) for name, value in told.items() if name not in _WORDS}
    if closed and {"properties", "allOf"} & plain.keys() and "additionalProperties" not in plain:
        plain["unevaluatedProperties"] = False
    return {"anyOf": [{"type": "null"}, plain]} if nullable else plain


def _spoken_of(translated: Any) -> set[str]:
    if isinstance(translated, Mapping):
        told = cast(Schema, translated)
        own = {str(told["$ref"])} if "$ref" in told else set[str]()
        return own.union(*(_spoken_of(part) for part in told.values()))
    items = cast(list[Any], translated) if isinstance(translated, list) else []
    return set[str]().union(*(_spoken_of(one) for one in items))


def _part(name: str, value: Any, closed: bool) -> Any:
    if name in ("enum", "default", "required"):
        return value
    if name == "allOf":  # each part knows some of the fields alone
        return _translated(value)
    if name in ("properties", "patternProperties"):
        return {key: _translated(part, closed) for key, part in value.items()}
    return _translated(value, closed)


def _is_address(schema: Schema, address: str) -> bool:
    return schema.get("format") in ("uri", "uri-template") or address.endswith(("url", "href"))


def _said(where: str, message: str) -> str:
    return f"{where}: {message if len(message) < _SAID else message[:100] + ' … ' + message[-150:]}"
