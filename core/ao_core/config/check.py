"""Checks values against a model, and says everything that is wrong in words for people."""

import re
from collections.abc import Iterator
from typing import Any, TypeGuard, cast, get_args

from pydantic import AliasChoices, BaseModel, ValidationError
from pydantic.alias_generators import to_camel, to_snake
from pydantic.fields import FieldInfo

from ao_core.config.problem import Where, nearest
from ao_core.config.secret import SecretRef

_QUOTED = re.compile(r"'([^']*)'")
_SHORTEST_VALUE = 4


class Fault:
    """One thing wrong, and where in the values."""

    def __init__(self, where: Where, message: str, meant: str | None = None) -> None:
        self.where, self.message, self.meant = where, message, meant


def faults(error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    """Everything pydantic found, without any of the values."""
    details = error.errors(include_url=False)
    return [_fault(cast("dict[str, Any]", detail), model) for detail in details]


def known_names(model: type[BaseModel]) -> set[str]:
    """Every name that may be written for the model's fields."""
    return {name for key, info in model.model_fields.items() for name in _names(key, info)}


def field_called(model: type[BaseModel], name: str) -> str | None:
    """The field that is meant by either spelling of its name."""
    for key, info in model.model_fields.items():
        if name in _names(key, info) or to_snake(name) == key:
            return key
    return None


def _fault(detail: dict[str, Any], model: type[BaseModel]) -> Fault:
    where, kind, value = cast("Where", detail["loc"]), detail["type"], detail.get("input")
    if kind == "extra_forbidden":
        return _unknown(where, model)
    if where[-1:] == ("[key]",):  # how pydantic says that the name itself is meant
        where = where[:-1]
    if kind == "missing":
        return Fault(where, "it is missing")
    if isinstance(value, SecretRef):
        return Fault(where, "a reference to a secret cannot stand here")
    if kind in ("value_error", "assertion_error"):
        return Fault(where, _own_words(detail, value))
    if "expected" in detail.get("ctx", {}) and isinstance(value, str):
        expected = str(detail["ctx"]["expected"])
        return Fault(where, f"it should be {expected}", nearest(value, _QUOTED.findall(expected)))
    message = str(detail["msg"])
    return Fault(where, f"it {message[:1].lower()}{message[1:]}".replace("it input ", "it "))


def _own_words(detail: dict[str, Any], value: object) -> str:
    """What a validator said, unless it repeats a value."""
    said = str(detail.get("ctx", {}).get("error", ""))
    if not said or any(text in said for text in _texts(value)):
        return "it is not a valid value"
    return said if said.startswith("it ") else f"it {said}"


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for item in cast("dict[object, object]", value).values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in cast("list[object]", value):
            yield from _texts(item)
    elif value is not None and len(str(value)) >= _SHORTEST_VALUE:
        yield str(value)


def _unknown(where: Where, model: type[BaseModel]) -> Fault:
    around = _model_at(model, where[:-1])
    name = str(where[-1])
    if around is None:
        return Fault(where, "there is no such setting")
    if field_called(around, name):
        return Fault(where, "it is written twice, in two spellings")
    return Fault(where, "there is no such setting", nearest(name, known_names(around)))


def _model_at(annotation: object, where: Where) -> type[BaseModel] | None:
    if _is_model(annotation):
        if not where:
            return annotation
        field = field_called(annotation, str(where[0]))
        return _model_at(annotation.model_fields[field].annotation, where[1:]) if field else None
    held = getattr(annotation, "__origin__", None) in (dict, list, tuple)
    if held and not where:
        return None
    found = (_model_at(inner, where[1:] if held else where) for inner in get_args(annotation))
    return next(filter(None, found), None)


def _is_model(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _names(key: str, info: FieldInfo) -> set[str]:
    alias = info.validation_alias
    if isinstance(alias, AliasChoices):
        return {str(choice) for choice in alias.choices}
    return {key, to_camel(key), alias} if isinstance(alias, str) else {key, to_camel(key)}
