"""The forms of settings files. Each changes one entry in a text and leaves all else as it is."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Literal, Protocol, TypeAlias, cast

Kind: TypeAlias = Literal["json", "jsonc", "toml", "yaml"]
Entry: TypeAlias = Mapping[str, object]


class Broken(Exception):
    """The text cannot be read; says where."""

    def __init__(self, line: int, column: int, why: str) -> None:
        super().__init__(f"line {line}, column {column}: {why}")


class Unfit(Exception):
    """The text can be read, but not be changed without touching more than our entry."""


class Form(Protocol):
    """One form of file. The keys lead from the top to where the entries are."""

    def read(self, text: str) -> Mapping[str, object]:
        """What the text says; raises `Broken`."""
        ...

    def put(self, text: str, keys: Sequence[str], name: str, entry: Entry) -> str:
        """The text with the entry in it, in place of one of that name; raises `Unfit`."""
        ...

    def drop(self, text: str, keys: Sequence[str], name: str) -> str:
        """The text without the entry; raises `Unfit`."""
        ...


def form(kind: Kind) -> Form:
    """The code for one form, loaded when it is asked for."""
    module = "json" if kind == "jsonc" else kind
    return cast("Form", import_module(f"ao_mcp.clients.{module}_form").FORMS[kind])


def held(data: Mapping[str, object], keys: Sequence[str]) -> Mapping[str, object]:
    """The entries where the keys lead, none if nothing is there; raises `Unfit`."""
    here = data
    for key in keys:
        found = here.get(key)
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise Unfit(f"`{key}` holds no named entries")
        here = cast("dict[str, object]", found)
    return here


def with_entry(
    data: Mapping[str, object], keys: Sequence[str], name: str, entry: object | None
) -> dict[str, object]:
    """The data with another entry, or without it. What it holds nothing in is left out."""
    if not keys:
        rest = {key: value for key, value in data.items() if key != name}
        return rest | ({} if entry is None else {name: entry})
    inner = with_entry(held(data, keys[:1]), keys[1:], name, entry)
    rest = {key: value for key, value in data.items() if key != keys[0]}
    return rest | ({keys[0]: inner} if inner else {})
