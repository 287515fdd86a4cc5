"""Values as JSON text, for every store: pydantic at the edge, frozen dataclasses inside.

A field this version does not know, written by a newer one, is ignored when read, so that going
back a version needs no conversion. Therefore whoever adds a field gives it a default; where an
older version must not lose it by writing the record again, a migration is added as well, and
older versions then refuse the store.

Moments are written in UTC and read back aware; one without a zone is refused.
"""

from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, SchemaSerializer, SchemaValidator
from pydantic_core.core_schema import (
    CoreSchema,
    datetime_schema,
    plain_serializer_function_ser_schema,
)

from ao_core.errors import Corrupt, StoreError
from ao_core.model.event import SPECS, Body, Event, EventKind, NewEvent
from ao_core.store.contract import Kind

T = TypeVar("T")

_HINT = "It was damaged, edited, or written by a newer version: upgrade, or restore a copy."


def encode(value: object) -> str:
    """Write a frozen dataclass as JSON."""
    try:
        return _serializer(type(value)).to_json(value, warnings="error").decode()
    except PydanticSerializationError:
        # the cause would quote what the record holds, here and below
        name = type(value).__name__
        hint = "Every field must be of its declared type, and text must be valid Unicode."
        raise StoreError(f"a value of {name} cannot be stored", hint=hint) from None


def decode(type: type[T], text: str) -> T:
    """Read back what `encode` wrote."""
    try:
        return _validator(type).validate_json(text, strict=True)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join((type.__name__, *map(str, first["loc"])))
        raise Corrupt(f"{where} cannot be understood: {first['type']}", hint=_HINT) from None


def encode_record(kind: Kind[Any], value: object) -> str:
    """Write a record, which must be of its kind's type."""
    if type(value) is not kind.type:
        found = type(value).__name__
        raise TypeError(f"{kind.name} holds {kind.type.__name__}, not {found}")
    return encode(value)


def decode_record(kind: Kind[T], text: str) -> T:
    """Read a record."""
    return decode(kind.type, text)


def encode_body(event: NewEvent) -> str:
    """Write an event's body; its kind is written beside it."""
    return encode(event.body)


def decode_body(kind: str, text: str) -> Body:
    """Read the body of an event of this kind."""
    return decode(SPECS[decode_kind(kind)].body, text)


def decode_kind(kind: str) -> EventKind:
    """Read an event's kind."""
    try:
        return EventKind(kind)
    except ValueError:
        raise Corrupt("the journal holds an event of unknown kind", hint=_HINT) from None


def encode_moment(moment: datetime) -> str:
    """Write a moment so that text sorts as time does."""
    return _in_utc(moment).isoformat(timespec="microseconds")


def decode_moment(text: str) -> datetime:
    """Read a moment."""
    try:
        return _in_utc(datetime.fromisoformat(text))
    except ValueError:
        raise Corrupt("a moment in the journal cannot be understood", hint=_HINT) from None


def decode_event(
    seq: int, at: str, kind: str, body: str, project: str | None, session: str | None
) -> Event:
    """Read a line of the journal."""
    found = decode_kind(kind), decode_body(kind, body)
    return Event(seq, decode_moment(at), *found, project, session)


def numbered(event: NewEvent | Event, seq: int, at: datetime) -> Event:
    """A new event as the journal's line."""
    return Event(seq, at, event.kind, event.body, event.project, event.session)


@cache
def _validator(type: type[Any]) -> SchemaValidator:
    return SchemaValidator(_schema(type))


@cache
def _serializer(type: type[Any]) -> SchemaSerializer:
    return SchemaSerializer(_schema(type))


@cache
def _schema(type: type[Any]) -> CoreSchema:
    return _with_utc(TypeAdapter(type).core_schema)


def _with_utc(schema: Any) -> Any:  # noqa: ANN401
    """Replace the schema of every moment in a schema, at any depth."""
    if isinstance(schema, dict):
        found = cast(dict[str, Any], schema)
        if found.get("type") == "datetime":
            return _MOMENT
        return {name: _with_utc(part) for name, part in found.items()}
    if isinstance(schema, list):
        return [_with_utc(part) for part in cast(list[Any], schema)]
    return schema


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(UTC)


_MOMENT = datetime_schema(
    tz_constraint=0,  # an offset in seconds
    serialization=plain_serializer_function_ser_schema(_in_utc, return_schema=datetime_schema()),
)
