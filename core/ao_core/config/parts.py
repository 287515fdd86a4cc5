"""The pieces that settings are made of: times, commands, plugins, and the manners of a section."""

import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TypeAlias, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)
from pydantic.alias_generators import to_camel

from ao_core.config.secret import SecretRef
from ao_core.errors import BadId
from ao_core.ids import branch_name, project_id, session_id
from ao_core.model.session import PermissionMode

_DURATION = re.compile(r"([0-9]{1,6})([smh])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}
_AGE = re.compile(r"([0-9]{1,4})([hd])")
_AGE_UNITS = {"h": "hours", "d": "days"}
_SIZE = re.compile(r"([0-9]{1,6}) ?(KB|MB|GB)", re.IGNORECASE)
_SIZE_UNITS = {"KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
_SMALLEST_SIZE, _LARGEST_SIZE = 100_000, 1_000_000_000
_SHORTEST = 10_000
_SHELL = {"&&", "||", "|", ";", "&", ">", ">>", "<", "2>", "2>&1"}
_PLUGIN = re.compile(
    r"[A-Za-z][A-Za-z0-9_-]{0,63}|[^:\x00-\x1f]{1,1000}:[A-Za-z_][A-Za-z0-9_]{0,99}"
)
FILE = re.compile(r"(?P<file>.+\.py):(?P<name>[A-Za-z0-9_]+)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


@dataclass(frozen=True, slots=True)
class Context:
    """Where the file being read stands, and the home of its reader."""

    folder: Path
    user: Path


def duration(value: object) -> timedelta:
    """Read `30s`, `10m` or `2h`."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("should be a time such as 30s, 10m or 2h")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _age(value: object) -> timedelta | None:
    """Read how long something is kept: `30d`, `12h`, or `never` for what is not removed at all."""
    if value == "never":
        return None
    match = _AGE.fullmatch(value) if isinstance(value, str) else None
    if match is None or not int(match[1]):
        raise ValueError("should be a time such as 30d or 12h, or never")
    return timedelta(**{_AGE_UNITS[match[2]]: int(match[1])})


def _size(value: object) -> int:
    """Read `500KB`, `5MB` or `1GB`; a plain number would leave its unit open."""
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    size = int(match[1]) * _SIZE_UNITS[match[2].upper()] if match else 0
    if not _SMALLEST_SIZE <= size <= _LARGEST_SIZE:
        raise ValueError("should be a size such as 5MB, from 100KB to 1GB")
    return size


def _milliseconds(value: object) -> timedelta:
    """Read a duration, or a number of milliseconds that cannot be meant as seconds."""
    if isinstance(value, bool) or not isinstance(value, int):
        return duration(value)
    if value and not _SHORTEST <= value <= 10**9:
        raise ValueError(f"is in milliseconds: 0, or {_SHORTEST} and more; or write 10s")
    return timedelta(milliseconds=value)


def _attempts_or_time(value: object) -> int | timedelta | None:
    if value is None or isinstance(value, timedelta):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str):
        return duration(value)
    raise ValueError("should be a number of attempts, or a time such as 30m")


def _command(value: object) -> object:
    """An argument list, or a line that is split into one. No shell is involved."""
    if not isinstance(value, str):
        return value
    try:
        words = shlex.split(value)
    except ValueError:
        raise ValueError("has a quote that is not closed") from None
    if any(word in _SHELL or word.endswith(";") for word in words):
        raise ValueError("is run without a shell; for one, write [sh, -c, '…']")
    return words


def _inside(value: str) -> str:
    path = PurePosixPath(value.replace("\\", "/"))
    if not path.parts or path.is_absolute() or ".." in path.parts or ":" in value:
        raise ValueError("should be a path inside the project")
    return value


def _permissions(value: object) -> object:
    return PermissionMode.PERMISSIONLESS if value == "skip" else value


def _reference(value: str, info: ValidationInfo) -> str:
    """A plugin's name, or where it is; a file is named as seen from the one it is written in."""
    if not _PLUGIN.fullmatch(value):
        raise ValueError("should be a plugin's name, package.module:Class or ./file.py:Class")
    match = FILE.fullmatch(value)
    return f"{_folder(match['file'], info)}:{match['name']}" if match else value


def _folder(value: str, info: ValidationInfo) -> str:
    """A path as seen from the file it is written in; `~` is its reader's home."""
    context = cast("Context | None", info.context)
    if context is None:
        return value
    if value == "~" or value.startswith("~/"):
        value = f"{context.user}{value[1:]}"
    return os.path.abspath(context.folder / value)


def _variable_name(name: str) -> str:
    if not _VARIABLE.fullmatch(name) or name.startswith("AO_"):
        raise ValueError("should be a variable's name, and AO_… are the engine's own")
    return name


def _variable(value: object) -> object:
    if isinstance(value, SecretRef):
        return value
    if not isinstance(value, str | int | float):
        raise ValueError("should be one text")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _project(name: str) -> str:
    return _checked(project_id, name)


def _prefix(value: str) -> str:
    try:
        session_id(f"{value}-1")
    except BadId:
        raise ValueError("should be at most 31 lower-case letters, digits, `-` and `_`") from None
    return value


def _branch(value: str) -> str:
    return _checked(branch_name, value)


def _checked(check: Callable[[str], object], value: str) -> str:
    try:
        check(value)
    except BadId as exc:
        raise ValueError(f"cannot be used. {exc.hint}") from None
    return value


Word: TypeAlias = Annotated[str, Field(min_length=1, max_length=4000)]
Duration: TypeAlias = Annotated[timedelta, BeforeValidator(duration)]
Age: TypeAlias = Annotated[timedelta | None, BeforeValidator(_age)]
Size: TypeAlias = Annotated[int, BeforeValidator(_size)]
Milliseconds: TypeAlias = Annotated[timedelta, BeforeValidator(_milliseconds)]
Escalation: TypeAlias = Annotated[int | timedelta | None, BeforeValidator(_attempts_or_time)]
Command: TypeAlias = Annotated[
    tuple[Word, ...], Field(min_length=1, max_length=200), BeforeValidator(_command)
]
Inside: TypeAlias = Annotated[Word, AfterValidator(_inside)]
Folder: TypeAlias = Annotated[Word, AfterValidator(_folder)]
Reference: TypeAlias = Annotated[Word, AfterValidator(_reference)]
Permissions: TypeAlias = Annotated[PermissionMode, BeforeValidator(_permissions)]
ProjectName: TypeAlias = Annotated[str, AfterValidator(_project)]
Prefix: TypeAlias = Annotated[str, AfterValidator(_prefix)]
Branch: TypeAlias = Annotated[str, AfterValidator(_branch)]
VariableName: TypeAlias = Annotated[str, AfterValidator(_variable_name)]
Variables: TypeAlias = dict[VariableName, Annotated[Any, BeforeValidator(_variable)]]


class Section(BaseModel):
    """A part of the file: both spellings, nothing unknown, no value ever quoted."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        coerce_numbers_to_str=True,
        hide_input_in_errors=True,
    )


class PluginSettings(Section):
    """A plugin's name, or a table of it and its settings."""

    plugin: Reference
    settings: dict[str, Any] = Field(default_factory=dict[str, Any])

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, value: object) -> object:
        if isinstance(value, str):
            return {"plugin": value}
        if not isinstance(value, dict):
            raise ValueError("should be a plugin's name, or a table with `plugin` and its settings")
        table = cast("dict[str, object]", value)
        named = {"plugin": table["plugin"]} if "plugin" in table else {}
        return {**named, "settings": {key: table[key] for key in table if key != "plugin"}}
